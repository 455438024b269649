"""Life of an output: late subscribers, gaps, changed tracks, the window, failures, previews."""

import io
import os
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
from media_streamer.media import segment_files
from media_streamer.media.frame import TIME_BASE, Track
from media_streamer.media.output import StreamOutput
from media_streamer.media.settings import OutputSettings
from media_streamer.wire.media import (
    Chunk,
    Event,
    Gap,
    Header,
    InitSection,
    PartReady,
    SegmentDropped,
    SegmentReady,
    TracksReset,
)
from msgspec.structs import replace

from tests.support.clips import Clip, read_clip

from .conftest import Collector, bytes_of
from .ts_checker import check_ts

X264 = ("-s", "320x180", "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2")
AAC = ("-sc_threshold", "0", "-c:a", "aac", "-ac", "2")
SECONDS = TIME_BASE


@pytest.fixture
def clip(encode: Callable[..., Path]) -> Clip:
    return read_clip(encode("mp4", *X264, *AAC))


@pytest.fixture
def other(encode: Callable[..., Path]) -> Clip:
    """The same tracks in another size, 10 s later."""
    options = ("-s", "640x360", *X264[2:], *AAC)
    return read_clip(encode("mp4", *options)).shifted(10 * SECONDS)


@pytest.mark.parametrize("name", ["ts", "flv"])
def test_late_subscriber_gets_the_running_gop_at_once(
    clip: Clip, collect: Callable[..., Collector], decode: Callable[..., Any], name: str
) -> None:
    collector = collect()
    collector.output.set_tracks(clip.tracks)
    keys = [f for f in clip.frames if f.key and f.track == 0]
    # The muxer starts for the first subscriber and is running for the second.
    collector.push(clip.frames)
    for _ in range(2):
        collector.messages.clear()
        collector.subscribe(name)
        ops = [type(message) for message in collector.messages[name]]
        assert ops == [Header, Chunk]
        assert collector.messages[name][1].key
        counts = decode(collector.bytes(name), {"ts": "mpegts", "flv": "flv"}[name])
        assert counts["video"] == sum(f.track == 0 and f.dts >= keys[-1].dts for f in clip.frames)


def test_both_formats_of_one_muxer_share_bytes(
    clip: Clip, collect: Callable[..., Collector]
) -> None:
    collector = collect()
    collector.output.set_tracks(clip.tracks)
    collector.subscribe("ts", "hls_ts")
    collector.push(clip.frames)
    collector.output.gap()
    collector.output.flush()
    continuous = b"".join(map(bytes_of, collector.of("ts", Chunk)))
    segments = b"".join(collector.segments("hls_ts", "v1a1"))
    assert segments in continuous


def test_late_hls_subscriber_has_a_segment_at_once(
    clip: Clip, collect: Callable[..., Collector]
) -> None:
    collector = collect()
    collector.output.set_tracks(clip.tracks)
    collector.push(clip.frames)
    collector.subscribe("hls_ts", "hls_fmp4")
    assert collector.of("hls_ts", SegmentReady)
    assert collector.of("hls_fmp4", SegmentReady, "v1")
    assert collector.of("hls_fmp4", PartReady, "a1")
    state = {name: list(messages) for name, messages in collector.messages.items()}
    collector.messages.clear()
    collector.subscribe("hls_ts", "hls_fmp4")
    assert collector.messages == state, "replayed from the state"
    ops = [type(message) for message in state["hls_fmp4"]]
    assert ops[:2] == [InitSection] * 2, "who knows a segment knows all tracks"


def test_what_segments_hold_is_not_kept_a_second_time(
    clip: Clip, collect: Callable[..., Collector]
) -> None:
    collector = collect(history_segments=3)
    collector.output.set_tracks(clip.tracks)
    collector.subscribe("ts")
    collector.push(clip.frames)
    every = collector.output.held_bytes
    collector.subscribe("hls_ts")
    assert len(collector.of("hls_ts", SegmentReady)) > 1, "it began with all that was kept"
    collector.push(clip.shifted(3 * SECONDS).frames)
    assert collector.output.held_bytes < every, "the frames as they are, and one GOP in TS"


