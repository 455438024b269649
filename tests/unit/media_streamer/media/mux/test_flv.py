"""FLV tags and metadata read back by hand and by FFmpeg."""

import io
from collections.abc import Callable, Iterator

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.frame import Frame, Track
from media_streamer.media.inputs.sample_probe import probe
from media_streamer.media.mux import amf
from media_streamer.media.mux.flv import AUDIO, SCRIPT, VIDEO, FlvMuxer, opus_head, tag
from media_streamer.media.mux.flv_tracks import FlvTracksMuxer
from media_streamer.media.track import describe_tracks
from media_streamer.protocols.flv import body
from media_streamer.wire.media import PublishedFrame, TrackSetup
from msgspec.structs import replace

VP9 = {"deadline": "realtime", "cpu-used": "8"}
X264 = {"preset": "ultrafast"}
X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}


def tags(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Type, time stamp and body of each tag."""
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position + 1 : position + 4], "big")
        stamp = int.from_bytes(data[position + 4 : position + 7], "big")
        stamp |= data[position + 7] << 24
        end = position + 11 + size
        assert int.from_bytes(data[end : end + 4], "big") == size + 11
        yield data[position], stamp, data[position + 11 : end]
        position = end + 4


def tracks_of(data: bytes) -> list[Track]:
    with av.open(io.BytesIO(data)) as container:
        first: dict[int, av.Packet] = {}
        for packet in container.demux():
            if packet.size and packet.is_keyframe:
                first.setdefault(packet.stream_index, packet)
        return describe_tracks(container, first)


@given(st.integers(0, 2**40), st.binary(max_size=50))
def test_tag(stamp: int, body: bytes) -> None:
    assert list(tags(tag(VIDEO, stamp, body))) == [(VIDEO, stamp % 2**32, body)]


def test_header_of_avc_and_aac(make_media: Callable[..., bytes]) -> None:
    muxer = FlvMuxer(tracks_of(make_media("mpegts", "libx264", "aac", options=X264)))
    assert muxer.left_out == []
    assert muxer.header.startswith(b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00")
    (script, _, metadata), (video, _, avc), (audio, _, aac) = tags(muxer.header[13:])
    assert (script, video, audio) == (SCRIPT, VIDEO, AUDIO)
    assert metadata.startswith(amf.string("onMetaData"))
    for key in (b"width", b"height", b"framerate", b"videocodecid", b"audiosamplerate"):
        assert key in metadata
    assert avc.startswith(b"\x17\x00\x00\x00\x00\x01\x42\xc0")
    assert aac == b"\xaf\x00\x11\x90" or aac.startswith(b"\xaf\x00\x11\x90")


@pytest.mark.parametrize(
    ("video", "options", "fourcc"),
    [
        ("libx265", X265, b"hvc1"),
        ("libsvtav1", {"preset": "12"}, b"av01"),
        ("libvpx-vp9", VP9, b"vp09"),
    ],
)
def test_enhanced_video(
    make_media: Callable[..., bytes], video: str, options: dict[str, str], fourcc: bytes
) -> None:
    tracks = tracks_of(make_media("matroska", video, "libopus", options=options))
    muxer = FlvMuxer(tracks)
    _, (_, _, sequence), (_, _, opus) = tags(muxer.header[13:])
    assert sequence[:5] == b"\x90" + fourcc
    assert opus[:13] == b"\x90OpusOpusHead"
    ((_, stamp, body),) = tags(muxer.mux(Frame(0, 90_000, 93_600, 3600, False, b"data"), False))
    assert stamp == 1000
    composition = (40).to_bytes(3, "big") if fourcc == b"hvc1" else b""
    assert body == b"\xa1" + fourcc + composition + b"data"


def test_vp9_of_ffmpeg_is_taken_and_given_back(make_media: Callable[..., bytes]) -> None:
    """Enhanced RTMP both ways: the tags that FFmpeg writes, and ours read by FFmpeg."""
    data = make_media("flv", "libvpx-vp9", "", options=VP9)
    parts = [part for kind, _, body_ in tags(data[13:]) if kind == VIDEO
             for part in body.read(VIDEO, body_)]  # fmt: skip
    (record,) = [part.data for part in parts if part.kind == body.CONFIGURATION]
    frames = [part for part in parts if part.kind == body.FRAME]
    assert {part.codec for part in parts} == {"vp9"}
    assert [part.key for part in frames[:5]] == [True, False, False, False, True]
    setup = TrackSetup(0, "video", "vp9", record, 1000)
    track = replace(probe(setup, PublishedFrame(0, 0, 0, True, frames[0].data)), name="v1")
    assert (track.width, track.height, track.codec_string[:8]) == (64, 48, "vp09.00.")
    muxer = FlvMuxer([track])
    written = muxer.header + b"".join(
        muxer.mux(Frame(0, 3600 * n, 3600 * n, 3600, part.key, part.data), False)
        for n, part in enumerate(frames)
    )
    _, (_, _, sequence), *_ = tags(written[13:])
    assert sequence == b"\x90vp09" + record
    with av.open(io.BytesIO(written), format="flv") as container:
        shown = list(container.decode(video=0))
    assert [picture.pts for picture in shown] == [40 * n for n in range(8)]
    assert {(picture.width, picture.height) for picture in shown} == {(64, 48)}


def test_all_tracks(make_media: Callable[..., bytes]) -> None:
    """What FFmpeg and our own reader make of several tracks (Enhanced RTMP v2)."""
    first = tracks_of(make_media("mpegts", "libx264", "aac", options=X264))
    second = tracks_of(make_media("matroska", "libx265", "libopus", options=X265))
    third = tracks_of(make_media("mpegts", "libx264", "aac", options=X264))
    all_of_them = [replace(one, number=n) for n, one in enumerate((*first, *second, *third))]
    muxer = FlvTracksMuxer(all_of_them)
    assert muxer.left_out == []
    written = b"".join(
        muxer.mux(Frame(track, 3600 * n, 3600 * n + 7200, 3600, True, b"data"), False)
        for n in range(3)
        for track in range(6)
    )
    read = [(kind, part) for kind, _, one in tags(muxer.header[13:] + written) if kind != SCRIPT
            for part in body.read(kind, one)]  # fmt: skip
    for kind, number, codec in (
        (VIDEO, 0, "h264"), (VIDEO, 1, "hevc"), (VIDEO, 2, "h264"),
        (AUDIO, 0, "aac"), (AUDIO, 1, "opus"), (AUDIO, 2, "aac"),
    ):  # fmt: skip
        parts = [one for of, one in read if (of, one.track) == (kind, number)]
        assert {one.codec for one in parts} == {codec}
        assert [one.kind for one in parts] == [body.CONFIGURATION, *3 * [body.FRAME]]
        assert {one.data for one in parts[1:]} == {b"data"}
        assert {one.composition for one in parts[1:]} == {80 if kind == VIDEO else 0}
    with av.open(io.BytesIO(muxer.header + written), format="flv") as container:
        names = [one.codec_context.name for one in container.streams]
    assert sorted(names) == ["aac", "aac", "h264", "h264", "hevc", "opus"]


def test_clocks_of_all_tracks_go_on(make_media: Callable[..., bytes]) -> None:
    one = tracks_of(make_media("mpegts", "libx264", options=X264))[0]
    tracks = [replace(one, number=n) for n in range(2)]
    muxer = FlvTracksMuxer(tracks)
    frames = [Frame(1, 9000 + n, 9000 + n, 0, True, b"x") for n in range(3)]
    muxer.mux(frames[0], False)
    ((_, stamp, _),) = tags(FlvTracksMuxer(tracks, muxer).mux(frames[1], False))
    assert stamp == 101


def test_negative_composition_time_and_stamps_of_rounded_ticks(
    make_media: Callable[..., bytes],
) -> None:
    muxer = FlvMuxer(tracks_of(make_media("mpegts", "libx264", options=X264)))
    ((_, stamp, body),) = tags(muxer.mux(Frame(0, 179, 89, 3600, True, b"x"), True))
    assert stamp == 1
    assert body == b"\x17\x01\xff\xff\xffx"


def test_stamps_grow_where_frames_are_less_than_a_millisecond_apart(
    make_media: Callable[..., bytes],
) -> None:
    tracks = tracks_of(make_media("mpegts", "libx264", "aac", options=X264))
    muxer = FlvMuxer(tracks)
    written = b""
    for dts in (9000, 9001, 9002, 9360):
        written += muxer.mux(Frame(0, dts, dts, 0, True, b"v"), True)
        written += muxer.mux(Frame(1, dts, dts, 0, True, b"a"), False)
    muxer = FlvMuxer(tracks, muxer)
    written += muxer.mux(Frame(0, 9361, 9361, 0, True, b"v"), True)
    found = list(tags(written))
    assert [stamp for kind, stamp, _ in found if kind == VIDEO] == [100, 101, 102, 104, 105]
    assert [stamp for kind, stamp, _ in found if kind == AUDIO] == [100, 101, 102, 104]
    assert {body[2:5] for kind, _, body in found if kind == VIDEO} == {b"\0\0\0"}


def test_what_flv_cannot_carry_is_left_out(make_media: Callable[..., bytes]) -> None:
    tracks = tracks_of(make_media("mpegts", "mpeg2video", "mp2"))
    muxer = FlvMuxer(tracks)
    assert muxer.left_out == tracks
    assert muxer.mux(Frame(0, 0, 0, 0, True, b"x"), True) == b""


def test_opus_head_is_little_endian() -> None:
    dops = bytes((0, 2)) + (312).to_bytes(2, "big") + (48000).to_bytes(4, "big") + b"\xff\x00\x00"
    head = opus_head(dops)
    assert head[:10] == b"OpusHead\x01\x02"
    assert int.from_bytes(head[10:12], "little") == 312
    assert int.from_bytes(head[12:16], "little") == 48000
    assert int.from_bytes(head[16:18], "little", signed=True) == -256
    assert head[18:] == b"\x00"


def test_amf_values() -> None:
    data = amf.ecma_array({"a": 1.5, "b": True, "c": "x"})
    assert data == (
        b"\x08\x00\x00\x00\x03\x00\x01a\x00\x3f\xf8\x00\x00\x00\x00\x00\x00"
        b"\x00\x01b\x01\x01\x00\x01c\x02\x00\x01x\x00\x00\x09"
    )
