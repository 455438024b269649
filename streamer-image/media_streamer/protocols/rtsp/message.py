"""RTSP on the wire: requests, answers and interleaved packets, both ways (RFC 2326 4, 6, 7, 10.12).

Pure: bytes in, messages out. What a peer may make us hold is bounded: a head of 16 KiB, 64 header
fields, a body of 64 KiB. Bytes are Latin-1 text here: any byte passes without raising.

An RTSP connection may begin as two HTTP requests (a tunnel); their request lines are read as any
others, `version` tells.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MAX_HEAD_BYTES = 16 * 1024
MAX_FIELDS = 64
MAX_BODY_BYTES = 64 * 1024
MAX_BUFFER_BYTES = MAX_HEAD_BYTES + MAX_BODY_BYTES + 4
INTERLEAVED = 0x24
"""`$`: the next packet is RTP or RTCP."""
REASONS: Mapping[int, str] = {
    200: "OK",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    409: "Conflict",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    451: "Parameter Not Understood",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid In This State",
    457: "Invalid Range",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "RTSP Version Not Supported",
}
"""Status codes that are sent (RFC 2326 7.1.1)."""


HeaderFields = Mapping[str, str | list[str]]
"""Header fields to write; a list makes a line each."""


class MessageError(ValueError):
    """The peer does not speak RTSP, or goes beyond the bounds."""


class Headers(dict[str, str]):
    """Header fields by lower-case name; the first of a name counts, but for `every`."""

    def __init__(self) -> None:
        super().__init__()
        self._more: list[tuple[str, str]] = []

    def put(self, name: str, value: str) -> None:
        """One more field, as it was received."""
        name = name.strip().lower()
        if name in self:
            self._more.append((name, value.strip()))
        else:
            self[name] = value.strip()

    def every(self, name: str) -> list[str]:
        """Values of all fields of a name, in their order."""
        name = name.lower()
        first = [self[name]] if name in self else []
        return first + [value for other, value in self._more if other == name]

    def text(self, name: str) -> str:
        """Value of a field, empty without it."""
        return self.get(name.lower(), "")

    def number(self, name: str) -> int | None:
        """Value of a field as a number that is not negative, None if it is none."""
        text = self.text(name)
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


@dataclass(slots=True)
class Request:
    """A request; `version` is RTSP/1.0, RTSP/2.0 or HTTP/1.x."""

    method: str
    url: str
    version: str
    headers: Headers
    body: bytes = b""

    @property
    def cseq(self) -> str:
        """Number of the request; the answer repeats it."""
        return self.headers.text("cseq")


@dataclass(slots=True)
class Response:
    """An answer."""

    status: int
    reason: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


@dataclass(slots=True)
class Interleaved:
    """A packet within the connection."""

    channel: int
    data: bytes


Message = Request | Response | Interleaved


class MessageReader:
    """Turns what a connection receives into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: Request | Response | None = None
        self._body_bytes = 0

    def feed(self, data: bytes) -> Iterator[Message]:
        """Messages that are complete now; raises MessageError."""
        self._buffer += data
        while (message := self._next()) is not None:
            yield message
        if len(self._buffer) > MAX_BUFFER_BYTES:
            raise MessageError("a message without an end")

    def rest(self) -> bytes:
        """Take what was not read, for another reader."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def _next(self) -> Message | None:
        buffer = self._buffer
        if self._head is not None:
            return self._body()
        while buffer and buffer[0] in b"\r\n":
            del buffer[0]  # blank lines between messages are common
        if not buffer:
            return None
        if buffer[0] == INTERLEAVED:
            return self._packet()
        end, gap = self._find_end()
        if end < 0:
            if len(buffer) > MAX_HEAD_BYTES:
                raise MessageError(f"a head of more than {MAX_HEAD_BYTES} bytes")
            return None
        head = bytes(buffer[:end])
        del buffer[: end + gap]
        self._head = _parse_head(head)
        length = self._head.headers.number("content-length") or 0
        # A tunnel's POST announces any length: its body is the other direction of the connection.
        if isinstance(self._head, Request) and self._head.version.startswith("HTTP/"):
            length = 0
        if length > MAX_BODY_BYTES:
            raise MessageError(f"a body of {length} bytes")
        self._body_bytes = length
        return self._body()

    def _find_end(self) -> tuple[int, int]:
        """Where the head ends and how long its end is; many cameras send bare line feeds."""
        strict, bare = self._buffer.find(b"\r\n\r\n"), self._buffer.find(b"\n\n")
        if strict >= 0 and (bare < 0 or strict < bare):
            return strict, 4
        return bare, 2

    def _packet(self) -> Interleaved | None:
        buffer = self._buffer
        if len(buffer) < 4:
            return None
        end = 4 + int.from_bytes(buffer[2:4], "big")
        if len(buffer) < end:
            return None
        packet = Interleaved(buffer[1], bytes(buffer[4:end]))
        del buffer[:end]
        return packet

    def _body(self) -> Message | None:
        head = self._head
        if head is None or len(self._buffer) < self._body_bytes:
            return None
        head.body = bytes(self._buffer[: self._body_bytes])
        del self._buffer[: self._body_bytes]
        self._head = None
        return head


def _parse_head(head: bytes) -> Request | Response:
    lines = head.decode("latin-1").replace("\r\n", "\n").split("\n")
    headers = Headers()
    if len(lines) > MAX_FIELDS + 1:
        raise MessageError(f"more than {MAX_FIELDS} header fields")
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers.put(name, value)
    first = lines[0].split(" ")
    if first[0].startswith("RTSP/"):
        status = first[1] if len(first) > 1 else ""
        if not (status.isascii() and status.isdecimal() and len(status) == 3):
            raise MessageError(f"status line {lines[0][:60]!r}")
        return Response(int(status), " ".join(first[2:]), headers)
    if len(first) != 3 or (not first[0].isalnum() and "_" not in first[0]):
        raise MessageError(f"request line {lines[0][:60]!r}")
    method, url, version = first
    if not version.startswith(("RTSP/", "HTTP/1.")):
        raise MessageError(f"request line {lines[0][:60]!r}")
    return Request(method.upper(), url, version, headers)


def _head_bytes(first: str, headers: HeaderFields, body: bytes) -> bytes:
    lines = [first]
    for name, values in headers.items():
        # What a stranger sent may come back in a header: it must not start another one.
        lines += [
            f"{name}: {_one_line(value)}"
            for value in ([values] if isinstance(values, str) else values)
        ]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


def _one_line(text: str) -> str:
    return "".join(c if c >= " " else " " for c in text)


def write_request(
    method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """A request; `headers` has CSeq."""
    return _head_bytes(f"{method} {_one_line(url)} RTSP/1.0", headers or {}, body)


def write_response(
    status: int,
    cseq: str,
    headers: HeaderFields | None = None,
    body: bytes = b"",
    *,
    reason: str = "",
) -> bytes:
    """An answer; `reason` in words where the standard one does not say why."""
    words = _one_line(reason) or REASONS.get(status, "Unknown")
    fields: dict[str, str | list[str]] = {"CSeq": cseq} if cseq else {}
    return _head_bytes(f"RTSP/1.0 {status} {words}", {**fields, **(headers or {})}, body)


def write_interleaved(channel: int, data: bytes) -> bytes:
    """A packet within the connection."""
    return bytes((INTERLEAVED, channel)) + len(data).to_bytes(2, "big") + data
