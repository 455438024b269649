"""Tracks described from real containers: what players and muxers rely on."""

import io
from collections.abc import Callable

import av
import pytest
from media_streamer.media.frame import Track
from media_streamer.media.track import describe_streams, describe_tracks, template, usual_duration
from media_streamer.syntax import boxes

X264 = {"preset": "ultrafast"}
X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
VP9 = {"deadline": "realtime", "cpu-used": "8"}
AV1 = {"preset": "12", "svtav1-params": "lp=1"}


def describe(data: bytes, skip: int = 0) -> list[Track]:
    """Describe from the first packets behind the first `skip` packets of each stream."""
    with av.open(io.BytesIO(data)) as container:
        first: dict[int, av.Packet] = {}
        seen: dict[int, int] = {}
        for packet in container.demux():
            index = packet.stream_index
            seen[index] = seen.get(index, 0) + 1
            if seen[index] > skip and packet.size and packet.is_keyframe:
                first.setdefault(index, packet)
        return describe_tracks(container, first)


@pytest.mark.parametrize(
    ("container", "video", "audio", "options", "strings"),
    [
        ("mpegts", "libx264", "aac", X264, ["avc1.42c00a", "mp4a.40.2"]),
        ("flv", "libx264", "aac", X264, ["avc1.42c00a", "mp4a.40.2"]),
        ("mp4", "libx264", "libmp3lame", X264, ["avc1.42c00a", "mp4a.6B"]),
        ("mpegts", "libx264", "libmp3lame", X264, ["avc1.42c00a", "mp4a.6B"]),
        ("mpegts", "libx265", "ac3", X265, ["hvc1.1.6.L30.90", "ac-3"]),
        ("mpegts", "mpeg2video", "mp2", {}, ["mp4v.61", "mp4a.6B"]),
        ("matroska", "libsvtav1", "libopus", AV1, ["av01.0.00M.08", "opus"]),
        ("webm", "libvpx-vp9", "libopus", VP9, ["vp09.00.10.08", "opus"]),
        ("webm", "libvpx", "libopus", VP9, ["vp08.00.10.08", "opus"]),
        ("mpegts", "", "eac3", {}, ["ec-3"]),
    ],
)
def test_codecs(
    make_media: Callable[..., bytes],
    container: str,
    video: str,
    audio: str,
    options: dict[str, str],
    strings: list[str],
) -> None:
    tracks = describe(make_media(container, video, audio, options=options))
    assert [track.codec_string for track in tracks] == strings
    assert [track.number for track in tracks] == list(range(len(tracks)))
    for track in tracks:
        assert boxes.find(track.init, b"moov", b"mvex") is not None
        assert boxes.find(track.init, b"moov", b"trak", b"edts") is None, "shifts the track"
        with template(track.init) as opened:
            assert opened.streams[0].type == track.kind
        if track.kind == "video":
            assert (track.name, track.width, track.height, track.fps) == ("v1", 64, 48, 25.0)
            assert boxes.timescale(track.init) == 90_000
        else:
            assert (track.name, track.channels, track.sample_rate) == ("a1", 2, 48_000)
            assert boxes.timescale(track.init) == 48_000


def test_hevc_is_hvc1(make_media: Callable[..., bytes]) -> None:
    (track,) = describe(make_media("mpegts", "libx265", options=X265))
    assert boxes.sample_entry(track.init)[0] == b"hvc1"


def test_the_packet_wins_over_the_container(make_media: Callable[..., bytes]) -> None:
    small = make_media("h264", "libx264", options=X264)
    large = make_media("h264", "libx264", options=X264, size=(128, 96))
    (before,) = describe(small + large)
    (after,) = describe(small + large, skip=8)
    assert (before.width, before.height) == (64, 48)
    assert (after.width, after.height) == (128, 96)
    assert before.init != after.init


def test_streams_without_packet_or_codec_are_left_out(make_media: Callable[..., bytes]) -> None:
    data = make_media("matroska", "mpeg4", "aac")
    assert [track.codec for track in describe(data)] == ["aac"]
    with av.open(io.BytesIO(make_media("mpegts", "libx264", "aac", options=X264))) as container:
        packet = next(p for p in container.demux(video=0) if p.is_keyframe)
        tracks = describe_streams(container, {packet.stream_index: packet})
    assert [track.name for track in tracks.values()] == ["v1"]


@pytest.mark.parametrize(
    ("codec", "string", "sample_rate", "samples"),
    [
        ("aac", "mp4a.40.2", 48_000, 1024),
        ("aac", "mp4a.40.5", 48_000, 2048),
        ("aac", "mp4a.40.29", 44_100, 2048),
        ("mp3", "mp4a.6B", 44_100, 1152),
        ("mp3", "mp4a.69", 24_000, 576),
        ("opus", "opus", 48_000, 960),
        ("pcm_alaw", "", 8000, 0),
    ],
)
def test_how_long_a_frame_of_sound_usually_is(
    codec: str, string: str, sample_rate: int, samples: int
) -> None:
    track = Track(0, "a1", "audio", codec, b"", string, sample_rate=sample_rate)
    assert usual_duration(track) == samples * 90_000 // sample_rate
