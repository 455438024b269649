"""MP4 files without FFmpeg: tables as a test wants them, samples that say which they are."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from media_streamer.syntax.boxes import box, full_box

AVC = box(b"avcC", b"\x01\x4d\x40\x1e\xff\xe0\x00")
TIMESCALE = 1000


def words(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def table(kind: bytes, *numbers: int, count: int | None = None, width: int = 1) -> bytes:
    """A table of `width` numbers an entry; `count` is what it says of itself."""
    said = len(numbers) // width if count is None else count
    return full_box(kind, 0, 0, words(said, *numbers))


@dataclass
class FilmTrack:
    """A track of H.264 whose samples have `sizes`; other tables as they follow from that."""

    sizes: Sequence[int]
    duration: int = 40
    syncs: Sequence[int] | None = None
    """Numbered from 1."""
    edits: bytes = b""
    tables: Mapping[bytes, bytes] = field(default_factory=dict)
    """Boxes in place of those that would be there; empty: none."""

    def box(self, chunk: int) -> bytes:
        """The samples lie from `chunk` on."""
        boxes = {
            b"stts": table(b"stts", len(self.sizes), self.duration, width=2),
            b"stsc": table(b"stsc", 1, len(self.sizes), 1, width=3),
            b"stsz": full_box(b"stsz", 0, 0, words(0, len(self.sizes), *self.sizes)),
            b"stco": table(b"stco", chunk),
            b"stss": table(b"stss", *self.syncs) if self.syncs is not None else b"",
            **self.tables,
        }
        entry = box(
            b"avc1", bytes(6), b"\0\1", bytes(16), struct.pack(">HH", 64, 48), bytes(50), AVC
        )
        description = full_box(b"stsd", 0, 0, words(1), entry)
        return box(
            b"trak",
            full_box(b"tkhd", 0, 3, bytes(80)),
            box(b"edts", self.edits) if self.edits else b"",
            box(
                b"mdia",
                full_box(b"mdhd", 0, 0, words(0, 0, TIMESCALE, 0), struct.pack(">HH", 0x15C7, 0)),
                full_box(b"hdlr", 0, 0, bytes(4), b"vide", bytes(13)),
                box(b"minf", box(b"stbl", description, *boxes.values())),
            ),
        )


def film(*tracks: FilmTrack) -> bytes:
    """A file: `ftyp`, `mdat`, `moov`; samples are numbered bytes."""
    brand = box(b"ftyp", b"isom", bytes(4))
    media, places, at = b"", [], len(brand) + 8
    for track in tracks:
        places.append(at + len(media))
        media += b"".join(bytes((n % 251,)) * size for n, size in enumerate(track.sizes, 1))
    made = (track.box(place) for track, place in zip(tracks, places, strict=True))
    movie = box(b"moov", full_box(b"mvhd", 0, 0, words(0, 0, TIMESCALE, 0), bytes(80)), *made)
    return brand + box(b"mdat", media) + movie


class BytesReader:
    """`media_streamer.files.disk.Read` of bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __call__(self, offset: int, size: int) -> bytes:
        return self._data[offset : offset + size]

    def into(self, offset: int, buffers: Sequence[memoryview]) -> int:
        begin = offset
        for buffer in buffers:
            found = self._data[offset : offset + len(buffer)]
            buffer[: len(found)] = found
            offset += len(found)
        return offset - begin


def reader(data: bytes) -> BytesReader:
    """Reads the bytes as if they were a file."""
    return BytesReader(data)
