"""Episodes: those of this server's archives, and those that a backend says must be kept.

Role: `/episodes` of the API, and what of an archive the limits may not take. A backend is asked
only for streams of which something would be deleted: the one that `episodes_url` of the stream
names, else the configuration backend, if its answers say that it knows episodes.

Invariant: what cannot be asked or read is kept, all of it.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from media_api.episodes import DvrEpisode, KeptEpisode
from media_rest.redact import redact_text
from pydantic import ValidationError

from media_streamer.archive.declared import Declared
from media_streamer.archive.episodes import (
    ALL_TIME,
    MAX_EPISODES,
    Book,
    kept_by,
    read_book,
    write_book,
)
from media_streamer.archive.keeper import Kept
from media_streamer.archive.ranges import Range
from media_streamer.supervisor.config_backend import (
    MAX_BODY_BYTES,
    MAX_PAGES,
    REQUEST_TIMEOUT_SECONDS,
    base_and_authorization,
    headers_of,
)

log = logging.getLogger(__name__)

NAMES_PER_REQUEST = 100
MAX_ROUNDS = 5
"""What one backend keeps may make the limits take something of the next stream."""
Look = Callable[[Mapping[str, list[Range]], frozenset[str]], Awaitable[Kept]]
"""Keeps the limits of a disk, given what is kept and of which streams nobody asked yet."""


class NoAnswer(Exception):  # noqa: N818 - what people are told
    """A backend does not say which episodes there are."""


class EpisodeBackends:
    """Whoever knows episodes of our streams; one per server."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: Callable[[], str],
        host: Callable[[], str],
        token_file: Path | None = None,
    ) -> None:
        """`url`: base URL of the configuration backend while it knows episodes, else empty;
        `token_file` is shown to that one alone."""
        self._http = http
        self._url = url
        self._host = host
        self._token_file = token_file
        self.problem = ""
        self.heard: dict[str, list[Range]] = {}
        """What was answered last, of each stream that was asked for."""

    def of(self, declared: Declared) -> str:
        """Where episodes of a stream are asked for; empty: nowhere."""
        return declared.episodes_url or self._own()

    def _own(self) -> str:
        base = self._url()
        return f"{base.rstrip('/')}/episodes" if base else ""

    async def ask(self, url: str, names: Collection[str]) -> list[KeptEpisode]:
        """Episodes of these streams. Raises NoAnswer."""
        found: list[KeptEpisode] = []
        ordered = sorted(names)
        for start in range(0, len(ordered), NAMES_PER_REQUEST):
            found += await self._ask(url, ordered[start : start + NAMES_PER_REQUEST])
        return found

    async def _ask(self, url: str, names: list[str]) -> list[KeptEpisode]:
        base, authorization = base_and_authorization(url)
        try:
            headers = headers_of(authorization, self._token_file if url == self._own() else None)
        except (OSError, ValueError) as error:
            raise NoAnswer(f"the token cannot be read: {error}") from None
        joined = ",".join(quote(name, safe="/") for name in names)
        now_ms = int(time.time() * 1000)
        # Under its older name, too: backends look for the one or the other.
        query = f"media={joined}&name={joined}&host={quote(self._host())}&opened_at_lt={now_ms}"
        address = f"{base}{'&' if '?' in base else '?'}{query}"
        found: list[KeptEpisode] = []
        cursor = ""
        for _ in range(MAX_PAGES):
            page = await self._page(address + cursor, headers)
            try:
                found += [KeptEpisode.model_validate(one) for one in page["episodes"]]
            except (KeyError, TypeError, ValidationError):
                raise NoAnswer("the answer is no list of episodes") from None
            if not page.get("next"):
                return found
            cursor = f"&cursor={quote(str(page['next']), safe='')}"
        raise NoAnswer(f"more than {MAX_PAGES} pages")

    async def _page(self, address: str, headers: dict[str, str]) -> dict[str, Any]:
        limit = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
        try:
            async with self._http.get(address, headers=headers, timeout=limit) as response:
                if response.status != 200:
                    raise NoAnswer(f"it answered {response.status}")
                body = bytearray()
                async for part in response.content.iter_chunked(65536):
                    body += part
                    if len(body) > MAX_BODY_BYTES:
                        raise NoAnswer(f"it sent more than {MAX_BODY_BYTES} bytes")
            page = json.loads(body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
            raise NoAnswer(redact_text(str(error)) or type(error).__name__) from None
        if not isinstance(page, dict):
            raise NoAnswer("the answer is no list of episodes")
        return page

    async def kept(self, declared: Mapping[str, Declared]) -> dict[str, list[Range]]:
        """What the backends of these streams keep; all of a stream where one does not answer."""
        by_url: dict[str, list[str]] = {}
        for name, one in declared.items():
            by_url.setdefault(self.of(one), []).append(name)
        result: dict[str, list[Range]] = {name: [] for name in declared}
        problem = ""
        for url, names in by_url.items():
            try:
                found = await self.ask(url, names) if url else []
            except NoAnswer as error:
                problem = f"episodes cannot be asked for, so nothing is deleted: {error}"
                result |= {name: [ALL_TIME] for name in names}
                continue
            now_ms = int(time.time() * 1000)
            for name in names:
                own = [one for one in found if one.media == name]
                kept = kept_by(own, declared[name].episodes_expiration, now_ms)
                result[name] = self.heard[name] = kept.get(name, [])
        if problem and problem != self.problem:
            log.error("archives: %s", problem)
        self.problem = problem
        return result


class EpisodeDesk:
    """Episodes of the archives of this server; one per server, on its event loop."""

    def __init__(
        self,
        backends: EpisodeBackends | None,
        find: Callable[[str], Declared],
        on_disk: Callable[[Path, Callable[[], Any]], Awaitable[Any]],
    ) -> None:
        """`find`: the archive of a stream, raises ArchiveError; `on_disk`: does something in the
        threads of a root, raises ArchiveError."""
        self._backends = backends
        self._find = find
        self._on_disk = on_disk
        self._books: dict[Path, Book] = {}
        self._lock = asyncio.Lock()
        """Of changes: who reads has the book as it was or as it is."""
        self._here: dict[str, list[Range]] = {}
        """What episodes keep of the streams whose limits were looked at."""

    @property
    def problem(self) -> str:
        """Why archives grow beyond their limits; empty if they do not."""
        return self._backends.problem if self._backends is not None else ""

    def closed(self, root: Path) -> None:
        """The root is ours no more."""
        self._books.pop(root, None)

    def removed(self, stream: str) -> None:
        """There is no such stream any more."""
        self._here.pop(stream, None)
        if self._backends is not None:
            self._backends.heard.pop(stream, None)

    def kept_here(self, stream: str) -> list[Range]:
        """What episodes keep of a stream, as far as is known here; all, until somebody has looked.
        For any thread."""
        return self._here.get(stream, [ALL_TIME])

    async def kept(self, streams: Mapping[str, Declared]) -> dict[str, list[Range]]:
        """What episodes keep of these streams; all of one where a backend does not answer.

        Raises ArchiveError where our own cannot be read.
        """
        known = await self._own(streams)
        found = await self._backends.kept(streams) if self._backends is not None else {}
        return {name: [*known.get(name, []), *found.get(name, [])] for name in streams}

    async def all(self, roots: Iterable[Path]) -> list[DvrEpisode]:
        """Those below some roots, oldest first."""
        books = [await self._book(root) for root in roots]
        found = {one.episode_id: one for book in books for one in book.values()}
        return sorted(found.values(), key=lambda one: (one.opened_at, one.episode_id))

    async def save(self, roots: Iterable[Path], episode: DvrEpisode) -> None:
        """Make or replace one. Raises ArchiveError; ValueError if there are too many."""
        root = self._find(episode.media).root
        async with self._lock:
            book = await self._book(root)
            if len(book) >= MAX_EPISODES and episode.episode_id not in book:
                raise ValueError(f"there are {MAX_EPISODES} episodes in {root} already")
            await self._write(root, {**book, episode.episode_id: episode})
            for other in roots:  # it may be of another stream now
                if other != root:
                    await self._drop(other, episode.episode_id)

    async def remove(self, roots: Iterable[Path], episode_id: int) -> bool:
        """False if there is none. Raises ArchiveError."""
        async with self._lock:
            return any([await self._drop(root, episode_id) for root in roots])

    async def _drop(self, root: Path, episode_id: int) -> bool:
        book = await self._book(root)
        if episode_id not in book:
            return False
        await self._write(root, {key: one for key, one in book.items() if key != episode_id})
        return True

    async def _book(self, root: Path) -> Book:
        book = self._books.get(root)
        if book is None:
            book = self._books[root] = await self._on_disk(root, partial(read_book, root))
        return book

    async def _write(self, root: Path, book: Book) -> None:
        await self._on_disk(root, partial(write_book, root, book))
        self._books[root] = book

    async def keep(self, streams: Mapping[str, Declared], look: Look) -> Kept:
        """Keep the limits of a disk with these streams, and what episodes keep of them.

        Raises what `look` raises, and ArchiveError where our own episodes cannot be read.
        """
        own = await self._own(streams)
        try:
            return await self._keep(streams, look, own)
        finally:
            heard = self._backends.heard if self._backends is not None else {}
            for name in streams:
                self._here[name] = [*own.get(name, []), *heard.get(name, [])]

    async def _keep(
        self, streams: Mapping[str, Declared], look: Look, known: Mapping[str, list[Range]]
    ) -> Kept:
        open_ = frozenset(
            name for name, one in streams.items() if self._backends and self._backends.of(one)
        )
        for turn in range(MAX_ROUNDS + 1):
            kept = await look(known, open_)
            if not kept.asks or self._backends is None:
                return kept
            asked = {name: streams[name] for name in kept.asks}
            if turn == MAX_ROUNDS - 1:
                # No end of it: what nobody asked for stays this time.
                found = {name: [ALL_TIME] for name in open_}
            else:
                found = await self._backends.kept(asked)
            known = {**known, **{n: [*known.get(n, []), *more] for n, more in found.items()}}
            open_ -= found.keys()
        return kept

    async def _own(self, streams: Mapping[str, Declared]) -> dict[str, list[Range]]:
        known: dict[str, list[Range]] = {}
        now_ms = int(time.time() * 1000)
        for name, one in streams.items():
            book = await self._book(one.root)
            mine = [episode for episode in book.values() if episode.media == name] if book else []
            known |= kept_by(mine, one.episodes_expiration, now_ms)
        return known
