"""A request of HTTP/2 as the bytes of HTTP/1.1, and bytes of an answer as head and body. Pure.

RFC 9113 section 8 on one side, RFC 9112 on the other. Nothing of a header can become another line:
a request with a control character in it is refused (RFC 9113 section 8.2.1).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

HeaderList = list[tuple[bytes, bytes]]

MAX_HEAD_BYTES = 32 * 1024
_METHOD = re.compile(rb"[A-Z]{1,32}")
_PATH = re.compile(rb"(?:/[\x21-\x7e\x80-\xff]*|\*)")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LEFT_OUT = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
"""Of one connection of HTTP/1.1; HTTP/2 has no such thing (RFC 9113 section 8.2.2)."""
_REQUEST_LEFT_OUT = _LEFT_OUT | {b"host", b"te", b"expect", b"cookie"}
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")


class BadRequest(ValueError):  # noqa: N818 - what the client is told
    """The request cannot be written as one of HTTP/1.1."""


class BadAnswer(ValueError):  # noqa: N818 - what happened
    """The bytes are no answer of HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request of HTTP/1.1 up to its body."""

    head: bytes
    is_head: bool
    """Its answer has no body, whatever its header says."""
    chunked: bool
    """The body follows in chunks, as its length is not known."""


def to_http1(headers: Iterable[tuple[bytes, bytes]], *, has_body: bool) -> Request:
    """The head of a request. Raises BadRequest."""
    pseudo: dict[bytes, bytes] = {}
    lines: list[bytes] = []
    host, has_length = b"", False
    cookies: list[bytes] = []
    for name, value in headers:
        if _CONTROL.search(value):
            raise BadRequest("a control character in a header")
        if name.startswith(b":"):
            pseudo[name] = value
            continue
        if not _NAME.fullmatch(name):
            raise BadRequest("the name of a header")
        if name == b"host":
            host = host or value
        elif name == b"cookie":
            cookies.append(value)  # may come in pieces (RFC 9113 section 8.2.3)
        elif name not in _REQUEST_LEFT_OUT:
            has_length |= name == b"content-length"
            lines.append(b"%b: %b\r\n" % (name, value))
    method, path = pseudo.get(b":method", b""), pseudo.get(b":path", b"")
    if not _METHOD.fullmatch(method) or not _PATH.fullmatch(path):
        raise BadRequest("the method or the path")
    if method == b"CONNECT":
        raise BadRequest("CONNECT is not possible here")
    chunked = has_body and not has_length
    if cookies:
        lines.append(b"cookie: %b\r\n" % b"; ".join(cookies))
    if chunked:
        lines.append(b"transfer-encoding: chunked\r\n")
    first = b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (method, path, pseudo.get(b":authority") or host)
    return Request(b"".join((first, *lines, b"\r\n")), method == b"HEAD", chunked)


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of an answer, as HTTP/2 has them."""

    headers: HeaderList


END: Literal["end"] = "end"
"""The answer is complete."""
Part = Head | bytes | Literal["end"]


class AnswerReader:
    """Takes the bytes of one answer apart; `is_head`: it has no body."""

    def __init__(self, is_head: bool) -> None:
        self._is_head = is_head
        self._buffer = b""
        self._state: Literal["head", "length", "chunk", "data", "trailer", "open", "done"] = "head"
        self._left = 0

    @property
    def is_open(self) -> bool:
        """The end of the connection is the end of the answer."""
        return self._state == "open"

    def feed(self, data: bytes) -> Iterator[Part]:
        """Parts that are complete now. Raises BadAnswer."""
        if self._state in ("length", "data", "open") and not self._buffer:
            rest = data
        else:
            rest = self._buffer + data
        self._buffer = b""
        while rest:
            if self._state == "open":
                yield rest
                return
            if self._state in ("length", "data"):
                part, rest = rest[: self._left], rest[self._left :]
                self._left -= len(part)
                yield part
                if not self._left:
                    if self._state == "length":
                        yield self._end()
                    else:
                        self._state = "chunk"
                        rest = self._skip_line_end(rest)
                continue
            if self._state == "done":
                raise BadAnswer("bytes behind the answer")
            end = b"\r\n\r\n" if self._state == "head" else b"\r\n"
            line, found, after = rest.partition(end)
            if not found:
                if len(rest) > MAX_HEAD_BYTES:
                    raise BadAnswer("a head without an end")
                self._buffer = rest
                return
            rest = after
            if self._state == "head":
                yield from self._head(line)
            elif self._state == "chunk":
                if not line:
                    continue  # the end of a chunk, which came later than its data
                self._begin_chunk(line)
            elif not line:
                yield self._end()

    def _skip_line_end(self, rest: bytes) -> bytes:
        return rest[2:] if rest.startswith(b"\r\n") else rest

    def _begin_chunk(self, line: bytes) -> None:
        size = line.partition(b";")[0].strip()
        if not _CHUNK_SIZE.fullmatch(size):
            raise BadAnswer("the size of a chunk")
        self._left = int(size, 16)
        self._state = "data" if self._left else "trailer"

    def _end(self) -> Part:
        self._state = "done"
        return END

    def _head(self, head: bytes) -> Iterator[Part]:
        first, *lines = head.split(b"\r\n")
        status = first[9:12]
        if not first.startswith(b"HTTP/1.") or not status.isdigit():
            raise BadAnswer("a status line")
        if status.startswith(b"1"):
            return  # 100 Continue; the body of the request is coming anyway
        headers: HeaderList = [(b":status", status)]
        length, chunked = -1, False
        for line in lines:
            name, _, value = line.partition(b":")
            name, value = name.strip().lower(), value.strip()
            if name == b"content-length" and value.isdigit():
                length = int(value)
            if name == b"transfer-encoding":
                chunked = value.lower() == b"chunked"
            if name not in _LEFT_OUT:
                headers.append((name, value))
        yield Head(headers)
        if self._is_head or status in (b"204", b"304") or (length == 0 and not chunked):
            yield self._end()
        elif chunked:
            self._state = "chunk"
        elif length > 0:
            self._state, self._left = "length", length
        else:
            self._state = "open"
