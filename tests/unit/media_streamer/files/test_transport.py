"""Segments of MPEG-TS of a real film against FFmpeg's demuxer."""

import io
import subprocess
import sys

import av
import pytest
from media_streamer.files.cutting import cut
from media_streamer.files.frames import together
from media_streamer.files.movie import Movie, read_movie
from media_streamer.files.transport import (
    can_carry,
    expected_bytes,
    ts_segment,
)

from tests.support.clips import footage
from tests.support.films import FilmTrack, film, reader


@pytest.fixture(scope="module")
def movie() -> Movie:
    data = footage().read_bytes()
    return read_movie(reader(data), len(data))


@pytest.fixture(scope="module")
def segments(movie: Movie) -> list[bytes]:
    read = reader(footage().read_bytes())
    return [ts_segment(parts, read) for parts in together(movie, cut(movie, 1.0))]


def test_every_frame_is_there_and_none_is_broken(movie: Movie, segments: list[bytes]) -> None:
    expected = [track.samples.count for track in movie.tracks]
    with av.open(io.BytesIO(b"".join(segments)), format="mpegts") as container:
        counts = [0] * len(container.streams)
        last = [-1] * len(container.streams)
        for packet in container.demux():
            if packet.size:
                assert not packet.is_corrupt
                assert packet.dts is not None
                assert packet.dts > last[packet.stream_index]
                last[packet.stream_index] = packet.dts
                counts[packet.stream_index] += 1
    assert counts == expected


def test_segments_stand_for_themselves(movie: Movie, segments: list[bytes]) -> None:
    for segment, parts in zip(segments, together(movie, cut(movie, 1.0)), strict=True):
        assert len(segment) % 188 == 0
        assert len(segment) < expected_bytes(parts, 1.0) * 1.1
        assert [segment[n * 188 + 1] & 0x1F for n in (0, 1)] == [0, 0x10], "tables come first"
        with av.open(io.BytesIO(segment), format="mpegts") as container:
            kinds = {stream.type for stream in container.streams}
            first = next(p for p in container.demux(video=0) if p.size)
        assert kinds == {"video", "audio"}
        assert first.is_keyframe


def test_several_pictures_or_other_lengths_are_for_fragmented_mp4(movie: Movie) -> None:
    assert can_carry(movie.tracks)
    twice = film(FilmTrack([10] * 10), FilmTrack([10] * 10))
    assert not can_carry(read_movie(reader(twice), len(twice)).tracks)
    short = film(FilmTrack([10] * 10)).replace(b"\x01\x4d\x40\x1e\xff", b"\x01\x4d\x40\x1e\xfd")
    assert not can_carry(read_movie(reader(short), len(short)).tracks)


def test_the_writer_needs_no_ffmpeg() -> None:
    code = "import sys; import media_streamer.media.mux.ts; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
