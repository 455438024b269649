"""Transport streams against FFmpeg's demuxer, and files that lie."""

import random
from array import array
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.files import kept_indexes, ts_film
from media_streamer.files.containers import read_film
from media_streamer.files.cutting import cut
from media_streamer.files.disk import Changed
from media_streamer.files.frames import Part
from media_streamer.files.movie import Movie
from media_streamer.files.names import Identity
from media_streamer.files.outlined import found_parts
from media_streamer.files.tables import BadFile
from media_streamer.media.canonical import Canonicalizer

from tests.support.films import BytesReader, reader

Sample = tuple[int, int, bool, bytes]


def film_of(data: bytes) -> Movie:
    return read_film(reader(data), len(data))


def all_samples(movie: Movie, data: bytes, seconds: float = 1.0) -> list[list[Sample]]:
    """Of each track, with times of the film."""
    found: list[list[Sample]] = [[] for _ in movie.tracks]
    for piece in cut(movie, seconds)[movie.tracks[0].name]:
        parts = [Part(track, piece) for track in movie.tracks]
        made, read = found_parts(movie, parts, reader(data))
        for own, part in zip(found, made, strict=True):
            samples = part.track.samples
            offsets = list(samples.offsets(0, samples.count) or [0] * samples.count)
            syncs = samples.sync_numbers(0, samples.count)
            for n in range(samples.count):
                ((place, size),) = samples.spans(n, n + 1)
                time = samples.time(n)
                key = syncs is None or n in syncs
                own.append((time, time + offsets[n], key, read(place, size)))
    return found


NOISE = array("f", (random.Random(1).uniform(-0.3, 0.3) for _ in range(8192)))


