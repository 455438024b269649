"""Segments of MPEG-TS out of a real film that was recorded, against FFmpeg's demuxer."""

import io
from itertools import pairwise
from pathlib import Path

import av
import pytest
from media_streamer.archive.container import ArchivedTrack, Head, Piece, merge_inits
from media_streamer.archive.frames import frames_of, read_group, tracks_of
from media_streamer.archive.job import Part, Section, SegmentJob
from media_streamer.archive.library import Entry, Library
from media_streamer.archive.transport import (
    MAX_SEGMENT_BYTES,
    carried,
    left_out,
    ts_muxer,
    ts_segment,
)
from media_streamer.media.mux.fmp4 import EMPTY_SEGMENT, Fmp4Track
from media_streamer.media.mux.ts import PCR_LEAD
from media_streamer.syntax import boxes
from msgspec.structs import replace

from tests.support.clips import START, UTC_MS, Clip, footage, read_clip

from .conftest import Recording, track_init

TICKS_A_DAY = 1 << 33
CLIP_TICKS = 132 * 3600
NAMES = ("v1", "a1")


@pytest.fixture(scope="module")
def clip() -> Clip:
    """As long in sound as in pictures, so that another one can follow."""
    whole = read_clip(footage())
    end = START + CLIP_TICKS
    return Clip(whole.tracks, [frame for frame in whole.frames if frame.dts < end])


def recorded(recording: Recording, clip: Clip, count: int, silent: frozenset[int]) -> list[Entry]:
    """The clip `count` times one after another, without sound in the segments of some numbers."""
    section = Section(
        tuple(
            ArchivedTrack(t.name, t.kind, t.codec_string, boxes.timescale(t.init))
            for t in clip.tracks
        ),
        tuple(track.init for track in clip.tracks),
    )
    for number in range(count):
        later = clip.shifted(number * CLIP_TICKS)
        parts = []
        for track in clip.tracks:
            writer = Fmp4Track(track, 500)
            frames = [frame for frame in later.frames if frame.track == track.number]
            made = [part.data for frame in frames for part in writer.add(frame)]
            time = writer.segment_time(frames[0].dts)
            last, seconds = writer.finish(None)
            data = b"".join([*made, last.data if last is not None else b""])
            if number in silent and track.kind == "audio":
                data = EMPTY_SEGMENT
            path = recording.root / f".{track.name}-{number}"
            path.write_bytes(data)
            parts.append(Part(str(path), -1, len(data), time, seconds))
        recording.shelf.write(SegmentJob(section, parts, (UTC_MS, START), False))
    return Library().entries(recording.folder, 0, UTC_MS * 2)


def stamps(data: bytes) -> dict[str, list[int]]:
    """Decode times of each kind of track, none of a broken packet."""
    found: dict[str, list[int]] = {}
    with av.open(io.BytesIO(data), format="mpegts") as container:
        for packet in container.demux():
            if packet.size:
                assert not packet.is_corrupt
                assert packet.dts is not None
                found.setdefault(packet.stream.type, []).append(packet.dts)
    return found


def test_every_frame_is_there_at_its_time_since_1970(recording: Recording, clip: Clip) -> None:
    entries = recorded(recording, clip, 2, frozenset())
    assert [entry.broken for entry in entries] == [False, False]
    made = [ts_segment(entry.content, entry.group, NAMES) for entry in entries]
    found = stamps(b"".join(made))
    assert {kind: len(times) for kind, times in found.items()} == {
        kind: 2 * clip.count(kind) for kind in ("video", "audio")
    }
    assert {after - before for before, after in pairwise(found["video"])} == {3600}
    assert all(0 < after - before < 2000 for before, after in pairwise(found["audio"]))
    video = next(track for track in clip.tracks if track.kind == "video")
    first = next(frame for frame in clip.frames if frame.track == video.number)
    since_1970 = UTC_MS * 90 + first.dts - START
    assert found["video"][0] == (since_1970 + PCR_LEAD) % TICKS_A_DAY
    for segment in made:
        assert len(segment) % 188 == 0
        assert [segment[n * 188 + 1] & 0x1F for n in (0, 1)] == [0, 0x10], "tables come first"


def test_it_is_what_a_writer_of_frames_makes(recording: Recording, clip: Clip) -> None:
    for entry in recorded(recording, clip, 2, frozenset({1})):
        content, group = entry.content, entry.group
        samples = read_group(content, group)
        muxer = ts_muxer(tracks_of(content.head, {}))
        frames = frames_of(content.head, samples)
        made = (piece for n, frame in enumerate(frames) for piece in muxer.pieces(frame, n == 0))
        assert ts_segment(content, group, NAMES) == b"".join(made)


def test_tracks_are_chosen_and_one_that_is_silent_keeps_its_place(
    recording: Recording, clip: Clip
) -> None:
    entries = recorded(recording, clip, 2, frozenset({1}))
    (content, group) = entries[0].content, entries[0].group
    assert stamps(ts_segment(content, group, ("a1",))).keys() == {"audio"}
    assert stamps(ts_segment(content, group, ("v1",))).keys() == {"video"}
    last = entries[1]
    both = ts_segment(last.content, last.group, NAMES)
    assert stamps(both).keys() == {"video"}
    with av.open(io.BytesIO(both), format="mpegts") as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
    for names in (("a1",), ("v9",), ()):
        with pytest.raises(FileNotFoundError):
            ts_segment(last.content, last.group, names)


def test_what_is_broken_or_too_long_is_refused(
    recording: Recording, clip: Clip, tmp_path: Path
) -> None:
    (entry,) = recorded(recording, clip, 1, frozenset())
    content, group = entry.content, entry.group
    long = replace(group, pieces=(Piece(MAX_SEGMENT_BYTES, 0, 1), *group.pieces[1:]))
    with pytest.raises(ValueError, match="more than"):
        ts_segment(content, long, NAMES)
    offset, size = group.place(0)
    with content.file.path.open("r+b") as file:
        file.seek(offset)
        data = file.read(size)
        at = data.index(b"trun") + 8
        file.seek(offset + at)
        file.write(b"\x7f\xff\xff\xff")  # samples that there are not
    with pytest.raises(ValueError, match="run has not all"):
        ts_segment(content, group, NAMES)
    with content.file.path.open("r+b") as file:
        file.truncate(offset + size - 1)
    with pytest.raises(FileNotFoundError):
        ts_segment(content, group, NAMES)


@pytest.mark.parametrize(
    ("codecs", "fits"),
    [
        ("mp4v.61", True),
        ("av01.0.04M.08", False),
        ("vp09.00.10.08", False),
        ("avc1.42c01e", False),  # its section says nothing of the decoder
        ("nonsense", False),
    ],
)
def test_what_mpeg_ts_cannot_carry_is_known(codecs: str, fits: bool) -> None:
    tracks = (
        ArchivedTrack("v1", "video", codecs, 90_000),
        ArchivedTrack("a1", "audio", "mp4a.6B", 48_000),
        ArchivedTrack("t1", "subtitles", "wvtt", 1000),
    )
    init = merge_inits([track_init(track.timescale) for track in tracks])
    head = Head(init, tracks, len(init), init)
    assert left_out(head) == ({"t1"} if fits else {"v1", "t1"})
    assert carried(head, ("v1", "a1", "t1", "a7")) == ([0, 1] if fits else [1])