def test_gap_is_a_discontinuity_everywhere(clip: Clip, collect: Callable[..., Collector]) -> None:
    collector = collect()
    collector.output.set_tracks(clip.tracks)
    collector.subscribe("ts", "flv", "hls_ts", "hls_fmp4")
    collector.push(clip.frames)
    collector.output.gap()
    collector.push(clip.shifted(100 * SECONDS).frames)
    collector.output.gap()
    collector.output.flush()
    for name in ("ts", "flv"):
        ops = [type(message) for message in collector.messages[name]]
        assert ops.count(Gap) == 2
        after = collector.messages[name][ops.index(Gap) + 1 :]
        assert next(m for m in after if isinstance(m, Chunk) and m.key)
    report = check_ts(collector.bytes("ts"))
    assert report.problems == []
    assert sum(jump for _, _, jump in report.pcr) == 2
    for name, track in (("hls_ts", "v1a1"), ("hls_fmp4", "v1"), ("hls_fmp4", "a1")):
        found = collector.of(name, SegmentReady, track)
        marks = [m.discontinuity for m in found]
        assert found[0].discontinuities < 20_000, "hls.js hangs on large ones"
        counts = [m.discontinuities - found[0].discontinuities for m in found]
        assert counts == [sum(marks[: index + 1]) for index in range(len(marks))]
        assert marks.count(True) == 1
        assert marks.index(True) == len(marks) // 2
        numbers = [m.msn for m in found]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert len({m.init for m in found}) == 1


def test_successor_counts_the_death_as_one_discontinuity(
    clip: Clip, collect: Callable[..., Collector]
) -> None:
    counts: list[list[tuple[int, bool]]] = []
    for shift in (0, 100):
        # The first is never closed: its worker was killed.
        segment_files._in_use.clear()
        collector = collect()
        collector.output.set_tracks(clip.tracks)
        collector.subscribe("hls_fmp4")
        collector.push(clip.shifted(shift * SECONDS).frames)
        collector.output.gap()
        collector.output.flush()
        found = collector.of("hls_fmp4", SegmentReady, "v1")
        first_parts = collector.of("hls_fmp4", PartReady, "v1")
        counts.append([(m.discontinuities, m.discontinuity) for m in found])
        assert (first_parts[0].discontinuities, first_parts[0].discontinuity) == counts[-1][0]
    last = counts[0][-1][0]
    assert [mark for _, mark in counts[0]] == [False] * len(counts[0])
    assert counts[1][0] == (last + 1, True)
    assert set(counts[1][1:]) == {(last + 1, False)}


def test_changed_picture_size(
    clip: Clip,
    other: Clip,
    collect: Callable[..., Collector],
    decode: Callable[..., Any],
    decode_errors: Callable[..., str],
) -> None:
    collector = collect()
    collector.output.set_tracks(clip.tracks)
    collector.subscribe("ts", "flv", "hls_ts", "hls_fmp4")
    collector.push(clip.frames)
    collector.output.set_tracks(list(clip.tracks))
    assert not collector.of("ts", Gap), "the same tracks again change nothing"
    collector.output.set_tracks(other.tracks)
    collector.push(other.frames)
    collector.output.gap()
    collector.output.flush()
    data = collector.bytes("ts")
    report = check_ts(data)
    assert report.problems == []
    assert sorted(set(report.versions)) == [0, 1]
    assert decode_errors(data, "ts") == ""
    assert decode(data, "mpegts")["video"] == clip.count("video") + other.count("video")
    assert len(collector.of("flv", Header)) == 2
    first, second = collector.of("hls_fmp4", InitSection, "v1")
    assert (first.width, second.width) == (320, 640)
    found = collector.of("hls_fmp4", SegmentReady, "v1")
    changed = next(m for m in found if m.init == 1)
    assert changed.discontinuity
    whole = Path(second.path).read_bytes() + b"".join(
        Path(m.path).read_bytes() for m in found if m.init == 1
    )
    assert decode_errors(whole, "mp4") == ""


