"""HLS segments that are encrypted whole (`drm aes128`; RFC 8216, 4.3.2.4 and 5.2).

Keys are those of the operator's key server, which is asked `?file=RESOURCE&number=N` and answers a
key of 16 bytes, plain or as 32 hexadecimal digits, and where players get it (`X-Key-Url`). Which
number a segment has follows from its name, so all workers and servers agree on it, in the playlist
of now and in those of what was recorded. The initialisation vector belongs to the key and is told
in each playlist.

Nothing goes out in clear where there is no key: viewers get a 503 and the log says why.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Hashable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from media_process.seldom import Seldom
from media_rest.redact import redact_text, redact_url
from yarl import URL

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.kept import Kept
from media_streamer.files.gathered import Body
from media_streamer.outgoing.addresses import reach_of_process
from media_streamer.outgoing.connector import guarded_connector
from media_streamer.protocols.hls.key_tags import KeyLine
from media_streamer.wire.control import Encryption

log = logging.getLogger(__name__)

KEY_BYTES = 16
BLOCK_BITS = 128
MAX_ANSWER_BYTES = 4096
TIMEOUT_SECONDS = 5.0
RETRY_SECONDS = 5.0
"""A key that was not given is asked for again after this long, whoever comes meanwhile."""
FEW = 2
"""Keys of a live playlist: one, and the next. Who wants more waits for others who do."""
MAX_LONG_LISTS = 2
MAX_ASKED = 8
"""Keys that are asked for at once for a long list."""
MAX_LISTED = 1_000
"""In one playlist: a week at ten minutes each."""
MAX_KEYS = 10_000
MAX_FAILURES = 1000
MAX_MADE_BYTES = 32 * 1024 * 1024
"""Segments that were encrypted of late: many viewers ask for the same."""
URL_HEADER = "X-Key-Url"


class SegmentKey(NamedTuple):
    """A key, and what players are told of it."""

    value: bytes
    url: str

    @property
    def vector(self) -> bytes:
        """Of 16 bytes, the same for all segments of the key."""
        return hashlib.sha256(b"vector" + self.value).digest()[:KEY_BYTES]

    @property
    def line(self) -> str:
        return f'#EXT-X-KEY:METHOD=AES-128,URI="{self.url}",IV=0x{self.vector.hex()}'

    def __repr__(self) -> str:
        return "SegmentKey()"  # never printed


class KeyServerFailed(Exception):  # noqa: N818 - what the caller answers
    """It gives no key: words for viewers, and for the log `detail`, without secrets."""

    def __init__(self, words: str, detail: str = "") -> None:
        super().__init__(words)
        self.detail = detail or words


def number_at(start_ms: int, period_seconds: int) -> int:
    """Which key a segment has that begins then (Unix ms): 1 where keys stay, else the periods since
    1970."""
    return start_ms // 1000 // period_seconds if period_seconds else 1


def numbers_at(starts_ms: Iterable[int], period_seconds: int) -> set[int]:
    """The same of many."""
    return {number_at(start_ms, period_seconds) for start_ms in starts_ms}


def number_of(name: str, period_seconds: int) -> int:
    """`number_at` by a segment's name (`YYYY/MM/DD/hh/mm/ss-…`)."""
    if not period_seconds:
        return 1
    year, month, day, hour, minute, second = map(int, name.partition("-")[0].split("/"))
    start = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    return number_at(int(start.timestamp()) * 1000, period_seconds)


def encrypted(body: Body, key: SegmentKey) -> bytes:
    """AES-128 in CBC over all of it, padded (PKCS7)."""
    cipher = Cipher(algorithms.AES128(key.value), modes.CBC(key.vector)).encryptor()
    padder = PKCS7(BLOCK_BITS).padder()
    return b"".join(
        (cipher.update(padder.update(body)), cipher.update(padder.finalize()), cipher.finalize())
    )


