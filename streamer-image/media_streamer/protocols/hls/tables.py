"""Segments of MPEG-TS on their way to FFmpeg: by the gate that every transport stream goes by.

FFmpeg has a demuxer for each playlist, which keeps what the tables of all its segments have named.
So each playlist has a gate (`protocols/ts/gate.py`) and bounds, and all of them together have twice
as much. What begins as fragmented MP4, sound or text passes as it is, until a playlist has shown
that its segments are transport streams; and as long as FFmpeg may still look for what they are,
nothing that it could take for packets may be among it. Pure.
"""

from collections.abc import Callable
from typing import Protocol

from media_streamer.budgets import TRANSPORT_STREAM_PIDS, TRANSPORT_STREAM_VIDEOS
from media_streamer.files.ts_grid import LIKELY_BYTES, may_be_found
from media_streamer.media.inputs.base import InputError
from media_streamer.media.mux.psi import PACKET_BYTES
from media_streamer.protocols.ts.gate import PacketGrid
from media_streamer.protocols.ts.stride import plain
from media_streamer.protocols.ts.watch import TsWatch

READ_BYTES = 64 * 1024
MAX_VIDEOS, MAX_PIDS = 2 * TRANSPORT_STREAM_VIDEOS, 2 * TRANSPORT_STREAM_PIDS
"""Of all playlists, each of which has the bounds of a transport stream."""
_BOXES = frozenset(
    (b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"emsg", b"prft", b"mdat", b"free", b"skip")
)
_ID3_BYTES = 10
PROBED_BYTES = 2 * 1024 * 1024
"""FFmpeg has decided on the format of a playlist by then (`probesize`, and what one read adds)."""
KEY_BYTES = 16
"""Of AES-128: FFmpeg reads no more of one."""


class Piece(Protocol):
    """What FFmpeg reads."""

    @property
    def head(self) -> bytes: ...

    def read(self, size: int) -> bytes: ...

    def close(self) -> None: ...


class _Playlist:
    def __init__(self) -> None:
        self.segments: frozenset[int] = frozenset()
        """Hashes of their addresses."""
        self.watch = TsWatch()
        """Of the reader that read last; each has its own, which begins with what this one knows."""
        self.demuxers = 1
        """Playlists that name the same segments: each has a demuxer that reads them."""
        self._looked = 0
        self._last = b""

    def look(self, data: bytes) -> None:
        """At what is no transport stream. Raises InputError where it holds one."""
        if self._looked >= PROBED_BYTES:
            return
        self._looked += len(data)
        data = self._last + data
        if may_be_found(data):
            raise InputError("a segment that begins as another format holds a transport stream")
        self._last = data[-LIKELY_BYTES:]


class SegmentTables:
    """Of one source. `check(watch)` raises for what is too much of one playlist."""

    def __init__(self, check: Callable[[TsWatch], None]) -> None:
        self._check_one = check
        self._playlists: dict[str, _Playlist] = {}

    def listed(self, playlist: str, segments: frozenset[int]) -> None:
        """A playlist was read, and names these."""
        self._playlists.setdefault(playlist, _Playlist()).segments = segments

    def passed(self, url: str, piece: Piece) -> Piece:
        """What FFmpeg may see of a segment, whose reading raises InputError for too much."""
        place = hash(url)
        owners = [one for one in self._playlists.values() if place in one.segments]
        if not owners and len(piece.head) < PACKET_BYTES:
            return _Key(piece)
        own = owners[0] if owners else self._playlists.setdefault("", _Playlist())
        own.demuxers = max(own.demuxers, len(owners))
        if not own.watch.has_programs and is_no_ts(piece.head):
            return _Looked(piece, owners or [own])
        return _Passed(piece, own, self._check)

    def _check(self, watch: TsWatch) -> None:
        self._check_one(watch)
        lists = self._playlists.values()
        videos = sum(one.watch.videos * one.demuxers for one in lists)
        pids = sum(len(one.watch.named) * one.demuxers for one in lists)
        if videos > MAX_VIDEOS:
            raise InputError(f"tables of the segments name more than {MAX_VIDEOS} videos")
        if pids > MAX_PIDS:
            raise InputError(f"tables of the segments name more than {MAX_PIDS} PIDs")


class _Wrapped:
    """A piece of which FFmpeg may not see all."""

    def __init__(self, piece: Piece) -> None:
        self._piece = piece

    @property
    def head(self) -> bytes:
        """What it begins with, before anything is left out."""
        return self._piece.head

    def close(self) -> None:
        self._piece.close()


class _Passed(_Wrapped):
    """A segment of MPEG-TS."""

    def __init__(self, piece: Piece, own: _Playlist, check: Callable[[TsWatch], None]) -> None:
        super().__init__(piece)
        self._own, self._watch, self._check = own, own.watch.beside(), check
        # Of each piece: several may be read at a time, and one be left half-way.
        self._read, self._grid = plain(piece.read), PacketGrid()
        self._ready = b""
        self._ended = False

    def read(self, size: int) -> bytes:
        while not self._ready and not self._ended:
            data = self._read(READ_BYTES)
            self._ended = not data
            packets = self._grid.feed(data)
            self._ready = self._watch.take(packets) if data else self._watch.finish()
            if self._ended or self._watch.has_programs:
                self._own.watch = self._watch
            try:
                self._check(self._watch)
            except Exception:
                self._ready, self._ended = b"", True
                raise
        piece, self._ready = self._ready[:size], self._ready[size:]
        return piece


class _Looked(_Wrapped):
    """A segment of another format."""

    def __init__(self, piece: Piece, owners: list[_Playlist]) -> None:
        super().__init__(piece)
        self._owners = owners
        self._ended = False

    def read(self, size: int) -> bytes:
        data = b"" if self._ended else self._piece.read(min(size, READ_BYTES))
        try:
            for one in self._owners:
                one.look(data)
        except InputError:
            self._ended = True
            raise
        return data


class _Key(_Wrapped):
    """What no playlist names as a segment, and is short."""

    def __init__(self, piece: Piece) -> None:
        super().__init__(piece)
        self._left = KEY_BYTES

    def read(self, size: int) -> bytes:
        data = self._piece.read(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        return data


def is_no_ts(head: bytes) -> bool:
    """Whether a segment begins as RFC 8216 (section 3) has it for other formats."""
    if head.startswith(b"ID3") and len(head) >= _ID3_BYTES:
        size = 0
        for byte in head[6:_ID3_BYTES]:
            size = size << 7 | byte & 0x7F
        head = head[_ID3_BYTES + size :]
    return (
        not head
        or head[4:8] in _BOXES
        or head.startswith((b"\x0b\x77", b"WEBVTT", b"\xef\xbb\xbfWEBVTT"))
        or (head[0] == 0xFF and head[1:2] >= b"\xe0")
    )