def test_other_tracks_void_what_hls_subscribers_know(
    clip: Clip, collect: Callable[..., Collector]
) -> None:
    collector = collect()
    collector.output.set_tracks(clip.tracks)
    collector.subscribe("hls_ts", "hls_fmp4", "ts")
    collector.push(clip.frames)
    video = [track for track in clip.tracks if track.kind == "video"]
    shifted = clip.shifted(10 * SECONDS)
    collector.output.set_tracks(video)
    collector.push([frame for frame in shifted.frames if frame.track == video[0].number])
    found = collector.messages["hls_fmp4"]
    since = found[found.index(TracksReset()) + 1 :]
    assert isinstance(since[0], InitSection)
    assert {m.track for m in since} == {"v1"}
    assert any(isinstance(m, SegmentReady) and m.discontinuity for m in since)
    # The one multiplex goes on under another name.
    found = collector.messages["hls_ts"]
    assert TracksReset() not in found
    numbers = [m.msn for m in found if isinstance(m, SegmentReady)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert any(isinstance(m, SegmentReady) and m.discontinuity for m in found)
    collector.messages.clear()
    collector.subscribe("hls_ts", "hls_fmp4")
    assert {m.track for m in collector.messages["hls_ts"]} == {"v1"}
    assert {m.track for m in collector.messages["hls_fmp4"]} == {"v1"}


def test_rates_measured_anew_are_no_change(clip: Clip, collect: Callable[..., Collector]) -> None:
    collector = collect()
    collector.output.set_tracks(clip.tracks)
    collector.subscribe("flv", "hls_fmp4")
    collector.push(clip.frames)
    collector.output.set_tracks([replace(track, bit_rate=1) for track in clip.tracks])
    collector.push(clip.shifted(4 * SECONDS).frames)
    assert len(collector.of("flv", Header)) == 1
    assert len(collector.of("hls_fmp4", InitSection, "v1")) == 1


def test_window_slides_and_files_go_after_a_grace(
    clip: Clip, collect: Callable[..., Collector], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    clock = SimpleNamespace(monotonic=lambda: now, time_ns=time.time_ns)
    monkeypatch.setattr(segment_files, "time", clock)
    collector = collect(segment_count=2)
    collector.output.set_tracks(clip.tracks)
    collector.subscribe("hls_fmp4", "hls_ts")
    for turn in range(3):
        collector.push(clip.shifted(turn * 3 * SECONDS).frames)
    found = collector.of("hls_fmp4", SegmentReady, "v1")
    dropped = collector.of("hls_fmp4", SegmentDropped, "v1")
    assert [m.msn for m in dropped] == [m.msn for m in found[: len(dropped)]]
    assert len(found) - len(dropped) == 2, "as many as a playlist shows"
    old, kept = Path(found[0].path), Path(found[-1].path)
    now += segment_files.GRACE_SECONDS - 0.1
    collector.output.flush()
    assert old.exists()
    now += 0.2
    collector.output.flush()
    assert not old.exists()
    assert kept.exists()
    directory = kept.parent.parent
    collector.output.close()
    assert not directory.exists()


def test_full_disk_does_not_stop_the_stream(
    clip: Clip, collect: Callable[..., Collector], caplog: pytest.LogCaptureFixture
) -> None:
    collector = collect()
    collector.output.set_tracks(clip.tracks)
    collector.subscribe("hls_ts", "hls_fmp4", "ts")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        collector.push(clip.frames)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    collector.push(clip.shifted(31 * SECONDS // 10).frames)
    collector.output.gap()
    collector.output.flush()
    messages = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert messages
    assert len(messages) <= 2, "once a minute and format"
    assert all("live/test" in message for message in messages)
    assert check_ts(collector.bytes("ts")).problems == []
    for name, track in (("hls_ts", "v1a1"), ("hls_fmp4", "v1")):
        found = collector.of(name, SegmentReady, track)
        assert all(Path(m.path).stat().st_size == m.size for m in found)
        assert found[-2].size > 20_000
        assert [m.msn for m in found] == list(range(found[0].msn, found[0].msn + 6))


def test_segments_in_a_directory_that_cannot_be_made(
    clip: Clip, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    output = StreamOutput(OutputSettings("x", tmp_path / "file" / "segments"))
    output.set_tracks(clip.tracks)
    got: list[Event] = []
    output.subscribe("hls_fmp4", got.extend)
    output.subscribe("flv", got.extend)
    for frame in clip.frames:
        output.push([frame])
    output.flush()
    output.close()
    assert any(isinstance(event, Chunk) for event in got)
    assert "stream x: segments cannot be written" in caplog.text


def test_failing_sink_is_dropped_alone(
    clip: Clip, collect: Callable[..., Collector], caplog: pytest.LogCaptureFixture
) -> None:
    collector = collect()
    collector.output.set_tracks(clip.tracks)

    def fail(events: Sequence[Event]) -> None:
        if any(isinstance(event, Chunk) for event in events):
            raise ConnectionError("gone")

    collector.output.subscribe("ts", fail)
    collector.subscribe("ts")
    collector.push(clip.frames)
    assert collector.output.stats().subscribers == {"ts": 1}
    assert check_ts(collector.bytes("ts")).problems == []
    assert "live/test" in caplog.text


def test_subscription_close_and_unknown_format(
    clip: Clip, collect: Callable[..., Collector]
) -> None:
    output = collect().output
    output.set_tracks(clip.tracks)
    got: list[Event] = []
    subscription = output.subscribe("flv", got.extend)
    subscription.close()
    subscription.close()
    for frame in clip.frames:
        output.push([frame])
    output.flush()
    assert [type(event) for event in got] == [Header]
    with pytest.raises(ValueError, match="dash"):
        output.subscribe("dash", lambda events: None)


def test_reconfigure_takes_effect_without_a_break(
    clip: Clip, collect: Callable[..., Collector], tmp_path: Path
) -> None:
    collector = collect()
    collector.output.set_tracks(clip.tracks)
    collector.subscribe("hls_fmp4")
    collector.push(clip.frames)
    collector.output.reconfigure(
        OutputSettings(
            "live/test",
            tmp_path / "segments",
            segment_duration_ms=2000,
            segment_count=50,
            chunk_duration_ms=400,
        )
    )
    for turn in range(1, 4):
        collector.push(clip.shifted(turn * 3 * SECONDS).frames)
    found = collector.of("hls_fmp4", SegmentReady, "v1")
    assert round(found[0].duration) == 1
    assert round(found[-1].duration) == 2
    assert not any(m.discontinuity for m in found)
    assert max(m.duration for m in collector.of("hls_fmp4", PartReady, "v1")) > 0.3


def test_preview_is_a_picture_of_the_last_key_frame(
    clip: Clip, collect: Callable[..., Collector]
) -> None:
    collector = collect()
    assert collector.output.preview_jpeg() is None
    collector.output.set_tracks(clip.tracks)
    collector.push(clip.frames[:20])
    first = collector.output.preview_jpeg()
    assert first is not None
    with av.open(io.BytesIO(first)) as image:
        picture = next(image.decode(video=0))
        assert (picture.width, picture.height) == (320, 180)
    assert collector.output.preview_jpeg() is first, "made once"
    collector.push(clip.frames[20:])
    assert collector.output.preview_jpeg() not in (None, first)
    off = collect(thumbnails=False)
    off.output.set_tracks(clip.tracks)
    off.push(clip.frames)
    assert off.output.preview_jpeg() is None


def test_stats(clip: Clip, collect: Callable[..., Collector]) -> None:
    collector = collect()
    collector.output.set_tracks(clip.tracks)
    collector.push(clip.frames)
    stats = collector.output.stats()
    assert stats.frames == len(clip.frames)
    assert stats.bytes_in == sum(len(frame.data) for frame in clip.frames)
    assert stats.gops == 3
    assert stats.last_dts == clip.frames[-1].dts
    video, audio = stats.media_info["tracks"]
    assert (video["codec"], video["width"], video["gop_size"], video["bframes"]) == (
        "h264",
        320,
        25,
        2,
    )
    assert video["avg_fps"] == pytest.approx(25, abs=0.5)
    assert (audio["codec"], audio["channels"], audio["sample_rate"]) == ("aac", 2, 48000)
    assert stats.bitrate == video["bitrate"] + audio["bitrate"]


def test_frames_of_unknown_tracks_are_ignored(
    clip: Clip, collect: Callable[..., Collector]
) -> None:
    collector = collect()
    collector.push(clip.frames)
    assert collector.output.stats().frames == 0


def test_media_info_fits_the_api(clip: Clip, collect: Callable[..., Collector]) -> None:
    from media_api.media import MediaInfo

    collector = collect()
    tracks: list[Track] = clip.tracks
    collector.output.set_tracks(tracks)
    collector.push(clip.frames)
    info = MediaInfo.model_validate(collector.output.stats().media_info)
    assert [track.track_id for track in info.tracks] == ["v1", "a1"]


def test_files_of_a_dead_predecessor_go_after_the_grace(
    clip: Clip,
    collect: Callable[..., Collector],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = segment_files.stream_directory(tmp_path / "segments", "live/test") / "fmp4-1"
    old.mkdir(parents=True)
    (old / "v1-1.m4s").write_bytes(os.urandom(8))
    monkeypatch.setattr(segment_files, "GRACE_SECONDS", 0.1)
    collector = collect()
    collector.output.set_tracks(clip.tracks)
    collector.subscribe("hls_fmp4")
    deadline = time.monotonic() + 5
    while old.exists() and time.monotonic() < deadline:
        collector.output.flush()
    assert not old.exists()


def test_segments_end_without_key_frames_and_without_video(
    clip: Clip, collect: Callable[..., Collector]
) -> None:
    collector = collect(segment_count=100)
    collector.output.set_tracks(clip.tracks)
    collector.subscribe("hls_ts", "hls_fmp4", "ts")
    key, other = [frame for frame in clip.frames if frame.track == 0][:2]
    sound = next(frame for frame in clip.frames if frame.track == 1)
    step = TIME_BASE // 25
    frames = [key]
    for index in range(1, 45 * 25):
        dts = key.dts + index * step
        if index < 25 * 25:
            frames.append(replace(other, dts=dts, pts=dts, key=False))
        frames.append(replace(sound, dts=dts, pts=dts, duration=step))
    collector.push(frames)
    for name, track in (("hls_ts", "v1a1"), ("hls_fmp4", "v1"), ("hls_fmp4", "a1")):
        found = collector.of(name, SegmentReady, track)
        assert [round(m.duration) for m in found] == [20, 20] or track == "v1"
        assert len(found) == 2
        assert found[1].msn == found[0].msn + 1
    video = collector.of("hls_fmp4", PartReady, "v1")
    assert not any(part.independent for part in video[1:])
    assert check_ts(collector.bytes("ts")).problems == []
    # A GOP of more than 30 s is not kept for new viewers.
    assert not [m for m in collector.of("ts", Chunk) if m.key][1:]
