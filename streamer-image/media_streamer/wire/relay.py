"""A stream on its way from one of our servers to another (`m4f://`): frames as they are.

Records follow each other: one byte of kind, four of length (big-endian), MessagePack. `T` are the
tracks, at the beginning and whenever they change, behind a mark of what both ends must agree on;
`F` is a frame. Nothing is muxed or guessed, so every codec and all times arrive as they are, and
with them how the stream is cut into segments (`Frame.cut`).
"""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from media_streamer.wire.encoding import encode
from media_streamer.wire.frame import Cut, Frame, Track

HEAD = struct.Struct(">cI")
MAX_RECORD_BYTES = 32 * 1024 * 1024
"""A key frame of 8K in high quality has 10 MB."""
MAX_TRACKS = 64

Kind = Literal["tracks", "frame"]


class RelayError(ValueError):
    """What came is no stream that can be taken; the text is for people."""


class _Tracks(msgspec.Struct, frozen=True, array_like=True):
    mark: bytes
    tracks: list[Track]


def _mark() -> bytes:
    """The same on servers whose frames and tracks are the same."""
    fields = [
        f"{one.__name__}:{field.name}:{field.type}"
        for one in (Track, Frame, Cut)
        for field in msgspec.structs.fields(one)
    ]
    return hashlib.blake2b("\n".join(fields).encode(), digest_size=8).digest()


MARK = _mark()
_read_tracks = msgspec.msgpack.Decoder(_Tracks)
_read_frame = msgspec.msgpack.Decoder(Frame)


def tracks_record(tracks: Sequence[Track]) -> bytes:
    """What a stream begins with, and what goes on with other tracks."""
    body = encode(_Tracks(MARK, list(tracks)))
    return HEAD.pack(b"T", len(body)) + body


def frame_record(frame: Frame) -> bytes:
    body = encode(frame)
    return HEAD.pack(b"F", len(body)) + body


class RelayReader:
    """Bytes in, tracks and frames out."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._count: int | None = None
        """Of the tracks; None before they were told."""

    @property
    def held(self) -> int:
        """Bytes of a record that is not complete."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[list[Track] | Frame]:
        """What is complete now. Raises RelayError."""
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= HEAD.size:
            kind, size = HEAD.unpack_from(buffer, at)
            if kind not in (b"T", b"F") or size > MAX_RECORD_BYTES:
                raise RelayError("the other server sends no stream of frames")
            end = at + HEAD.size + size
            if len(buffer) < end:
                break
            body = bytes(buffer[at + HEAD.size : end])
            at = end
            yield self._tracks(body) if kind == b"T" else self._frame(body)
        del buffer[:at]

    def _tracks(self, body: bytes) -> list[Track]:
        try:
            # The mark goes first, so that it is read whatever the rest has become.
            mark = msgspec.msgpack.decode(body, type=tuple[bytes, msgspec.Raw])[0]
            if mark != MARK:
                raise RelayError("the other server is of a version with other frames: use tshttp")
            tracks = _read_tracks.decode(body).tracks
        except (msgspec.DecodeError, ValueError) as error:
            if isinstance(error, RelayError):
                raise
            raise RelayError("the other server tells tracks that cannot be read") from None
        numbers = [track.number for track in tracks]
        if not tracks or len(tracks) > MAX_TRACKS or numbers != list(range(len(tracks))):
            raise RelayError("the other server tells no tracks")
        self._count = len(tracks)
        return tracks

    def _frame(self, body: bytes) -> Frame:
        try:
            frame = _read_frame.decode(body)
        except (msgspec.DecodeError, ValueError):
            raise RelayError("the other server sends a frame that cannot be read") from None
        if self._count is None or not 0 <= frame.track < self._count:
            raise RelayError("the other server sends a frame of no track")
        return frame
