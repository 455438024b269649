"""What another server has of a stream, passed on to viewers of this one: what is recorded there,
kept on disk where the stream has a `cache`, and segments of before a live stream was taken from it.

Role: a protocol asks for leave to play what is recorded, as always; where it is recorded elsewhere
`PassOn` is raised instead of an answer, and the HTTP service has the request answered here. Who may
watch was decided then, so the other server is asked in the name of this one, with the cluster key.

Engine and directory are those of the resource Cache (`media_streamer.cache`): a segment is stored
with the last of `misses` requests, what is asked for at once is asked for once. The worker that has
the directories (`cache_disks`) does it, and the others send such requests to it.
"""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, unquote

from aiohttp import web
from media_rest.credentials import cluster_header
from yarl import URL

from media_streamer.cache.fetch import Fetcher, Flight, Head, Save
from media_streamer.cache.held import Held
from media_streamer.cache.index import Meta
from media_streamer.cache.origins import OriginFailed, Origins, Question
from media_streamer.cache.policy import NotServed, read_target
from media_streamer.cache.send import (
    WHOLE_RANGE,
    response_body,
    send_body,
    send_stored,
    stored_head,
    wanted_range,
)
from media_streamer.egress.access import AccessDenied, Counts, PassOn
from media_streamer.egress.cache_disks import OWNER, CacheDisks, Disk
from media_streamer.egress.http.gathered import QuickResponse, can_gather
from media_streamer.egress.http.neighbours import Neighbours
from media_streamer.egress.http.prepared import date_bytes, head_bytes
from media_streamer.egress.http.quick_segments import END, Folder, Wanted, split
from media_streamer.egress.http.request import OWN_ARCHIVE, MediaRequest
from media_streamer.egress.http.sending import FileMessage
from media_streamer.files.samples import Span
from media_streamer.wire.control import Passage

log = logging.getLogger(__name__)

NOT_THERE = frozenset({"no_session", "unavailable"})
"""What `Neighbours.forward` says of a worker that cannot be asked now."""
MAX_ORIGINS = 64
STORE_WAIT_SECONDS = 2.0
"""For a file that is complete and on its way to the disk."""
LIVE_PATIENCE_SECONDS = 3.0
"""A server that has a live segment has it at once; a machine that is gone says nothing."""
WHO = "this server"
"""The one for whom the other server is asked, whoever asks here."""


@dataclass(slots=True)
class _Origin:
    origins: Origins
    fetcher: Fetcher


