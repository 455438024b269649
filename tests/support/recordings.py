"""Archives without FFmpeg: a track whose samples say which segment they are of."""

import struct
from dataclasses import dataclass
from pathlib import Path

from media_streamer.archive.container import ArchivedTrack
from media_streamer.archive.job import Part, Section, SegmentJob
from media_streamer.archive.places import MAX_SPAN_MS
from media_streamer.archive.shelf import Shelf
from media_streamer.syntax.boxes import box, full_box

START_MS = 1_700_000_000_000
SECONDS = 4


def track_init(timescale: int, kind: bytes = b"vide", rate: int = 1) -> bytes:
    """As FFmpeg makes them, so far as it is looked at."""
    sample = box(b"avc1", bytes(78), box(b"btrt", struct.pack(">III", 0, rate, rate)))
    table = box(b"stsd", struct.pack(">II", 0, 1), sample)
    media = box(
        b"mdia",
        full_box(b"mdhd", 0, 0, struct.pack(">IIIII", 0, 0, timescale, 0, 0)),
        full_box(b"hdlr", 0, 0, bytes(4), kind, bytes(12)),
        box(b"minf", box(b"stbl", table)),
    )
    header = full_box(b"tkhd", 0, 3, struct.pack(">IIII", 0, 0, 1, 0), bytes(64))
    movie = box(
        b"moov",
        full_box(b"mvhd", 0, 0, bytes(92), struct.pack(">I", 2)),
        box(b"trak", header, media),
        box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">IIIII", 1, 1, 0, 0, 0))),
        box(b"udta", bytes(8)),
    )
    return box(b"ftyp", b"iso5", bytes(4)) + movie


def fragment(time: int, payload: bytes) -> bytes:
    """A fragment of track 1 as our muxer writes them."""
    moof = box(
        b"moof",
        full_box(b"mfhd", 0, 0, struct.pack(">I", 7)),
        box(
            b"traf",
            full_box(b"tfhd", 0, 0x020000, struct.pack(">I", 1)),
            full_box(b"tfdt", 1, 0, struct.pack(">Q", time)),
        ),
    )
    return moof + box(b"mdat", payload)


VIDEO = ArchivedTrack("v1", "video", "avc1.42c01e", 90_000, width=640, height=360)
AUDIO = ArchivedTrack("a1", "audio", "mp4a.40.2", 48_000, channels=2)
SECTION = Section((VIDEO, AUDIO), (track_init(90_000), track_init(48_000, b"soun")))


@dataclass
class Recording:
    """Segments of `SECONDS` one after another into one archive."""

    root: Path
    shelf: Shelf
    period_ms: int = START_MS
    clock: int = 900_000
    """Of the stream, in ticks of 90 kHz, at the start of the period."""
    count: int = 0

    def job(self, section: Section = SECTION, payload: bytes = b"x") -> SegmentJob:
        """The next segment."""
        parts = []
        for track in section.tracks:
            time = (self.clock + self.count * SECONDS * 90_000) * track.timescale // 90_000
            data = fragment(time, track.name.encode() + payload)
            path = self.root / f".{track.name}-{self.period_ms}-{self.count}"
            path.write_bytes(data)
            parts.append(Part(str(path), -1, len(data), time, float(SECONDS)))
        self.count += 1
        return SegmentJob(section, parts, (self.period_ms, self.clock), False)

    def write(self, count: int = 1, section: Section = SECTION) -> None:
        for _ in range(count):
            self.shelf.write(self.job(section))

    def restart(self, period_ms: int, span_ms: int = MAX_SPAN_MS) -> None:
        """Another process goes on, with another clock of the stream."""
        self.shelf.close()
        self.shelf = Shelf(self.shelf.stream, self.root, self.shelf.folder, span_ms)
        self.period_ms, self.clock, self.count = period_ms, self.clock + 12_345, 0

    @property
    def folder(self) -> Path:
        return self.shelf.folder
