"""Every codec in every format, read back by ffmpeg, PyAV and the strict TS checker."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from media_streamer.media.formats import FORMATS
from media_streamer.syntax import boxes
from media_streamer.wire.media import (
    Chunk,
    InitSection,
    NothingCarried,
    PartReady,
    SegmentReady,
)

from tests.support.clips import Clip, read_clip

from .conftest import Collector, bytes_of
from .ts_checker import check_ts

SMALL = ("-s", "320x180")
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2", "-sc_threshold", "0")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=25")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "25")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25")
AV1 = ("-c:v", "libsvtav1", "-preset", "12", "-g", "25")

CLIPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "h264+aac": ("mp4", (*SMALL, *X264, "-c:a", "aac", "-ac", "2")),
    "h264+aac from TS": ("ts", (*SMALL, *X264, "-c:a", "aac", "-ac", "2", "-ar", "44100")),
    "h264+mp3": ("mp4", (*SMALL, *X264, "-c:a", "libmp3lame", "-ac", "2")),
    "h264+opus": ("mp4", (*SMALL, *X264, "-c:a", "libopus", "-ac", "2")),
    "hevc+ac3": ("ts", (*SMALL, *X265, "-c:a", "ac3")),
    "hevc+eac3": ("mp4", (*SMALL, *X265, "-c:a", "eac3")),
    "mpeg2+mp2": ("ts", (*SMALL, "-c:v", "mpeg2video", "-g", "25", "-c:a", "mp2", "-ac", "2")),
    "av1+opus": ("mkv", ("-s", "160x90", *AV1, "-c:a", "libopus", "-ac", "2")),
    "vp9+opus": ("webm", ("-s", "160x90", *VP9, "-c:a", "libopus", "-ac", "2")),
    "vp8+opus": ("webm", ("-s", "160x90", *VP8, "-c:a", "libopus", "-ac", "2")),
    "aac": ("ts", ("-vn", "-c:a", "aac", "-ac", "2")),
    "h264": ("mp4", (*SMALL, *X264, "-an")),
}
NOT_IN_TS = {"av1+opus": {"video"}, "vp9+opus": {"video"}, "vp8+opus": {"video"}}
NOT_IN_FLV = {"mpeg2+mp2": {"video", "audio"}, "vp8+opus": {"video"}}


@pytest.fixture(params=list(CLIPS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clip(name: str, encode: Callable[..., Path]) -> Clip:
    suffix, options = CLIPS[name]
    return read_clip(encode(suffix, *options))


@pytest.fixture
def collected(clip: Clip, collect: Callable[..., Collector]) -> Collector:
    """The clip pushed through an output with all formats on, its last segment ended by a gap."""
    collector = collect()
    collector.output.set_tracks(clip.tracks)
    collector.subscribe(*FORMATS)
    collector.push(clip.frames)
    collector.output.gap()
    collector.output.flush()
    return collector


def expected(name: str, clip: Clip, missing: dict[str, set[str]]) -> dict[str, int]:
    counts = {kind: clip.count(kind) for kind in ("video", "audio")}
    return {k: n for k, n in counts.items() if n and k not in missing.get(name, set())}


def test_mpegts(
    name: str,
    clip: Clip,
    collected: Collector,
    decode: Callable[..., Any],
    decode_errors: Callable[..., str],
) -> None:
    data = collected.bytes("ts")
    report = check_ts(data)
    assert report.problems == []
    assert decode(data, "mpegts") == expected(name, clip, NOT_IN_TS)
    assert decode_errors(data, "ts") == ""
    chunks = collected.of("ts", Chunk)
    # 1 s GOPs of a clip of 3 s; sound alone can start anywhere.
    keys = [bytes_of(chunk) for chunk in chunks if chunk.key]
    assert len(keys) == len(chunks) if name == "aac" else len(keys) >= 3
    if name in NOT_IN_TS:
        return
    for payload in keys[:: len(keys) - 1] if name == "aac" else keys:
        if name != "aac":
            assert payload[1:3] == b"\x40\x00", "PAT first"
            first = check_ts(payload).pes
            assert next(p for p in first if p.pid == 0x100).random_access


def test_flv(name: str, clip: Clip, collected: Collector, decode: Callable[..., Any]) -> None:
    wanted = expected(name, clip, NOT_IN_FLV)
    if not wanted:
        assert collected.of("flv", NothingCarried)
        assert not collected.bytes("flv")
        return
    assert decode(collected.bytes("flv"), "flv") == wanted


def test_hls_ts(
    name: str, clip: Clip, collected: Collector, decode_errors: Callable[..., str]
) -> None:
    (init,) = collected.of("hls_ts", InitSection)
    carried = [t for t in clip.tracks if t.kind not in NOT_IN_TS.get(name, set())]
    assert init.track == "".join(track.name for track in carried)
    assert init.codecs == ",".join(track.codec_string for track in carried)
    segments = collected.segments("hls_ts", init.track)
    assert len(segments) >= 3
    assert check_ts(b"".join(segments)).problems == [], "counters go on from segment to segment"
    for segment in segments:
        assert segment[1:3] == b"\x40\x00", "PAT first"
        assert check_ts(segment).problems == []
        assert decode_errors(segment, "ts") == ""
    check_messages(collected, "hls_ts", init.track)


def test_hls_fmp4(
    clip: Clip,
    collected: Collector,
    decode: Callable[..., Any],
    decode_errors: Callable[..., str],
) -> None:
    numbers = []
    for track in clip.tracks:
        (init,) = collected.of("hls_fmp4", InitSection, track.name)
        assert init.codecs == track.codec_string
        segments = collected.segments("hls_fmp4", track.name)
        whole = Path(init.path).read_bytes() + b"".join(segments)
        lost = clip.count(track.kind) - decode(whole, "mp4")[track.kind]
        # Sound that arrives before the first key frame belongs to no segment.
        assert lost == 0 if track.kind == "video" else 0 <= lost <= 8
        assert decode_errors(whole, "mp4") == ""
        numbers.append([m.msn for m in collected.of("hls_fmp4", SegmentReady, track.name)])
        check_messages(collected, "hls_fmp4", track.name)
        check_parts(collected, track.name)
    assert all(found == numbers[0] for found in numbers), "aligned"


def test_preview(clip: Clip, collected: Collector) -> None:
    # A gap does not take the last picture away.
    picture = collected.output.preview_jpeg()
    assert (picture is not None) == (clip.count("video") > 0)
    assert picture is None or picture.startswith(b"\xff\xd8")


def check_messages(collected: Collector, name: str, track: str) -> None:
    found = collected.of(name, SegmentReady, track)
    assert not any(message.discontinuity for message in found)
    for message in found:
        assert message.size == Path(message.path).stat().st_size
        assert message.init == 0
        assert message.duration < 1.6
        assert message.bandwidth == round(message.size * 8 / message.duration)
    for before, after in pairwise(found):
        assert before.duration > 0.8
        assert after.msn == before.msn + 1
        end = before.start_utc_ms + before.duration * 1000
        assert after.start_utc_ms == pytest.approx(end, abs=3)


def check_parts(collected: Collector, track: str) -> None:
    segments = {m.msn: m for m in collected.of("hls_fmp4", SegmentReady, track)}
    parts: dict[int, list[dict[str, Any]]] = {}
    for part in collected.of("hls_fmp4", PartReady, track):
        parts.setdefault(part.msn, []).append(part)
    assert parts.keys() == segments.keys()
    for msn, found in parts.items():
        assert [part.index for part in found] == list(range(len(found)))
        assert found[0].independent
        assert all(part.duration <= 0.2005 for part in found)
        # rfc8216bis 4.4.3.7: all but the last are at least 85 % of the part target.
        longest = max(part.duration for part in found)
        assert all(part.duration >= 0.85 * longest for part in found[:-1])
        total = sum(part.duration for part in found)
        assert total == pytest.approx(segments[msn].duration, abs=0.002)
        position = 0
        data = Path(segments[msn].path).read_bytes()
        for part in found:
            assert part.offset == position
            position += part.size
            kinds = [k for k, _, _ in boxes.boxes(data, part.offset, position)]
            assert kinds == [b"moof", b"mdat"]
        assert position == len(data)
