"""Files of storages that are reached by HTTP: read by ranges, in blocks that are kept for a while.

Blocks (threads call it). Invariants: what was read is of one content, for every answer has to carry
the size and the validators (RFC 9110 8.8) of the first; whoever needs a block that another thread
fetches waits for that; what is kept has a bound in bytes, whatever the files are; an answer that
drips holds a thread no longer than `READ_SECONDS`.
"""

import hashlib
import re
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from media_streamer.files.disk import Changed
from media_streamer.files.names import Identity

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

BLOCK_BYTES = 256 * 1024
KEPT_BYTES = 32 * 1024 * 1024
"""Of all remote files of a process."""
MAX_RUN = 32
"""Blocks that are fetched by one request; longer reads are not kept."""
CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
"""For one request."""
CONNECTIONS = 8
"""To one server, kept open."""
MAX_REDIRECTS = 3
NOT_THERE = frozenset({404, 410})
_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})")


class Unreachable(OSError):  # noqa: N818 - what the client is told
    """The storage does not give what it should; says why, without secrets."""

    def __init__(self, reason: str) -> None:
        super().__init__(None, reason)


class Answer(NamedTuple):
    """Bytes of a content, and what else was said of it."""

    data: bytes
    size: int
    """Of the whole."""
    validators: tuple[str, str]
    """`ETag` and `Last-Modified`; what is not said is empty."""


class Fetch(Protocol):
    """A way to a storage."""

    def __call__(self, path: str, first: int, end: int) -> Answer | None:
        """Bytes `first` to before `end` of a file; None if it is not there. Raises Unreachable."""
        ...


class HttpStorage:
    """`http(s)://[LOGIN:PASSWORD@]HOST[:PORT]/FOLDER`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self._base = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._query = parts.query
        self._headers = {"Accept-Encoding": "identity"}
        if parts.username is not None:
            from urllib3.util import make_headers

            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers |= make_headers(basic_auth=login)

    def __call__(self, path: str, first: int, end: int) -> Answer | None:
        address = f"{self._base}/{quote(path)}" + (f"?{self._query}" if self._query else "")
        with _requested(address, self._headers | {"Range": f"bytes={first}-{end - 1}"}) as answer:
            return read_answer(answer, first, end)


def read_answer(answer: "BaseHTTPResponse", first: int, end: int) -> Answer | None:
    """What a server answered to a request for bytes `first` to before `end`.

    None if it has no such file. Raises Unreachable.
    """
    if answer.status in NOT_THERE:
        return None
    said = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    validators = (answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", ""))
    if answer.status == 416 and said is not None and first >= int(said[3]):
        return Answer(b"", int(said[3]), validators)
    if answer.status == 200:
        raise Unreachable("the server of the storage gives no ranges")
    if answer.status != 206 or said is None or said[1] is None:
        raise Unreachable(f"the server of the storage answers {answer.status}")
    size = int(said[3])
    wanted = min(end, size) - first
    if int(said[1]) != first or int(said[2]) + 1 - first < wanted:
        raise Unreachable("the server of the storage gives another range than was asked for")
    return Answer(_body(answer, wanted), size, validators)


def _body(answer: "BaseHTTPResponse", size: int) -> bytes:
    """So much of the body; raises Unreachable."""
    found, ends = bytearray(), time.monotonic() + READ_SECONDS
    while len(found) < size:
        if time.monotonic() > ends:
            raise Unreachable("the server of the storage is too slow")
        data = answer.read1(size - len(found))
        if not data:
            raise Unreachable("the server of the storage ended its answer early")
        found += data
    return bytes(found)


@contextmanager
def _requested(address: str, headers: Mapping[str, str]) -> Iterator["BaseHTTPResponse"]:
    from urllib3.exceptions import HTTPError

    answer = None
    try:
        answer = _pool().request(
            "GET", address, headers=headers, preload_content=False, decode_content=False
        )
        yield answer
    except HTTPError as error:
        raise Unreachable(f"the server of the storage fails: {type(error).__name__}") from None
    finally:
        if answer is not None:
            if answer.length_remaining:
                answer.close()  # the rest was not asked for, or comes too slowly
            answer.release_conn()


@cache
def _pool() -> "PoolManager":
    """Loaded at first use: most servers have no such storage."""
    from urllib3 import PoolManager, Retry, Timeout

    return PoolManager(
        num_pools=CONNECTIONS,
        maxsize=CONNECTIONS,
        timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        retries=Retry(total=MAX_REDIRECTS, connect=1, read=1, other=0, status=0),
    )


class Blocks:
    """Blocks of contents that were read of late, and those that are under way."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Identity, int], bytes] = OrderedDict()
        self._coming: dict[tuple[Identity, int], Future[bytes]] = {}
        self._held = 0

    def claim(
        self, identity: Identity, numbers: Sequence[int]
    ) -> tuple[dict[int, bytes], dict[int, "Future[bytes]"], list[int]]:
        """What is there, what others fetch, and what the caller now has to `bring` or `fail`."""
        there: dict[int, bytes] = {}
        coming: dict[int, Future[bytes]] = {}
        missing = []
        with self._lock:
            for number in numbers:
                key = (identity, number)
                if (found := self._known.get(key)) is not None:
                    self._known.move_to_end(key)
                    there[number] = found
                elif (other := self._coming.get(key)) is not None:
                    coming[number] = other
                else:
                    self._coming[key] = Future()
                    missing.append(number)
        return there, coming, missing

    def bring(self, identity: Identity, number: int, data: bytes) -> None:
        key = (identity, number)
        with self._lock:
            waited_for = self._coming.pop(key)
            self._known[key] = data
            self._held += len(data)
            while self._held > self._limit:
                self._held -= len(self._known.popitem(last=False)[1])
        waited_for.set_result(data)

    def fail(self, identity: Identity, numbers: Sequence[int], error: BaseException) -> None:
        """Those of them that did not come."""
        for number in numbers:
            with self._lock:
                waited_for = self._coming.pop((identity, number), None)
            if waited_for is not None:
                waited_for.set_exception(error)


