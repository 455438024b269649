"""The packets for browsers: which tracks, as what."""

import io
from collections.abc import Callable

import av
import pytest
from media_streamer.media.frame import Frame, Track
from media_streamer.media.mux.webrtc import WebRtcMuxer
from media_streamer.media.track import describe_tracks
from media_streamer.protocols.rtsp.udp import split
from media_streamer.rtp import sdp
from media_streamer.rtp.packet import KEY_MARK, is_rtcp, parse

X264 = {"preset": "ultrafast"}


def clip(data: bytes) -> tuple[list[Track], list[Frame]]:
    with av.open(io.BytesIO(data)) as container:
        found = [packet for packet in container.demux() if packet.size]
        first: dict[int, av.Packet] = {}
        for packet in found:
            if packet.is_keyframe:
                first.setdefault(packet.stream_index, packet)
        frames = [
            Frame(p.stream_index, round(p.dts * p.time_base * 90_000),
                  round(p.pts * p.time_base * 90_000), 0, p.is_keyframe, bytes(p))
            for p in found
        ]  # fmt: skip
        return describe_tracks(container, first), frames


@pytest.mark.parametrize("audio", ["aac", "libopus"])
def test_sound_is_opus(make_media: Callable[..., bytes], audio: str) -> None:
    tracks, frames = clip(make_media("mp4", "libx264", audio, options=X264, frames=25))
    muxer = WebRtcMuxer(tracks)
    assert muxer.left_out == []
    media = sdp.parse(muxer.header.decode()).media
    assert [one.encoding for one in media] == ["H264", "OPUS"]
    sources = [int(one.attributes["x-ssrc"]) for one in media]
    seen: dict[int, set[int]] = {}
    for frame in frames:
        for channel, packet in split(muxer.mux(frame, frame.key)):
            if channel != KEY_MARK and not is_rtcp(packet):
                seen.setdefault(channel, set()).add(parse(packet).ssrc)
    assert seen == {0: {sources[0]}, 2: {sources[1]}}
    again = WebRtcMuxer(tracks, muxer)
    assert again.header == muxer.header, "sources go on when the tracks are set anew"


def test_what_no_browser_plays_is_left_out(make_media: Callable[..., bytes]) -> None:
    tracks, frames = clip(make_media("mpegts", "mpeg2video", "mp2", frames=12))
    muxer = WebRtcMuxer(tracks)
    assert [track.codec for track in muxer.left_out] == ["mpeg2video"]
    assert [one.encoding for one in sdp.parse(muxer.header.decode()).media] == ["OPUS"]
    video = next(track.number for track in tracks if track.kind == "video")
    assert all(muxer.mux(f, False) == b"" for f in frames if f.track == video)
