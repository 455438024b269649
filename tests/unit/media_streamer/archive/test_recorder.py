"""What a recorder makes of the events of a stream, down to the disk."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from media_streamer.archive.library import Library
from media_streamer.archive.places import MAX_SPAN_MS, OWNER_FILE
from media_streamer.archive.recorder import MAX_OPEN, Recorder
from media_streamer.archive.writer import DiskWriter
from media_streamer.wire.media import InitSection, SegmentReady

from .conftest import SECONDS, START_MS, fragment, track_init

SCALES = {"v1": 90_000, "a1": 48_000}


class Stream:
    """Files of segments as a media worker makes them, and their events."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def init(self, track: str) -> InitSection:
        path = self.directory / f"{track}.mp4"
        kind = b"vide" if track == "v1" else b"soun"
        path.write_bytes(track_init(SCALES[track], kind))
        return InitSection(
            track=track, number=0, kind="video" if track == "v1" else "audio", path=str(path),
            codecs="avc1.42c01e" if track == "v1" else "mp4a.40.2", width=0, height=0, fps=0.0,
            bandwidth=0, channels=0, sample_rate=0, language="", group="", rank=0,
            timescale=SCALES[track], former=[],
        )  # fmt: skip

    def segment(self, track: str, msn: int) -> SegmentReady:
        path = self.directory / f"{track}-{msn}.m4s"
        time = msn * SECONDS * SCALES[track]
        path.write_bytes(fragment(time, track.encode()))
        return SegmentReady(
            track=track, msn=msn, path=str(path), init=0, start_utc_ms=0, time=time,
            duration=float(SECONDS), size=path.stat().st_size, discontinuity=False,
            discontinuities=0, period_utc_ms=START_MS, period_time=0, bandwidth=0,
        )  # fmt: skip


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    directory = tmp_path / "live"
    directory.mkdir()
    return Stream(directory)


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Callable[[], Recorder]]:
    (tmp_path / OWNER_FILE).touch()
    writer = DiskWriter(tmp_path)

    def make() -> Recorder:
        return Recorder("s", MAX_SPAN_MS, [writer], lambda *_: None)

    yield make
    writer.close()


def written(recorder: Recorder, tmp_path: Path) -> tuple[int, int]:
    """Segments on the disk, and those that were dropped."""
    recorder.close()
    for writer in recorder._disks._writers.values():
        writer.close()
    entries = Library().entries(tmp_path / "s", 0, 2**50)
    dropped: int = recorder.stats()["dvr_write"]["dropped_segments"]
    return len(entries), dropped


def test_what_a_stream_lists_when_its_recording_begins_is_recorded(
    stream: Stream, record: Callable[[], Recorder], tmp_path: Path
) -> None:
    recorder = record()
    recorder.take([stream.init("v1"), stream.init("a1")])
    # A new sink is told of a whole track before the next one.
    recorder.take([stream.segment(track, msn) for track in SCALES for msn in range(1, 6)])
    recorder.take([stream.segment(track, 6) for track in SCALES])
    assert written(recorder, tmp_path) == (6, 0)


def test_a_segment_without_one_of_its_tracks_is_lost_and_those_after_it_are_not(
    stream: Stream, record: Callable[[], Recorder], tmp_path: Path
) -> None:
    recorder = record()
    recorder.take([stream.init("v1"), stream.init("a1"), stream.segment("v1", 1)])
    recorder.take([stream.segment(track, msn) for msn in (2, 3) for track in SCALES])
    assert written(recorder, tmp_path) == (2, 1)


def test_what_waits_for_its_tracks_is_bounded(
    stream: Stream, record: Callable[[], Recorder], tmp_path: Path
) -> None:
    recorder = record()
    recorder.take([stream.init("v1"), stream.init("a1")])
    recorder.take([stream.segment("v1", msn) for msn in range(MAX_OPEN + 10)])
    assert len(recorder._open) == MAX_OPEN
    assert written(recorder, tmp_path) == (0, 10)