class Encrypting:
    """Keys, and what was encrypted with them; one of it a worker."""

    def __init__(self) -> None:
        self._keys: Kept[tuple[Encryption, int], SegmentKey] = Kept(MAX_KEYS, lambda _: 1)
        self._failed: dict[tuple[Encryption, int], tuple[float, str]] = {}
        self._long_lists = asyncio.Semaphore(MAX_LONG_LISTS)
        self._made: Kept[tuple[Encryption, int, Hashable], bytes] = Kept(MAX_MADE_BYTES, len)
        self._seldom = Seldom()

    async def lines(self, terms: Encryption, numbers: Collection[int]) -> KeyLine:
        """What stands before segments that have keys of these numbers, by their names; it raises
        KeyError for others. Raises AccessDenied."""
        if len(numbers) > MAX_LISTED:
            title = f"That is encrypted with more than {MAX_LISTED} keys: ask for less time"
            raise AccessDenied(400, "too_many_keys", title)
        found: dict[int, str] = {}
        if len(numbers) <= FEW:
            await self._find(terms, sorted(numbers), found)
        else:
            async with self._long_lists:
                ordered = sorted(numbers)
                # Where one is not given the others are not asked for.
                for at in range(0, len(ordered), MAX_ASKED):
                    await self._find(terms, ordered[at : at + MAX_ASKED], found)
        return lambda name: found[number_of(name, terms.period_seconds)]

    async def _find(self, terms: Encryption, numbers: Sequence[int], found: dict[int, str]) -> None:
        keys = await asyncio.gather(*(self._key(terms, number) for number in numbers))
        found.update((number, key.line) for number, key in zip(numbers, keys, strict=True))

    async def sealed(
        self,
        terms: Encryption,
        number: int,
        place: Hashable,
        read: Callable[[], Coroutine[Any, Any, Body]],
    ) -> bytes:
        """A segment, encrypted once for all who ask soon; `place` tells it from all others of the
        resource. Raises AccessDenied, and what `read` does."""
        key = await self._key(terms, number)

        async def make() -> bytes:
            body = await read()
            return await asyncio.to_thread(encrypted, body, key)

        return await self._made.make((terms, number, place), make)

    async def _key(self, terms: Encryption, number: int) -> SegmentKey:
        at, why = self._failed.get((terms, number), (0.0, ""))
        if why and time.monotonic() < at + RETRY_SECONDS:
            raise _no_key(why)
        return await self._keys.make((terms, number), lambda: self._ask(terms, number))

    async def _ask(self, terms: Encryption, number: int) -> SegmentKey:
        try:
            key = await ask_key_server(terms, number)
        except KeyServerFailed as failed:
            tail = self._seldom.tail(terms.stream, failed.detail)
            if tail is not None:
                log.error(
                    "stream %s: drm: %s gives no key: %s; it is not played until it does%s",
                    terms.stream, redact_url(terms.keyserver), failed.detail, tail,
                )  # fmt: skip
            if len(self._failed) >= MAX_FAILURES:
                self._failed.clear()
            self._failed[terms, number] = (time.monotonic(), str(failed))
            raise _no_key(str(failed)) from None
        self._failed.pop((terms, number), None)
        return key


def _no_key(why: str) -> AccessDenied:
    return AccessDenied(503, "key_server", f"The key server gives no key: {why}")


async def ask_key_server(terms: Encryption, number: int) -> SegmentKey:
    """A key of the key server. Raises KeyServerFailed."""
    asked = {"file": terms.resource, "number": str(number)}
    connector = guarded_connector(reach_of_process(), limit=1)
    try:
        async with (
            asyncio.timeout(TIMEOUT_SECONDS),
            aiohttp.ClientSession(connector=connector) as http,
            http.get(URL(terms.keyserver).update_query(asked), allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise KeyServerFailed(f"it answers {answer.status}")
            body = await answer.content.read(MAX_ANSWER_BYTES)
            while len(body) < MAX_ANSWER_BYTES and (more := await answer.content.readany()):
                body += more
            told = answer.headers.get(URL_HEADER, "").strip()
    except TimeoutError:
        raise KeyServerFailed(f"no answer in {TIMEOUT_SECONDS:g} s") from None
    except (aiohttp.ClientError, ValueError, OSError) as error:
        # Viewers are told no address of the inside network.
        detail = redact_text(str(error)) or type(error).__name__
        raise KeyServerFailed("it cannot be reached", detail) from None
    if not told and terms.user_keyserver:
        told = str(URL(terms.user_keyserver).update_query(asked))
    return SegmentKey(_key_in(body), _checked_url(told))


def _key_in(body: bytes) -> bytes:
    if len(body) == KEY_BYTES:
        return body
    try:
        key = bytes.fromhex(body.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyServerFailed("what it answers are neither 16 bytes nor 32 hexadecimal digits")
    return key


def _checked_url(told: str) -> str:
    """For the attribute of a tag; raises KeyServerFailed."""
    if not told:
        raise KeyServerFailed(
            f"it does not say where players get it ({URL_HEADER}), nor does user_keyserver"
        )
    try:
        scheme = urlsplit(told).scheme
    except ValueError:
        scheme = ""
    # Nothing may end the attribute or the line (RFC 8216, 4.2).
    if scheme not in ("http", "https") or not told.isprintable() or '"' in told:
        raise KeyServerFailed(f"{URL_HEADER} is no http(s) URL")
    return told
