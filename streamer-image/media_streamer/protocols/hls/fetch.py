"""What FFmpeg's HLS demuxer opens: playlists, segments and keys, fetched by our own client.

Invariants:
- A playlist is one that the input line names, or one that the first playlist names: depth two. What
  else turns out to be a playlist ends the input, so that none can name itself.
- Requests have a budget (`Budget`), a playlist is not asked for again before some time has passed,
  and segments that cannot be had end the input after `MAX_FAILURES` in a row.
- Nothing is held whole but playlists and encrypted segments, which have a size.
"""

import os
import time
from collections.abc import Callable, Mapping

import av

from media_streamer.media.inputs.base import InputError
from media_streamer.outgoing.http import Body, HttpClient
from media_streamer.outgoing.target import HttpError
from media_streamer.protocols.hls.remote import BEGINNING, read_playlist, settle
from media_streamer.protocols.hls.source_clock import SourceClock
from media_streamer.protocols.hls.tables import READ_BYTES, Piece, SegmentTables
from media_streamer.protocols.ts.watch import TsWatch

BURST_REQUESTS = 40
REQUESTS_PER_SECOND = 10.0
"""Video, audio and subtitles in segments of 1 s, with their playlists, need six."""
RELOAD_SECONDS = 0.5
RELOAD_BYTES_PER_SECOND = 200_000
"""A playlist of 1 MB is not read again before 5 s have passed."""
TRIES = 3
PAUSE_SECONDS = 0.5
MAX_FAILURES = 8
MAX_ENCRYPTED_BYTES = 32 * 1024 * 1024
_NO_PLAYLIST = "the source names a playlist where a segment should be"


class Budget:
    """A token bucket; `take` says how long to wait for the next token."""

    def __init__(self, burst: float, per_second: float, clock: Callable[[], float]) -> None:
        self._burst, self._per_second, self._clock = burst, per_second, clock
        self._tokens, self._at = burst, clock()

    def take(self) -> float:
        """Seconds until what was asked for may be done; it is taken at once."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._per_second)


class HlsFetcher:
    """One input's way to its source. `wait(seconds)` returns True if the input was stopped."""

    def __init__(
        self,
        client: HttpClient,
        url: str,
        wait: Callable[[float], bool],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        check: Callable[[TsWatch], None] = lambda watch: None,
    ) -> None:
        """`seconds`: the longest that one opening may take, and that nothing new may come; `check`:
        raises for what the tables of a playlist's segments name too much."""
        self._client, self._wait, self._seconds, self._clock = client, wait, seconds, clock
        self._first = url
        self._may_be_read_at = {url: 0.0}
        self._budget = Budget(BURST_REQUESTS, REQUESTS_PER_SECOND, clock)
        self._failures = 0
        self._news_at = clock()
        self._dates: dict[str, Mapping[tuple[str, int], float]] = {}
        """What each playlist says of its segments."""
        self.source_clock = SourceClock()
        self._tables = SegmentTables(check)

    def open(self, url: str, flags: int, options: Mapping[str, str]) -> Piece:
        """For PyAV's `io_open`. Raises InputError, which ends the input."""
        try:
            if url in self._may_be_read_at:
                return _Bytes(self._playlist(url))
            if url.startswith("crypto+"):
                return self._segment(url.removeprefix("crypto+"), options, encrypted=True)
            return self._segment(url, options, encrypted=False)
        except HttpError as error:
            raise InputError(str(error)) from None

    def _playlist(self, url: str) -> bytes:
        if self._clock() - self._news_at > self._seconds:
            raise HttpError(f"the playlist has named nothing new for {self._seconds:.0f} s")
        self._sleep(self._may_be_read_at[url] - self._clock())
        tries = TRIES if self._may_be_read_at[url] else 1
        body = self._get(url, {}, tries)
        try:
            data = read_playlist(body.read, body.coding)
        finally:
            body.close()
        playlist = settle(data, body.url)
        self._dates[url] = playlist.dates
        self._tables.listed(url, playlist.segments)
        pause = RELOAD_SECONDS + len(data) / RELOAD_BYTES_PER_SECOND
        self._may_be_read_at[url] = self._clock() + pause
        if playlist.children:
            if url != self._first or len(self._may_be_read_at) > 1 or url in playlist.children:
                raise HttpError("the source names playlists of playlists of playlists")
            self._may_be_read_at |= dict.fromkeys(playlist.children, 0.0)
        return playlist.data

    def _segment(self, url: str, options: Mapping[str, str], *, encrypted: bool) -> Piece:
        first, end = _range(options)
        headers = {"Range": f"bytes={first}-{end - 1 if end else ''}"} if first or end else {}
        body = None
        try:
            body = self._get(url, headers, TRIES)
            piece: Piece = _Segment(body, first, end)
            if encrypted:
                piece = _decrypted(piece, options)
        except _NotASegmentError:
            raise
        except HttpError:
            if body is not None:
                body.close()
            self._failures += 1
            if self._failures >= MAX_FAILURES:
                raise
            return _Bytes(b"")
        self._failures, self._news_at = 0, self._clock()
        dates = (one.get((url, first)) for one in self._dates.values())
        self.source_clock.opened(next((d for d in dates if d is not None), None), piece.head)
        return self._tables.passed(url, piece)

    def _get(self, url: str, headers: Mapping[str, str], tries: int) -> Body:
        until = self._clock() + self._seconds
        while True:
            self._sleep(self._budget.take())
            tries -= 1
            try:
                return self._client.get(url, headers)
            except HttpError:
                if tries <= 0 or self._clock() + PAUSE_SECONDS > until:
                    raise
            self._sleep(PAUSE_SECONDS)

    def _sleep(self, seconds: float) -> None:
        if seconds > 0 and self._wait(seconds):
            raise HttpError("stopped")


