"""Fragmented files of FFmpeg against its demuxer, and fragments that lie."""

import io

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.files.cutting import cut
from media_streamer.files.fragments import FragmentedTrack
from media_streamer.files.movie import read_movie
from media_streamer.files.segment import Changed, media_segment
from media_streamer.files.tables import BadFile

from tests.support.clips import footage
from tests.support.films import reader

FORMS = {
    "recorder": "frag_keyframe+empty_moov+default_base_moof",
    "hybrid": "frag_keyframe",
    "track by track": "frag_keyframe+separate_moof+omit_tfhd_offset+empty_moov",
    "dash": "dash+delay_moov",
}


def fragmented(flags: str) -> bytes:
    made = io.BytesIO()
    options = {"movflags": flags, "frag_duration": "1000000"}
    with (
        av.open(str(footage())) as source,
        av.open(made, "w", format="mp4", options=options) as target,
    ):
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    return made.getvalue()


@pytest.fixture(scope="module")
def recorded() -> bytes:
    return fragmented(FORMS["recorder"])


@pytest.mark.parametrize("form", FORMS)
def test_samples_are_those_that_ffmpeg_finds(form: str) -> None:
    data = fragmented(FORMS[form])
    movie = read_movie(reader(data), len(data))
    assert [track.kind for track in movie.tracks] == ["video", "audio"]
    for index, track in enumerate(movie.tracks):
        with av.open(io.BytesIO(data), options={"ignore_editlist": "1"}) as container:
            packets = [p for p in container.demux(container.streams[index]) if p.size]
        samples = track.samples
        assert samples.count == len(packets) > 100
        offsets = list(samples.offsets(0, samples.count) or [0] * samples.count)
        syncs = samples.sync_numbers(0, samples.count)
        for number, packet in enumerate(packets):
            assert samples.spans(number, number + 1) == [(packet.pos, packet.size)]
            assert samples.time(number) == packet.dts
            assert samples.time(number) + offsets[number] == packet.pts
            assert (syncs is None or number in syncs) == packet.is_keyframe


def test_a_recording_that_broke_off_plays_up_to_there(recorded: bytes) -> None:
    whole = read_movie(reader(recorded), len(recorded)).tracks[0].samples.count
    cut_off = recorded[: len(recorded) * 2 // 3]
    movie = read_movie(reader(cut_off), len(cut_off))
    samples = movie.tracks[0].samples
    assert 0 < samples.count < whole
    assert all(s.offset + s.size <= len(cut_off) for s in samples.spans(0, samples.count))


def test_what_is_missing_lasts_longer_and_no_clock_goes_back() -> None:
    track = FragmentedTrack((40, 10, 0))
    track.goes_on_at(1000)
    track.sizes.append(10)
    track.durations.append(40)
    track.end += 40
    track.goes_on_at(1100)
    assert list(track.durations) == [100]
    track.goes_on_at(1090)  # rounding
    with pytest.raises(BadFile, match="goes back"):
        track.goes_on_at(500)


@given(st.lists(st.tuples(st.integers(-4, 400), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_recording_with_bytes_changed_is_read_or_refused(
    recorded: bytes, changes: list[tuple[int, int]]
) -> None:
    broken, head = bytearray(recorded), recorded.index(b"moof")
    for offset, value in changes:
        broken[head + offset] = value
    made = bytes(broken)
    try:
        movie = read_movie(reader(made), len(made))
        for track in movie.tracks:
            piece = cut(movie, 1.0)[track.name][0]
            if piece.end > piece.first:
                media_segment(track, 1, piece.first, piece.end, reader(made))
    except (BadFile, Changed):
        pass
