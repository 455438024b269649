"""The RTMP chunk stream (Adobe RTMP 1.0, section 5.3): bytes <-> messages.

Invariants: the reader keeps at most `max_unfinished_bytes` of messages that are not complete, in
buffers that cost what they hold, whatever the peer sends; it takes bytes in any portions. Set Chunk
Size and Abort act inside the reader, at their place between the chunks.
"""

import struct
import sys
from dataclasses import dataclass

from media_streamer.budgets import RTMP_COMMAND_BYTES, RTMP_LEAST_CHUNK_BYTES

DEFAULT_CHUNK_BYTES = 128  # section 5.4.1
OUT_CHUNK_BYTES = 65536
"""Ours: one chunk for nearly every message; a key frame of 1 MB has 16."""
MAX_CHUNK_BYTES = 0xFFFFFF  # no message is longer (section 5.4.1)
MAX_CHUNK_STREAMS = 64
EXTENDED = 0xFFFFFF  # a timestamp field that says "in 4 more bytes" (section 5.3.1.3)

SET_CHUNK_SIZE = 1
ABORT = 2
ACKNOWLEDGEMENT = 3
USER_CONTROL = 4
WINDOW_ACKNOWLEDGEMENT_SIZE = 5
SET_PEER_BANDWIDTH = 6
AUDIO = 8
VIDEO = 9
DATA_AMF3 = 15
COMMAND_AMF3 = 17
DATA = 18
COMMAND = 20
AGGREGATE = 22

CONTROL_CHUNK_STREAM = 2  # section 5.4
COMMAND_CHUNK_STREAM = 3

_HEADER_BYTES = (11, 7, 3, 0)  # by fmt, without basic header (section 5.3.1.2)


class ChunkError(Exception):
    """The peer breaks the chunk format or a bound."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `timestamp` in ms modulo 2^32."""

    kind: int
    timestamp: int
    stream: int
    payload: bytes


class _ChunkStream:
    """What the following chunks of one chunk stream inherit."""

    __slots__ = ("delta", "extended", "held", "kind", "length", "received", "stream", "timestamp")

    def __init__(self) -> None:
        self.timestamp = 0
        self.delta = 0
        self.length = 0
        self.kind = 0
        self.stream = 0
        self.extended = False
        self.held = bytearray()
        self.received = 0


class ChunkReader:
    """Turns the bytes of a peer into messages."""

    def __init__(
        self, max_message_bytes: int = RTMP_COMMAND_BYTES, max_unfinished_bytes: int = sys.maxsize
    ) -> None:
        self.max_message_bytes = max_message_bytes
        self.max_unfinished_bytes = max_unfinished_bytes
        self.completed = 0
        """Messages that the last `feed` read, those that act inside the reader among them."""
        self.has_more = False
        """Whether the last `feed` stopped because it had read as many as it may."""
        self._chunk_bytes = DEFAULT_CHUNK_BYTES
        self._streams: dict[int, _ChunkStream] = {}
        self._pending = bytearray()
        self._unfinished = 0
        self._needed = 0

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        return self._unfinished + len(self._pending)

    def feed(self, data: bytes, most: int = sys.maxsize) -> list[Message]:
        """Messages completed by `data`, at most so many; the rest is read by the next call.

        Raises ChunkError; the reader is of no use after it.
        """
        self.completed = 0
        pending = self._pending
        if pending:
            pending += data
            if len(pending) < self._needed:
                return []  # the chunk at the start is not all there: do not copy it again and again
            data = bytes(pending)
        messages: list[Message] = []
        position = self._needed = 0
        while self.completed < most:
            end = self._chunk(data, position, messages)
            if end < 0:
                break
            position = end
        self.has_more = self.completed >= most and position < len(data)
        if position or not pending:
            self._pending = bytearray(memoryview(data)[position:])
        return messages

    def _chunk(self, buffer: bytes, start: int, messages: list[Message]) -> int:
        """Read one chunk at `start`; its end, or -1 if it is not all there."""
        available = len(buffer)
        if start >= available:
            return -1
        first = buffer[start]
        position = start + 1
        number = first & 63
        if number < 2:  # one or two more bytes of chunk stream id (section 5.3.1.1)
            position += number + 1
            if position > available:
                return -1
            number = 64 + buffer[start + 1] + (buffer[start + 2] << 8 if number else 0)
        form = first >> 6
        header_end = position + _HEADER_BYTES[form]
        if header_end > available:
            return -1
        stream = self._streams.get(number)
        if stream is None:
            stream = self._open(number, form)
        header = self._header(buffer, position, form, stream)
        if header is None:
            return -1
        timestamp, delta, length, kind, owner, extended, body = header
        if length > self.max_message_bytes:
            raise ChunkError(
                f"message of {length} bytes, at most {self.max_message_bytes} are taken"
            )
        size = min(length - stream.received, self._chunk_bytes)
        end = body + size
        if end > available:
            self._needed = end - start
            return -1
        stream.timestamp, stream.delta, stream.length = timestamp, delta, length
        stream.kind, stream.stream, stream.extended = kind, owner, extended
        if stream.received == 0 and size == length:
            self._complete(stream, buffer[body:end], messages)
            return end
        stream.held += memoryview(buffer)[body:end]
        stream.received += size
        self._unfinished += size
        if stream.received == length:
            payload = bytes(stream.held)
            self._forget(stream)
            self._complete(stream, payload, messages)
        elif self._unfinished > self.max_unfinished_bytes:
            raise ChunkError(f"unfinished messages: more than {self.max_unfinished_bytes} bytes")
        return end

    def _forget(self, stream: _ChunkStream) -> None:
        self._unfinished -= stream.received
        stream.held, stream.received = bytearray(), 0

    def _open(self, number: int, form: int) -> _ChunkStream:
        if form == 3 or form == 2:
            raise ChunkError(f"chunk stream {number} begins without a full header")
        if len(self._streams) >= MAX_CHUNK_STREAMS:
            raise ChunkError(f"more than {MAX_CHUNK_STREAMS} chunk streams")
        stream = self._streams[number] = _ChunkStream()
        return stream

    def _header(
        self, buffer: bytes, position: int, form: int, stream: _ChunkStream
    ) -> tuple[int, int, int, int, int, bool, int] | None:
        """(timestamp, delta, length, kind, stream, extended, start of the data); None: too short.

        Changes nothing, because the chunk may have to be read again when more of it is there.
        """
        length, kind, owner, extended = stream.length, stream.kind, stream.stream, stream.extended
        field = 0
        if form < 3:
            if stream.received:
                raise ChunkError("a message begins before the last one of its chunk stream ended")
            field = int.from_bytes(buffer[position : position + 3])
            extended = field == EXTENDED
            if form < 2:
                length = int.from_bytes(buffer[position + 3 : position + 6])
                kind = buffer[position + 6]
            if form == 0:
                owner = int.from_bytes(buffer[position + 7 : position + 11], "little")
        position += _HEADER_BYTES[form]
        if extended:
            if position + 4 > len(buffer):
                return None
            value = int.from_bytes(buffer[position : position + 4])
            # Some senders leave the field out in chunks of fmt 3; the spec and most do not.
            if form < 3:
                field = value
                position += 4
            elif value in (stream.timestamp, stream.delta):
                position += 4
        timestamp, delta = _times(form, field, stream)
        return timestamp, delta, length, kind, owner, extended, position

    def _complete(self, stream: _ChunkStream, payload: bytes, messages: list[Message]) -> None:
        self.completed += 1
        if stream.kind == SET_CHUNK_SIZE:
            self._set_chunk_size(payload)
        elif stream.kind == ABORT:
            self._abort(payload)
        else:
            messages.append(Message(stream.kind, stream.timestamp, stream.stream, payload))

    def _set_chunk_size(self, payload: bytes) -> None:
        size = int.from_bytes(payload[:4]) if len(payload) >= 4 else 0
        # 1 is allowed, 128 are advised (section 5.4.1); a chunk costs as much as its bytes.
        if not RTMP_LEAST_CHUNK_BYTES <= size <= 0x7FFFFFFF:
            raise ChunkError(f"chunk size of {size} bytes, {RTMP_LEAST_CHUNK_BYTES} at least")
        self._chunk_bytes = min(size, MAX_CHUNK_BYTES)

    def _abort(self, payload: bytes) -> None:
        stream = self._streams.get(int.from_bytes(payload[:4]))
        if stream is not None:
            self._forget(stream)