class _NotASegmentError(HttpError):
    """The source misleads us: worth no second attempt."""


class _Bytes:
    """Bytes that are there already."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def head(self) -> bytes:
        """What it begins with."""
        return self._data[:READ_BYTES]

    def read(self, size: int) -> bytes:
        piece = self._data[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def close(self) -> None:
        self._data = b""


class _Segment:
    """A body as it comes; what breaks off ends the segment, as a player would take it."""

    def __init__(self, body: Body, first: int, end: int) -> None:
        self._body = body
        if body.coding != "identity":
            body.close()
            raise HttpError("a segment is packed, which was not asked for")
        self._left = end - first if end else None
        if first and body.status != 206:
            self._skip(first)
        self._ready = self._read(READ_BYTES)
        if self._ready.startswith(BEGINNING):
            body.close()
            raise _NotASegmentError(_NO_PLAYLIST)

    @property
    def head(self) -> bytes:
        """What it begins with, as much as has come; asked for before it is read."""
        return self._ready

    def read(self, size: int) -> bytes:
        if self._ready:
            piece, self._ready = self._ready[:size], self._ready[size:]
            return piece
        try:
            return self._read(size)
        except HttpError:
            return b""

    def close(self) -> None:
        self._body.close()

    def _read(self, size: int) -> bytes:
        data = self._body.read(size if self._left is None else min(size, self._left))
        if self._left is not None:
            self._left -= len(data)
        return data

    def _skip(self, count: int) -> None:
        """The server sends the whole file for a part of it."""
        if count > MAX_ENCRYPTED_BYTES:
            raise HttpError("the server sends whole files for parts of them")
        while count > 0 and (data := self._body.read(min(count, READ_BYTES))):
            count -= len(data)


def _range(options: Mapping[str, str]) -> tuple[int, int]:
    """First byte and the one after the last; 0: the whole file."""
    first, end = options.get("offset", ""), options.get("end_offset", "")
    return int(first) if first.isdecimal() else 0, int(end) if end.isdecimal() else 0


def _decrypted(piece: Piece, options: Mapping[str, str]) -> _Bytes:
    """AES-128 of a whole segment (RFC 8216, section 5.2), by FFmpeg's protocol for it."""
    descriptor = os.memfd_create("segment", os.MFD_CLOEXEC)
    try:
        size = 0
        while data := piece.read(READ_BYTES):
            size += len(data)
            if size > MAX_ENCRYPTED_BYTES:
                raise HttpError(f"a segment exceeds {MAX_ENCRYPTED_BYTES >> 20} MiB")
            os.write(descriptor, data)
        piece.close()
        with av.open(
            f"crypto:/proc/self/fd/{descriptor}",
            format="data",
            options={
                "key": options.get("key", ""),
                "iv": options.get("iv", ""),
                "protocol_whitelist": "crypto,file",
                "raw_packet_size": str(READ_BYTES),
            },
        ) as plain:
            return _Bytes(b"".join(bytes(packet) for packet in plain.demux() if packet.size))
    except (av.FFmpegError, OSError):
        raise HttpError("a segment cannot be decrypted") from None
    finally:
        os.close(descriptor)