def noise(kind: str, number: int, size: int) -> bytes:
    """Of a frame; each is another one."""
    if kind.startswith("s16"):
        return random.Random(number).randbytes(size)
    return NOISE[number : number + size // 4].tobytes()


def encoded(path: Path, video: str, sounds: Sequence[str], options: dict[str, str]) -> None:
    with av.open(str(path), "w") as out:
        picture: Any = out.add_stream(video, rate=25, options={"threads": "1", **options})
        picture.width, picture.height, picture.pix_fmt = 96, 48, "yuv420p"
        tracks: list[Any] = [out.add_stream(name, rate=48_000) for name in sounds]
        for track in tracks:
            track.metadata["language"] = "ger"
        for n in range(100):
            frame = av.VideoFrame(96, 48, "yuv420p")
            for plane in frame.planes:
                plane.update(random.Random(n).randbytes(plane.buffer_size))
            frame.pts = n
            out.mux(picture.encode(frame))
        for track in tracks:
            size = track.codec_context.frame_size or 1024
            kind = track.codec_context.format.name
            for n in range(4 * 48_000 // size):
                heard = av.AudioFrame(kind, "stereo", size)
                for plane in heard.planes:
                    plane.update(noise(kind, n, plane.buffer_size))
                heard.sample_rate, heard.pts = 48_000, size * n
                out.mux(track.encode(heard))
        for one in (picture, *tracks):
            out.mux(one.encode(None))


FILMS = {
    "h264": ("libx264", ("aac", "ac3"), {"preset": "ultrafast", "bf": "2", "g": "20"}, "ts"),
    "open": ("libx264", ("aac",), {"preset": "ultrafast", "bf": "2", "g": "20",
                                   "x264-params": "open-gop=1:b-adapt=0"}, "ts"),
    "mpeg2": ("mpeg2video", ("mp2",), {"g": "12", "bf": "2", "b": "300k"}, "ts"),
    "hevc": ("libx265", ("mp2",), {"preset": "ultrafast",
             "x265-params": "keyint=20:log-level=0"}, "ts"),
    "bdav": ("libx264", ("ac3",), {"preset": "ultrafast", "g": "20"}, "m2ts"),
}  # fmt: skip


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("ts")
    made = {}
    for name, (video, sounds, options, ending) in FILMS.items():
        made[name] = folder / f"{name}.{ending}"
        encoded(made[name], video, sounds, options)
    return made


@pytest.mark.parametrize("name", FILMS)
def test_samples_are_those_that_ffmpeg_finds(
    films: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ts_film, "PASSED_SECONDS", 0.5)
    data = films[name].read_bytes()
    movie = film_of(data)
    assert movie.outline is not None
    assert len(movie.outline.container.marks) > 2
    base = movie.outline.base
    found = all_samples(movie, data)
    with av.open(str(films[name])) as container:
        assert len(container.streams) == len(found)
        canonical = [Canonicalizer.of(one) for one in container.streams]
        expected: list[list[Any]] = [[] for _ in found]
        for packet in container.demux():
            if packet.size:
                index = packet.stream.index
                expected[index].append((packet, canonical[index].convert(bytes(packet))))
    for own, wanted in zip(found, expected, strict=True):
        assert [one[1] for one in own] == [packet.pts - base for packet, _ in wanted]
        assert [one[3] for one in own] == [payload for _, payload in wanted]
        assert [one[2] for one in own] == [packet.is_keyframe for packet, _ in wanted]
        assert all(a[0] < b[0] for a, b in pairwise(own))
        assert all(one[0] <= one[1] for one in own)
    first = movie.tracks[0]
    assert (first.width, first.height, first.fps) == (96, 48, 25)
    assert {track.language for track in movie.tracks[1:]} <= {"ger"}


def test_of_a_long_film_a_part_is_read_and_the_index_is_kept(
    films: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ts_film, "STEP_BYTES", 188 * 20)
    monkeypatch.setattr(ts_film, "HEAD_BYTES", 188 * 100)
    kept_indexes.keep_in(tmp_path)
    data = films["h264"].read_bytes()
    identity = Identity(1, 2, len(data), random.getrandbits(40))
    looked = 0

    class Counting(BytesReader):
        def __call__(self, offset: int, size: int) -> bytes:
            nonlocal looked
            looked += size == 188 * 20
            return super().__call__(offset, size)

    first = read_film(Counting(data), len(data), identity)
    assert 0 < looked * 188 * 20 < len(data) * 2 // 3
    assert len(list((tmp_path / "indexes").iterdir())) == 1
    for forget in (False, True):
        looked = 0
        if forget:  # as another worker
            kept_indexes._kept.clear()
        again = read_film(Counting(data), len(data), identity)
        assert again.outline is not None
        assert first.outline is not None
        assert list(again.outline.container.marks) == list(first.outline.container.marks)
        assert looked == 0
    kept_indexes._folder.clear()


def test_a_folder_that_cannot_be_written_is_done_without(
    films: dict[str, Path], tmp_path: Path
) -> None:
    kept_indexes.keep_in(tmp_path / "none" / "none")
    data = films["h264"].read_bytes()
    assert read_film(reader(data), len(data), Identity(1, 1, 1, 1)).tracks
    kept_indexes._folder.clear()


def test_a_clock_that_wraps_goes_on(films: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "wrap.ts"
    with (
        av.open(str(films["h264"])) as source,
        av.open(str(path), "w", options={"output_ts_offset": str((1 << 33) / 90_000 - 3.5)}) as out,
    ):
        copies = {one.index: out.add_stream_from_template(one) for one in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    data = path.read_bytes()
    movie = film_of(data)
    assert 3.5 < movie.seconds < 5
    video = all_samples(movie, data)[0]
    assert len(video) == 100
    assert all(b[0] - a[0] == 3600 for a, b in pairwise(video))


def test_a_file_that_is_cut_off_plays_up_to_there(films: dict[str, Path]) -> None:
    data = films["h264"].read_bytes()
    data = data[: len(data) * 2 // 3]
    video, sound, *_ = all_samples(film_of(data), data)
    assert 40 < len(video) < 100
    assert len(sound) > 50


def test_what_is_no_film_says_so(films: dict[str, Path]) -> None:
    empty = (b"\x47\x1f\xff\x10" + bytes(184)) * 50
    broken = films["h264"].read_bytes()[:188] + empty
    for data in (empty, broken):
        with pytest.raises(BadFile, match=r"transport stream"):
            film_of(data)


@given(data=st.data())
def test_a_film_with_bytes_changed_is_read_or_refused(
    films: dict[str, Path], data: st.DataObject
) -> None:
    good = films["h264"].read_bytes()[:60_000]
    broken = bytearray(good)
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, 400)) * data.draw(st.integers(1, 140))
        broken[place] = data.draw(st.integers(0, 255))
    made = bytes(broken)
    try:
        for own in all_samples(film_of(made), made):
            assert sum(len(one[3]) for one in own) <= 2 * len(made)
    except (BadFile, Changed):
        pass