class Passages:
    """One per worker; `run` it."""

    def __init__(self, disks: CacheDisks, neighbours: Neighbours | None) -> None:
        self._disks = disks
        self._neighbours = neighbours
        self.metrics = disks.metrics
        self._origins: OrderedDict[str, _Origin] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled; nothing is left open then."""
        try:
            await asyncio.Event().wait()
        finally:
            for origin in self._origins.values():
                await _end(origin)

    async def answer(self, request: MediaRequest, passing: PassOn) -> web.StreamResponse:
        """The other server's answer, or the stored one; raises AccessDenied."""
        passage = passing.access.config.passage
        assert passage is not None  # that is why it is passed on
        if passage.cache and not self._disks.is_owner and self._neighbours is not None:
            try:
                return await self._neighbours.forward(OWNER, request.http, request.ip)
            except AccessDenied as denied:
                if denied.code not in NOT_THERE:
                    raise  # else it is starting: what is passed on meanwhile is not kept
        try:
            asked = _Asked(request, passing)
            if passing.otherwise is not None and self._origin(passage).origins.are_down():
                raise passing.otherwise
            return await self._answer(asked, passing.account)
        except NotServed:
            raise AccessDenied(404, "not_found", "There is nothing here") from None
        except OriginFailed as error:
            if passing.otherwise is not None:
                raise passing.otherwise from None
            title = f"The server that has it does not answer: {error}"
            raise AccessDenied(error.status, "origin_failed", title) from None

    async def _answer(self, asked: "_Asked", account: Counts | None) -> web.StreamResponse:
        disk = await self._disks.find(asked.passage.cache)
        if disk is None or not asked.is_media:
            return await self._fetch(asked, account, None)
        if (answer := await self._from_disk(disk, asked, account)) is not None:
            return answer
        flight = self._origin(asked.passage).fetcher.find(asked.key)
        if flight is not None and flight.body_done:
            # Complete, and being written: a moment later it is a stored file.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STORE_WAIT_SECONDS):
                    await flight.over.wait()
            if (answer := await self._from_disk(disk, asked, account)) is not None:
                return answer
        stores = asked.is_whole and disk.misses.count(asked.file)
        return await self._fetch(asked, account, _saving(disk, asked) if stores else None)

    async def _from_disk(
        self, disk: Disk, asked: "_Asked", account: Counts | None
    ) -> web.StreamResponse | None:
        if (found := await disk.store.find(asked.file)) is None:
            return None
        file, entry, meta = found
        with file:
            self.metrics.hits.inc()
            disk.store.hold(asked.file, file, entry, is_read=False)
            if (quick := self._quick(disk, asked, account)) is not None:
                return quick
            answer = await send_stored(asked.request.http, file, entry, meta, self.metrics)
        if account is not None:
            account.bytes += answer.content_length or 0
        return answer

    def _quick(
        self, disk: Disk, asked: "_Asked", account: Counts | None
    ) -> web.StreamResponse | None:
        """The stored file, if it can be sent at once and as a whole."""
        http = asked.request.http
        held = disk.store.held(asked.file, time.time()) if can_gather(http) else None
        if held is None:
            return None
        response = KeptResponse(http, held, account)
        _, within = split(http.raw_path.partition("?")[0].encode(errors="surrogateescape"))
        if asked.place is not None and within and asked.file.endswith(within):
            before = asked.file.removesuffix(within)
            response.folder = Folder(
                *asked.place,
                asked.config,
                lambda wanted: self._held(disk, before, wanted),
                recorded=True,
            )
        return response

    def _held(self, disk: Disk, before: str, wanted: Wanted) -> FileMessage | None:
        if wanted.directives is not None:
            return None
        held = disk.store.held(before + wanted.rest, time.time())
        if held is None or not self._disks.is_open(disk):
            return None
        self.metrics.hits.inc()
        return kept_message(held, END, wanted.viewer.count, by_range=wanted.by_range)

    async def _fetch(
        self, asked: "_Asked", account: Counts | None, save: Save | None
    ) -> web.StreamResponse:
        origin = self._origin(asked.passage)
        fetcher, http = origin.fetcher, asked.request.http
        flight, tag = fetcher.find(asked.key), "COLLAPSED"
        if flight is None:
            tag = "MISS"
            flight = fetcher.start(asked.key, WHO, asked.question(), save)
        fetcher.join(flight)
        try:
            head = _passable(await asyncio.shield(flight.head), asked)
            if head.is_for(WHO, WHO):
                (self.metrics.misses if tag == "MISS" else self.metrics.collapsed).inc()
                body = _counted(flight.body(), account)
                return await send_body(http, head, body, tag, self.metrics)
            response = flight.take_response()
        finally:
            fetcher.leave(flight)
        self.metrics.misses.inc()
        if response is None:
            response = await origin.origins.ask(asked.question())
        async with response:
            head = _passable(Head(response, WHO), asked)
            body = _counted(response_body(response), account)
            return await send_body(http, head, body, "MISS", self.metrics)

    # What is open

    def _origin(self, passage: Passage) -> _Origin:
        found = self._origins.get(passage.origin)
        if found is None:
            origins = Origins([URL(passage.origin)], self.metrics)
            found = self._origins[passage.origin] = _Origin(origins, Fetcher(origins, self.metrics))
            if len(self._origins) > MAX_ORIGINS:
                _, old = self._origins.popitem(last=False)
                task = asyncio.create_task(_end(old), name="end of requests to an origin")
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
        self._origins.move_to_end(passage.origin)
        return found


