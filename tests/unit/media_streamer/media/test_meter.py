"""Figures of synthetic tracks with known answers."""

from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.media.meter import OutputStats, TrackMeter, track_info

STEP = TIME_BASE // 25


def test_video() -> None:
    meter = TrackMeter()
    # Decoded I P B B P B B …, 13 frames a GOP, 1000 bytes each at 25 a second: 200 kbit/s.
    for index in range(130):
        place = index % 13
        delay = 1 if place == 0 else 3 if place % 3 == 1 else 0
        dts = index * STEP
        meter.add_video(Frame(0, dts, dts + delay * STEP, STEP, place == 0, bytes(1000)))
    assert (meter.frames, meter.bytes, meter.gops) == (130, 130_000, 10)
    assert (meter.last_gop, meter.average_gop) == (13, 13)
    assert (meter.kbps, meter.fps) == (200, 25.0)
    assert meter.bframes == 2


def test_clock_that_goes_back_starts_a_new_window() -> None:
    meter = TrackMeter()
    for start in (100 * TIME_BASE, 0):
        for index in range(60):
            meter.add(Frame(0, start + index * STEP, 0, STEP, True, bytes(500)))
    assert (meter.kbps, meter.fps) == (100, 25.0)


def test_words_of_the_api() -> None:
    track = Track(0, "v1", "video", "mpeg2video", b"", "mp4v.61", width=720, height=576)
    info = track_info(track, TrackMeter())
    assert (info["codec"], info["content"], info["bframes"]) == ("mp2v", "video", 0)
    assert "bitrate" not in info, "unknown figures are left out"
    assert OutputStats(tracks=[info]).media_info["tracks"] == [info]
