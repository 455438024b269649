"""RTP that was written for a track is read back as its frames, with the clock of the stream."""

import io
import itertools
from collections.abc import Callable, Iterator

import av
import pytest
from media_streamer.media.frame import Frame, Track
from media_streamer.media.mux.rtp import REPORT_TICKS, RtpMuxer
from media_streamer.media.track import describe_tracks
from media_streamer.rtp import rtcp, sdp
from media_streamer.rtp.clock import NTP_EPOCH_SECONDS, SenderClock
from media_streamer.rtp.codecs import accept
from media_streamer.rtp.packet import is_rtcp, parse

X264 = {"preset": "ultrafast"}
X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}


def packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Channel and packet, one after the other."""
    position = 0
    while position < len(data):
        assert data[position] == 0x24
        end = position + 4 + int.from_bytes(data[position + 2 : position + 4], "big")
        yield data[position + 1], data[position + 4 : end]
        position = end


def clip(data: bytes) -> tuple[list[Track], list[tuple[int, bytes]]]:
    """Tracks of a file, and index of the track and bytes of each packet."""
    with av.open(io.BytesIO(data)) as container:
        found = [packet for packet in container.demux() if packet.size]
        first: dict[int, av.Packet] = {}
        for packet in found:
            if packet.is_keyframe:
                first.setdefault(packet.stream_index, packet)
        return describe_tracks(container, first), [(p.stream_index, bytes(p)) for p in found]


@pytest.mark.parametrize(
    ("container", "video", "audio", "options", "encodings"),
    [
        ("mp4", "libx264", "aac", X264, ["H264", "MPEG4-GENERIC"]),
        ("mp4", "libx265", "", X265, ["H265"]),
        ("mp4", "", "libopus", None, ["OPUS"]),
        ("mp4", "", "libmp3lame", None, ["MPA"]),
        ("mp4", "", "ac3", None, ["AC3"]),
    ],
)
def test_round_trip(
    make_media: Callable[..., bytes],
    container: str,
    video: str,
    audio: str,
    options: dict[str, str] | None,
    encodings: list[str],
) -> None:
    tracks, samples = clip(make_media(container, video, audio, options=options))
    muxer = RtpMuxer(tracks)
    assert muxer.left_out == []
    media = sdp.parse(muxer.header.decode()).media
    assert [one.encoding for one in media] == encodings
    receivers = [accept(one) for one in media]
    sent: dict[int, list[bytes]] = {n: [] for n in range(len(media))}
    got: dict[int, list[bytes]] = {n: [] for n in range(len(media))}
    sequences: dict[int, list[int]] = {n: [] for n in range(len(media))}
    for number, (track, data) in enumerate(samples):
        sent[track].append(data)
        frame = Frame(track, number * 3000, number * 3000, 3000, False, data, 0)
        for channel, packet in packets(muxer.mux(frame, False)):
            if is_rtcp(packet):
                continue
            receiver = receivers[channel // 2]
            assert receiver is not None
            found = parse(packet)
            sequences[channel // 2].append(found.sequence)
            for sample in receiver.depacketizer.feed(found.payload, found.timestamp, found.marker):
                got[channel // 2].append(sample.data)
    assert got == sent
    for numbers in sequences.values():
        assert all((b - a) & 0xFFFF == 1 for a, b in itertools.pairwise(numbers))


def test_reports_tell_the_wall_clock(make_media: Callable[..., bytes]) -> None:
    tracks, _ = clip(make_media("mp4", "", "libopus"))
    muxer = RtpMuxer(tracks)
    start_ms = 1_700_000_000_000
    clock = SenderClock(48_000)
    reports = 0
    for number in range(20):
        dts = number * REPORT_TICKS // 8
        frame = Frame(0, dts, dts, 100, True, b"sound", start_ms + dts // 90)
        for _, packet in packets(muxer.mux(frame, False)):
            if is_rtcp(packet):
                report = rtcp.parse(packet)[0]
                assert isinstance(report, rtcp.SenderReport)
                clock.report(report.ntp, report.timestamp)
                reports += 1
            else:
                at = clock.unix_seconds(clock.unwrap(parse(packet).timestamp))
                assert at is not None
                assert abs(at - (start_ms + dts / 90) / 1000) < 0.002
    assert reports == 3


def test_reports_of_all_tracks_tell_one_clock(make_media: Callable[..., bytes]) -> None:
    """Not that of whole milliseconds, by which they move against each other; a clock that was set
    is followed."""
    tracks, _ = clip(make_media("mp4", "libx264", "libopus", options=X264))
    muxer = RtpMuxer(tracks)
    start_ms, step = 1_700_000_000_000, REPORT_TICKS + 1237
    found: list[float] = []
    for number in range(12):
        muxer = RtpMuxer(tracks, muxer) if number == 4 else muxer
        for track in (0, 1):
            dts = number * step + 700 * track
            utc_ms = start_ms + dts // 90 + (5000 if number >= 8 else 0)
            data = muxer.mux(Frame(track, dts, dts, 100, True, b"\0\0\0\1\x65", utc_ms), False)
            for _, packet in packets(data):
                if is_rtcp(packet):
                    report = rtcp.parse(packet)[0]
                    assert isinstance(report, rtcp.SenderReport)
                    found.append(report.ntp / (1 << 32) - NTP_EPOCH_SECONDS - dts / 90_000)
    assert len(found) == 24
    assert max(found[:16]) - min(found[:16]) < 1e-5
    assert max(found[16:]) - min(found[16:]) < 1e-5
    assert abs(found[16] - found[0] - 5) < 0.002


def test_numbers_go_on_when_the_tracks_change(make_media: Callable[..., bytes]) -> None:
    tracks, _ = clip(make_media("mp4", "", "libopus"))
    first = RtpMuxer(tracks)
    before = [
        parse(p)
        for c, p in packets(first.mux(Frame(0, 0, 0, 1, True, b"a", 0), False))
        if not c & 1
    ]
    second = RtpMuxer(tracks, first)
    after = [
        parse(p)
        for c, p in packets(second.mux(Frame(0, 9000, 9000, 1, True, b"b", 0), False))
        if not c & 1
    ]
    assert after[0].ssrc == before[0].ssrc
    assert (after[0].sequence - before[0].sequence) & 0xFFFF == 1
    assert (after[0].timestamp - before[0].timestamp) & 0xFFFFFFFF == 4800


def test_a_codec_without_a_payload_format_is_left_out(make_media: Callable[..., bytes]) -> None:
    tracks, _ = clip(make_media("mpegts", "mpeg2video", ""))
    muxer = RtpMuxer(tracks)
    assert [track.codec for track in muxer.left_out] == ["mpeg2video"]
    assert b"m=" not in muxer.header
    assert RtpMuxer([]).header == b""
    assert muxer.mux(Frame(0, 0, 0, 1, True, b"x", 0), True) == b""


def test_stamps_of_sound_grow_though_its_clock_is_slow(make_media: Callable[..., bytes]) -> None:
    """A source that begins anew may give frames that are a tick of 90 kHz apart."""
    tracks, _ = clip(make_media("mov", "", "pcm_alaw", options={"ar": "8000"}))
    (track,) = tracks
    muxer, found = RtpMuxer(tracks), []
    for dts in (0, 1800, 1801, 1802, 3600):
        frame = Frame(track.number, dts, dts, 1800, True, bytes(160))
        found += [parse(one) for _, one in packets(muxer.mux(frame, False)) if not is_rtcp(one)]
    steps = [(one.timestamp - found[0].timestamp) & 0xFFFFFFFF for one in found]
    rate = track.sample_rate
    assert steps == [0, rate // 50, rate // 50 + 1, rate // 50 + 2, rate // 25]