def _times(form: int, field: int, stream: _ChunkStream) -> tuple[int, int]:
    """(timestamp, delta) after a header (section 5.3.1.2)."""
    if form == 0:
        # A following fmt 3 message repeats this as its delta (section 5.3.1.2.4).
        return field, field
    if form == 3:
        if stream.received:
            return stream.timestamp, stream.delta
        return (stream.timestamp + stream.delta) & 0xFFFFFFFF, stream.delta
    return (stream.timestamp + field) & 0xFFFFFFFF, field


def write_message(
    kind: int,
    payload: bytes | memoryview,
    *,
    timestamp: int = 0,
    stream: int = 0,
    chunk_stream: int = COMMAND_CHUNK_STREAM,
    chunk_bytes: int = OUT_CHUNK_BYTES,
) -> bytes:
    """Chunks of one message. Every message has a full header, so it needs no history.

    `chunk_stream` is 2 to 63.
    """
    timestamp &= 0xFFFFFFFF
    field = min(timestamp, EXTENDED)
    extended = struct.pack(">I", timestamp) if field == EXTENDED else b""
    length = len(payload)
    head = b"".join(
        (
            struct.pack(">BI", chunk_stream, field << 8 | length >> 16)[:4],
            struct.pack(">IB", length, kind)[1:],
            struct.pack("<I", stream),
            extended,
        )
    )
    if length <= chunk_bytes:
        return head + payload
    follow = bytes([0xC0 | chunk_stream]) + extended
    parts = [head, payload[:chunk_bytes]]
    for start in range(chunk_bytes, length, chunk_bytes):
        parts += (follow, payload[start : start + chunk_bytes])
    return b"".join(parts)


def write_control(kind: int, *values: int) -> bytes:
    """A protocol control message: 32-bit numbers (section 5.4)."""
    payload = struct.pack(f">{len(values)}I", *values)
    return write_message(kind, payload, chunk_stream=CONTROL_CHUNK_STREAM)


def write_peer_bandwidth(window_bytes: int) -> bytes:
    """Set Peer Bandwidth with a dynamic limit (section 5.4.5)."""
    payload = struct.pack(">IB", window_bytes, 2)
    return write_message(SET_PEER_BANDWIDTH, payload, chunk_stream=CONTROL_CHUNK_STREAM)


def write_event(event: int, *values: int) -> bytes:
    """A user control message (section 6.2)."""
    payload = struct.pack(f">H{len(values)}I", event, *values)
    return write_message(USER_CONTROL, payload, chunk_stream=CONTROL_CHUNK_STREAM)
