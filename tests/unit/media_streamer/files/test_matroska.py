"""Matroska against FFmpeg's demuxer, and files that lie."""

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.files.containers import read_film
from media_streamer.files.cutting import Piece, cut
from media_streamer.files.disk import Changed
from media_streamer.files.frames import Part, filled
from media_streamer.files.matroska_text import text_of
from media_streamer.files.movie import FileTrack, Movie
from media_streamer.files.outlined import found_parts
from media_streamer.files.segment import media_segment
from media_streamer.files.tables import BadFile

from tests.support.clips import footage
from tests.support.films import BytesReader, reader
from tests.support.matroska import (
    block,
    cluster,
    element,
    matroska,
    number,
    picture,
    plain_matroska,
    sound,
    text,
)

Sample = tuple[int, int, bool, bytes]
"""Decode time, presentation time, key, bytes."""


def film_of(data: bytes) -> Movie:
    return read_film(reader(data), len(data))


def samples_of(movie: Movie, track: FileTrack, piece: Piece, data: bytes) -> list[Sample]:
    """Of a segment, with times of the film."""
    (part,), read = found_parts(movie, [Part(track, piece)], reader(data))
    samples = part.track.samples
    offsets = list(samples.offsets(0, samples.count) or [0] * samples.count)
    syncs = samples.sync_numbers(0, samples.count)
    found = []
    for n in range(samples.count):
        ((place, size),) = samples.spans(n, n + 1)
        key = syncs is None or n in syncs
        time = samples.time(n)
        found.append((time, time + offsets[n], key, read(place, size)))
    return found