class _Asked:
    """A request, and what of it the other server is asked."""

    def __init__(self, request: MediaRequest, passing: PassOn) -> None:
        """Raises NotServed."""
        self.config, self.place = passing.access.config, passing.place
        passage = self.config.passage
        assert passage is not None  # that is why it is passed on
        self.has_own_answer = passing.otherwise is not None
        self.request, self.passage = request, passage
        # The path begins with the name of the stream here, whatever its escapes.
        rest = unquote(request.http.rel_url.raw_path).removeprefix(f"/{request.name}")
        path = f"/{quote(passage.name)}{quote(rest, safe='/:(=),')}"
        wanted = read_target(path, "")
        self.is_media = wanted.is_media
        part = wanted_range(request.http)
        # bytes=0- is the whole: ffmpeg sends it each time.
        self._range = None if part == "bytes=0-" else part
        self.is_whole = request.http.method == "GET" and self._range is None
        query = request.http.rel_url.raw_query_string
        # Of a segment nothing but its path says what it is; a list repeats the viewer's token.
        self._target = path if self.is_media or not query else f"{path}?{query}"
        self._stream = passage.name
        self._coding = "identity"
        if not self.is_media and "gzip" in request.http.headers.get("Accept-Encoding", ""):
            self._coding = "gzip"

    @property
    def file(self) -> str:
        """The name of a stored file."""
        return f"{self.passage.origin}{self._target}"

    @property
    def key(self) -> str:
        """What requests must have in common to be one to the other server."""
        if self.is_media and self.is_whole:
            return self.file
        method = self.request.http.method
        return "\n".join((method, self._target, self._coding, self._range or ""))

    def question(self) -> Question:
        headers = {"Accept-Encoding": self._coding, "User-Agent": "media-streamer"}
        if self.passage.cluster_key:
            headers["Authorization"] = cluster_header(self.passage.cluster_key, time.time())
        if not self.passage.chain:
            headers[OWN_ARCHIVE] = "1"
        if self._range is not None:
            headers["Range"] = self._range
        return Question(
            self.request.http.method,
            self._target,
            self._stream,
            headers,
            patience_seconds=LIVE_PATIENCE_SECONDS if self.has_own_answer else None,
        )


class KeptResponse(QuickResponse):
    """A stored file as a whole."""

    def __init__(self, request: web.BaseRequest, held: Held, account: Counts | None) -> None:
        super().__init__(request, held.meta.length)
        self._held, self._account = held, account

    def message(self, end: bytes) -> FileMessage:
        return kept_message(self._held, end, self._count, by_range=self.by_range)

    def _count(self, sent: int) -> None:
        if self._account is not None:
            self._account.bytes += sent


def kept_message(
    held: Held, end: bytes, on_sent: Callable[[int], None], *, by_range: bool
) -> FileMessage:
    """A stored file as a whole. Whoever gets it sends it."""
    part = WHOLE_RANGE if by_range else None
    status, headers, start, length = stored_head(held.entry, held.meta, part, time.time())
    head = head_bytes(status, headers) + date_bytes() + end
    held.take()

    def on_end(sent: int, _: OSError | None) -> None:
        held.release()
        on_sent(sent)

    span = Span(held.meta.offset + start, length)
    return FileMessage(head, held.descriptor, (span,), length, on_end)


def _passable(head: Head, asked: _Asked) -> Head:
    if head.status >= HTTPStatus.INTERNAL_SERVER_ERROR and asked.has_own_answer:
        raise OriginFailed(502, f"It answers {head.status}")
    if head.status in (401, 403):
        title = "The server that has it refuses this one: they need the same cluster_key"
        raise AccessDenied(502, "origin_refuses", title)
    return head


def _saving(disk: Disk, asked: _Asked) -> Save:
    """What stores the answer."""

    async def save(flight: Flight, head: Head) -> None:
        if head.lifetime_seconds is None:
            return
        content_type = head.headers.get("Content-Type", "application/octet-stream")
        cache_control = head.headers.get("Cache-Control", "")
        meta = Meta(0, flight.size, content_type, cache_control, public=False)
        lifetime = head.lifetime_seconds
        await disk.put(asked.request.name, asked.file, flight.chunks, meta, lifetime)

    return save


async def _counted(body: AsyncIterator[bytes], account: Counts | None) -> AsyncIterator[bytes]:
    async for data in body:
        yield data
        if account is not None:
            account.bytes += len(data)


async def _end(origin: _Origin) -> None:
    await origin.fetcher.close()
    await origin.origins.close()
