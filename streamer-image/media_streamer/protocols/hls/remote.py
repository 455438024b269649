"""Playlists of sources, before FFmpeg sees them: bounded, and with addresses as they are meant.

FFmpeg's parser has no bounds, and with our own client below it (`pull.py`) it does not learn where
a redirect led. So every address in a playlist is made absolute here, and what is too much or leads
elsewhere than to http(s) is refused. Pure.
"""

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin

from media_streamer.outgoing.target import HttpError
from media_streamer.protocols.hls.source_clock import read_date

MAX_PLAYLIST_BYTES = 2 * 1024 * 1024
"""Unpacked: 20,000 segments with addresses of 100 characters."""
MAX_SETTLED_BYTES = 4 * 1024 * 1024
"""With absolute addresses; FFmpeg keeps about three times as much."""
MAX_SEGMENTS = 20_000
MAX_OFFSET_DIGITS = 15
"""Of a byte range: no file has more."""
MAX_CHILDREN = 64
"""Playlists that a multivariant playlist names."""
BEGINNING = b"#EXTM3U"
_BASE64ISH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_URI = re.compile(r'\bURI="([^"]*)"')
_WITH_URI = ("#EXT-X-KEY:", "#EXT-X-MAP:", "#EXT-X-MEDIA:", "#EXT-X-SESSION-KEY:")


class PlaylistError(HttpError):
    """The source sends a playlist that is not taken; the text says why."""


@dataclass(frozen=True, slots=True)
class RemotePlaylist:
    """`children` are the playlists that it names; none in a media playlist."""

    data: bytes
    children: tuple[str, ...]
    dates: Mapping[tuple[str, int], float] = field(default_factory=dict)
    """Unix time of the first frame of segments, by address and first byte; of those alone of which
    it is told or follows from what is told of the ones before."""
    segments: frozenset[int] = frozenset()
    """Hashes of their addresses, and of their initialisation sections."""


def read_playlist(read: Callable[[int], bytes], coding: str) -> bytes:
    """A whole playlist of `read`, unpacked if `coding` says so. Raises HttpError."""
    unpack: Callable[[bytes, int], bytes]
    if coding in ("gzip", "x-gzip", "deflate"):
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        unpack = unpacker.decompress
    elif coding == "identity":
        unpack = _as_it_is
    else:
        raise PlaylistError("the playlist is packed in a way that was not asked for")
    data = bytearray()
    while piece := read(64 * 1024):
        try:
            data += unpack(piece, MAX_PLAYLIST_BYTES + 1 - len(data))
        except zlib.error:
            raise PlaylistError("the playlist cannot be unpacked") from None
        if len(data) > MAX_PLAYLIST_BYTES:
            raise PlaylistError(f"the playlist exceeds {MAX_PLAYLIST_BYTES >> 20} MiB")
    return bytes(data)


def settle(data: bytes, url: str) -> RemotePlaylist:
    """The playlist that was read from `url`. Raises PlaylistError."""
    text = data.decode("utf-8", "replace").lstrip("\ufeff")
    if not text.startswith(BEGINNING.decode()):
        raise PlaylistError("the source sends no playlist")
    lines: list[str] = []
    addresses = size = 0
    children: dict[str, None] = {}
    names_playlists = False
    segments: set[int] = set()
    dates = _Dates()
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("#"):
            dates.tag(line)
            if line.startswith(_WITH_URI):
                line = _URI.sub(lambda found: f'URI="{_absolute(found[1], url)}"', line)
                if line.startswith("#EXT-X-MEDIA:") and (found := _URI.search(line)):
                    children[found[1]] = None
                elif line.startswith("#EXT-X-MAP:") and (found := _URI.search(line)):
                    segments.add(hash(found[1]))
            elif line.startswith("#EXT-X-STREAM-INF:"):
                names_playlists = True
        elif line:
            line = _absolute(line, url)
            addresses += 1
            if names_playlists:
                children[line] = None
            else:
                dates.segment(line)
                segments.add(hash(line))
        size += len(line) + 1
        if size > MAX_SETTLED_BYTES or addresses > MAX_SEGMENTS:
            raise PlaylistError(f"the playlist names more than {MAX_SEGMENTS} segments")
        lines.append(line)
    if len(children) > MAX_CHILDREN:
        raise PlaylistError(f"the playlist names more than {MAX_CHILDREN} others")
    text = "\n".join(lines) + "\n"
    return RemotePlaylist(text.encode(), tuple(children), dates.found, frozenset(segments))


class _Dates:
    """EXT-X-PROGRAM-DATE-TIME of a playlist, line by line (RFC 8216, 4.3.2.6)."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, int], float] = {}
        self._next: float | None = None
        self._seconds = 0.0
        self._range: tuple[int, int] | None = None
        """First byte, and the one after the last."""
        self._end = 0

    def tag(self, line: str) -> None:
        name, _, value = line.partition(":")
        if name == "#EXT-X-PROGRAM-DATE-TIME":
            self._next = read_date(value)
        elif name == "#EXT-X-DISCONTINUITY":
            self._next = None
        elif name == "#EXTINF":
            try:
                self._seconds = float(value.partition(",")[0])
            except ValueError:
                self._next = None
        elif name == "#EXT-X-BYTERANGE":
            length, _, first = value.strip().partition("@")
            fits = max(len(length), len(first)) <= MAX_OFFSET_DIGITS
            if fits and length.isdecimal() and (first or "0").isdecimal():
                begin = int(first) if first else self._end
                self._range = begin, begin + int(length)

    def segment(self, address: str) -> None:
        begin, self._end = self._range or (0, 0)
        self._range = None
        if self._next is not None:
            self.found[address, begin] = self._next
            self._next += self._seconds


def _as_it_is(piece: bytes, most: int) -> bytes:
    return piece[:most]


def _absolute(address: str, url: str) -> str:
    if not address.startswith(("http://", "https://")):
        if _BASE64ISH.match(address) and "/" in address.partition(":")[2]:
            raise PlaylistError("the playlist leads to an address that is not http")
        try:
            address = urljoin(url, address)
        except ValueError:
            raise PlaylistError("the playlist names an address that cannot be read") from None
        if not address.startswith(("http://", "https://")):
            raise PlaylistError("the playlist leads to an address that is not http")
    return address