def all_samples(movie: Movie, data: bytes) -> list[list[Sample]]:
    pieces = cut(movie, 1.0)
    return [
        [one for piece in pieces[track.name] for one in samples_of(movie, track, piece, data)]
        for track in movie.tracks
    ]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The same pictures and sounds, with B-frames, with an index and without."""
    folder = tmp_path_factory.mktemp("matroska")
    made = folder / "a.mkv"
    with av.open(str(made), "w") as out:
        order = {"preset": "ultrafast", "bf": "3", "b_strategy": "0", "g": "20", "threads": "1"}
        video: Any = out.add_stream("libx264", rate=25, options=order)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio: Any = out.add_stream("aac", rate=48_000)
        dolby: Any = out.add_stream("ac3", rate=48_000)
        dolby.metadata["language"] = "ger"
        for n in range(100):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes((n * 7 + i) % 251 for i in range(plane.buffer_size)))
            frame.pts = n
            out.mux(video.encode(frame))
        for stream in (audio, dolby):
            for n in range(187):
                silence = av.AudioFrame("fltp", "mono", 1024)
                for plane in silence.planes:
                    plane.update(bytes(plane.buffer_size))
                silence.sample_rate, silence.pts = 48_000, 1024 * n
                out.mux(stream.encode(silence))
        for stream in (video, audio, dolby):
            out.mux(stream.encode(None))
    with_index = made.read_bytes()
    live = folder / "live.mkv"
    with av.open(str(made)) as source, av.open(str(live), "w", options={"live": "1"}) as out:
        copies = {one.index: out.add_stream_from_template(one) for one in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    return {
        "index": with_index,
        "live": live.read_bytes(),
        "cut": with_index[: len(with_index) * 2 // 3],
    }


def expected(data: bytes) -> list[list["av.Packet[Any]"]]:
    with av.open(io.BytesIO(data)) as container:
        found: list[list[av.Packet[Any]]] = [[] for _ in container.streams]
        for packet in container.demux():
            if packet.size:
                found[packet.stream.index].append(packet)
        return found


@pytest.mark.parametrize("kind", ["index", "live", "cut"])
def test_samples_are_those_that_ffmpeg_finds(clips: dict[str, bytes], kind: str) -> None:
    data = clips[kind]
    movie = film_of(data)
    assert movie.outline is not None
    base = movie.outline.base
    found, wanted = all_samples(movie, data), expected(data)
    assert [len(one) for one in found] == [len(one) for one in wanted]
    for own, packets in zip(found, wanted, strict=True):
        assert [one[3] for one in own] == [bytes(packet) for packet in packets]
        assert [one[1] for one in own] == [packet.pts - base for packet in packets]
        assert [one[2] for one in own] == [packet.is_keyframe for packet in packets]
        assert all(dts <= pts for dts, pts, _, _ in own)
        assert all(a[0] < b[0] for a, b in pairwise(own))
    assert movie.tracks[-1].language == ("" if kind == "live" else "ger")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_segments_of_a_film_decode(clips: dict[str, bytes], number: int) -> None:
    data = clips["index"]
    movie = film_of(data)
    track, made = movie.tracks[number], [movie.tracks[number].init]
    for count, piece in enumerate(filled(cut(movie, 1.0)[track.name]), 1):
        (part,), read = found_parts(movie, [Part(track, piece)], reader(data))
        made.append(bytes(media_segment(part.track, count, 0, part.piece.end, read)))
    with av.open(io.BytesIO(b"".join(made))) as container:
        frames = sum(1 for _ in container.decode(container.streams[0]))
    assert frames >= len(expected(data)[number]) - 1  # sound begins with a frame of nothing


def test_a_film_is_opened_without_its_media(tmp_path: Path) -> None:
    path = tmp_path / "real.mkv"
    with av.open(str(footage())) as source, av.open(str(path), "w") as out:
        copies = {one.index: out.add_stream_from_template(one) for one in source.streams}
        for packet in source.demux():
            if packet.size and packet.pts is not None:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    data = path.read_bytes()
    # Many stretches more behind the first ones must not be read.
    clusters = [cluster(1000 * n, block(1, 0, b"k" * 100_000)) for n in range(200)]
    long = matroska([picture()], clusters)
    seen = 0

    class Counting(BytesReader):
        def __call__(self, offset: int, size: int) -> bytes:
            nonlocal seen
            found = super().__call__(offset, size)
            seen += len(found)
            return found

    movie = read_film(Counting(long), len(long))
    assert movie.seconds >= 199
    assert seen < 1_000_000 < len(long)
    real = film_of(data)
    assert [(one.name, one.codecs) for one in real.tracks] == [
        ("v1", "avc1.4d401f"), ("a1", "mp4a.40.2"),
    ]  # fmt: skip


@pytest.mark.parametrize("cues", [True, False])
def test_subtitles_are_found_with_and_without_an_index(cues: bool) -> None:
    data = plain_matroska(cues=cues, seconds=6)
    (words,) = film_of(data).texts
    found = words.cues(0.0, 100.0, reader(data))  # type: ignore[union-attr]
    assert [(one.begin, one.end, one.text) for one in found] == [
        (begin, begin + 0.9, "Words <i>here</i>") for begin in (0.0, 2.0, 4.0)
    ]
    found = words.cues(2.5, 4.5, reader(data))  # type: ignore[union-attr]
    assert [one.begin for one in found] == [2.0, 4.0]


@pytest.mark.parametrize(
    ("block", "form", "shown"),
    [
        ("a <i>b</i> & c", "srt", "a <i>b</i> &amp; c"),
        ("1,0,Default,,0,0,0,,{\\i1}One{\\i0}\\NTwo, three", "ass", "One\nTwo, three"),
        ("1,0,Default,,0,0,0,,{\\p1}m 0 0 l 1 1", "ass", ""),
        ("too,few", "ass", ""),
        ("name\nline:0\nText", "webm", "Text"),
    ],
)
def test_forms_of_subtitles(block: str, form: str, shown: str) -> None:
    assert text_of(block, form) == shown


LACED = {
    "xiph": (0x02, b"\x02\x01\x02" + b"a" + b"bb" + b"ccc"),
    "fixed": (0x04, b"\x02" + b"aabbcc"),
    "ebml": (0x06, b"\x02\x81\xc0" + b"a" + b"bb" + b"ccc"),
}


@pytest.mark.parametrize("kind", LACED)
def test_frames_that_share_a_block(kind: str) -> None:
    flags, payload = LACED[kind]
    clusters = [cluster(0, block(1, 0, b"key"), block(2, 0, payload, flags=flags))]
    data = matroska([picture(), sound()], clusters)
    movie = film_of(data)
    (_, found) = all_samples(movie, data)
    frames = [b"aa", b"bb", b"cc"] if kind == "fixed" else [b"a", b"bb", b"ccc"]
    assert [one[3] for one in found] == frames
    assert [one[0] for one in found] == [0, 21, 42]


def test_what_was_taken_from_each_frame_is_put_back() -> None:
    packing = element(0x5034, element(0x4254, b"\x03"), element(0x4255, b"\0\0"))
    stripped = picture(1, element(0x6D80, element(0x6240, packing)))
    data = matroska([stripped], [cluster(0, block(1, 0, b"\0\1x"))])
    assert all_samples(film_of(data), data)[0][0][3] == b"\0\0\0\1x"


def test_tracks_that_are_not_played_are_named() -> None:
    tracks = [picture(), sound(2, codec=b"A_VORBIS"), text(3, codec=b"S_HDMV/PGS")]
    movie = film_of(matroska(tracks, [cluster(0, block(1, 0, b"key"))]))
    assert [track.name for track in movie.tracks] == ["v1"]
    assert "A_VORBIS" in movie.left_out[0]
    assert "S_HDMV/PGS" in movie.left_out[1]


def test_pictures_that_are_written_before_those_they_follow_are_decoded_in_time() -> None:
    blocks = [block(1, pts, b"x", key=pts == 0) for pts in (0, 120, 40, 80, 240, 160, 200)]
    data = matroska([picture()], [cluster(0, *blocks)])
    movie = film_of(data)
    (found,) = all_samples(movie, data)
    assert [one[0] for one in found] == [0, 40, 80, 120, 160, 200, 240]
    assert [one[1] for one in found] == [40, 160, 80, 120, 280, 200, 240]
    assert movie.zero * 1000 == 40


LIES = {
    "no cluster": matroska([picture()], []),
    "no tracks": matroska([], [cluster(0, block(1, 0, b"key"))]),
    "no key frame": matroska([picture()], [cluster(0, block(1, 0, b"x", key=False))], cues=False),
    "a frame of no size": matroska([picture()], [cluster(0, b"\xa3\x80")], cues=False),
    "half a head": plain_matroska()[:40],
    "only a name": b"\x1a\x45\xdf\xa3",
    "a huge part": b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
    b"\x16\x54\xae\x6b\x08\xff\xff\xff\xff",
    "a clock that stands": plain_matroska().replace(
        element(0x2AD7B1, number(1_000_000)), element(0x2AD7B1, b"\0\0\7")
    ),
    "an encrypted track": matroska(
        [picture(1, element(0x6D80, element(0x6240, element(0x5035, b"x"))))],
        [cluster(0, block(1, 0, b"key"))],
    ),
}


@pytest.mark.parametrize("kind", LIES)
def test_what_cannot_be_played_says_why(kind: str) -> None:
    with pytest.raises(BadFile, match=r"\w+ \w+"):
        all_samples(film_of(LIES[kind]), LIES[kind])


def test_an_index_that_leads_elsewhere_is_refused_where_it_is_used() -> None:
    data = plain_matroska().replace(element(0xE7, number(2000)), element(0xE7, number(2001)))
    broken = bytearray(data)
    places = [n for n in range(len(data)) if data.startswith(b"\x1f\x43\xb6\x75", n)]
    broken[places[-1]] = 0x1E
    with pytest.raises(BadFile, match="no cluster"):
        all_samples(film_of(bytes(broken)), bytes(broken))


@given(st.data())
def test_a_film_with_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    good = plain_matroska(cues=data.draw(st.booleans()))
    broken = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    made = bytes(broken[: data.draw(st.integers(len(good) // 2, len(broken)))])
    try:
        movie = film_of(made)
        for own in all_samples(movie, made):
            assert sum(len(one[3]) for one in own) <= len(made)
        for words in movie.texts:
            words.cues(0.0, 100.0, reader(made))  # type: ignore[union-attr]
    except (BadFile, Changed):
        pass