_blocks = Blocks()


class RemoteContent:
    """A file of a remote storage, as it was when it was first looked at."""

    path = ""
    """It has none on this machine."""

    def __init__(
        self,
        storage: str,
        path: str,
        fetch: Fetch,
        blocks: Blocks | None = None,
        *,
        only_look: bool = False,
    ) -> None:
        """`only_look`: it will not be read. Raises FileNotFoundError, Unreachable."""
        self._fetch = fetch
        self._name = path
        self._blocks = _blocks if blocks is None else blocks
        first = fetch(path, 0, 1 if only_look else BLOCK_BYTES)
        if first is None:
            raise FileNotFoundError(path)
        self._validators = first.validators
        self.identity = _identity(f"{storage}/{path}", first)
        if not only_look:
            for number in self._blocks.claim(self.identity, [0])[2]:
                self._blocks.bring(self.identity, number, first.data)

    @property
    def read(self) -> "RemoteContent":
        """`files.disk.Read`."""
        return self

    def close(self) -> None:
        """Nothing is open."""

    def __call__(self, offset: int, size: int) -> bytes:
        end = min(offset + size, self.identity.size)
        if end <= offset:
            return b""
        first, last = offset // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        if last - first >= MAX_RUN:
            return self._get(offset, end)
        found = self._gather(range(first, last + 1))
        begin = offset - first * BLOCK_BYTES
        data = found[first] if first == last else b"".join(found[n] for n in sorted(found))
        return data[begin : begin + end - offset]

    def into(self, offset: int, buffers: Sequence[memoryview]) -> int:
        data = memoryview(self(offset, sum(map(len, buffers))))
        at = 0
        for buffer in buffers:
            part = data[at : at + len(buffer)]
            buffer[: len(part)] = part
            at += len(part)
        return at

    def _gather(self, numbers: Sequence[int]) -> dict[int, bytes]:
        there, coming, missing = self._blocks.claim(self.identity, numbers)
        try:
            for run in _runs(missing):
                begin = run[0] * BLOCK_BYTES
                data = self._get(begin, min((run[-1] + 1) * BLOCK_BYTES, self.identity.size))
                for number in run:
                    at = number * BLOCK_BYTES - begin
                    there[number] = data[at : at + BLOCK_BYTES]
                    self._blocks.bring(self.identity, number, there[number])
        except BaseException as error:
            self._blocks.fail(self.identity, missing, error)
            raise
        for number, future in coming.items():
            try:
                there[number] = future.result(READ_SECONDS)
            except TimeoutError:
                raise Unreachable("the server of the storage is too slow") from None
        return there

    def _get(self, first: int, end: int) -> bytes:
        """Raises Changed, Unreachable."""
        answer = self._fetch(self._name, first, end)
        if answer is None:
            raise Changed("the file is gone")
        if (answer.size, answer.validators) != (self.identity.size, self._validators):
            raise Changed("the file was changed")
        return answer.data


def _runs(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Neighbours together."""
    first = 0
    for at in range(1, len(numbers) + 1):
        if at == len(numbers) or numbers[at] != numbers[at - 1] + 1:
            yield numbers[first:at]
            first = at


def _identity(name: str, answer: Answer) -> Identity:
    tag, modified = answer.validators
    digest = hashlib.blake2b(f"{tag}\n{modified}".encode(), digest_size=7).digest()
    try:
        moment = parsedate_to_datetime(modified)
        changed_ns = round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * 1_000_000_000
    except (ValueError, OverflowError, TypeError):
        changed_ns = 0
    # Names of segments tell the time: also where two contents were put there within a second.
    changed_ns += int.from_bytes(digest, "big") % 1_000_000_000_000
    return Identity(
        zlib.crc32(name.encode()), int.from_bytes(digest, "big"), answer.size, max(0, changed_ns)
    )
