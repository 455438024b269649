"""VOD paths: what may be read and what may not; and what FFmpeg sees of a transport stream."""

from contextlib import nullcontext
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.inputs.base import InputError, Limits, Vods
from media_streamer.protocols.file.pull import open_file, resolve, rewind

from tests.support import garbage
from tests.support.memory import forget_peak, memory

CASES = garbage.ts_cases()
REFUSED = ("streams-7500", "changing-tables", "sps-10000", "sei-200000", "nal-zero")
GROWTH_MIB = 50
FILM = garbage.ts_film((t, t) for t in range(90_000, 270_000, 3600))


@pytest.fixture
def vods(tmp_path: Path) -> Vods:
    for name in ("a/one.mp4", "a/new/two.mp4", "b/three.mp4", "secret/four.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "a/inside.mp4").symlink_to("one.mp4")
    (tmp_path / "a/outside.mp4").symlink_to(tmp_path / "secret/four.mp4")
    return {
        "vod": [str(tmp_path / "a"), str(tmp_path / "b")],
        "vod/new": [str(tmp_path / "a/new")],
    }


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("file://vod/one.mp4", "a/one.mp4"),
        ("file://vod/three.mp4", "b/three.mp4"),
        ("file://vod/inside.mp4", "a/one.mp4"),
        ("file://vod/new/two.mp4", "a/new/two.mp4"),
        ("file:///{root}/a/one.mp4", "a/one.mp4"),
    ],
)
def test_found(vods: Vods, tmp_path: Path, url: str, name: str) -> None:
    url = url.replace("/{root}", str(tmp_path))
    assert resolve(url, vods) == (tmp_path / name).resolve()


@pytest.mark.parametrize(
    "url",
    [
        "file://vod/none.mp4",
        "file://vod/",
        "file://vod",
        "file://other/one.mp4",
        "file://vod/../secret/four.mp4",
        "file://vod//../../secret/four.mp4",
        "file://vod/outside.mp4",
        "file://vod/new",
        "file:///etc/passwd",
        "file:///{root}/secret/four.mp4",
        "file:///{root}/a/../secret/four.mp4",
        "file://vod/one.mp4\0",
        "file://",
    ],
)
def test_refused(vods: Vods, tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError):
        resolve(url.replace("/{root}", str(tmp_path)), vods)


@given(parts=st.lists(st.sampled_from(["..", ".", "a", "b", "new", "one.mp4", "secret", ""])))
def test_nothing_outside_is_ever_reached(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    root = tmp_path_factory.getbasetemp() / "traversal"
    (root / "vod/a").mkdir(parents=True, exist_ok=True)
    (root / "one.mp4").write_bytes(b"x")
    (root / "vod/a/one.mp4").write_bytes(b"x")
    try:
        path = resolve(f"file://vod/{'/'.join(parts)}", {"vod": [str(root / "vod")]})
    except InputError:
        return
    assert path.is_relative_to((root / "vod").resolve())


def packets(path: Path, passes: int = 1) -> list[int]:
    """Times of what FFmpeg finds in a file, which it reads so often."""
    found: list[int] = []
    with open_file(f"file://{path}", {"all": [str(path.parent)]}, Limits()) as container:
        for turn in range(passes):
            if turn:
                rewind(container)
            for packet in container.demux():
                if not packet.size and packet.dts is None:
                    break
                found += [packet.dts] if packet.dts is not None else []
    return found


@pytest.mark.parametrize("times", [1, 30])
def test_a_transport_stream_begins_anew(tmp_path: Path, times: int) -> None:
    """Also one that is longer than what is read at once."""
    (tmp_path / "film.ts").write_bytes(FILM * times)
    once = packets(tmp_path / "film.ts")
    assert len(once) >= 49 * times
    assert packets(tmp_path / "film.ts", 3) == once * 3


@pytest.mark.parametrize("word", CASES)
def test_a_file_that_lies_costs_little(tmp_path: Path, word: str) -> None:
    (tmp_path / "film.ts").write_bytes(CASES[word])
    before = forget_peak()
    refused = pytest.raises(InputError, match="more than") if word in REFUSED else nullcontext()
    with refused:
        packets(tmp_path / "film.ts")
    assert memory("VmHWM") - before < GROWTH_MIB


@pytest.mark.parametrize(
    "head", [b"\0\0\0\x18ftypisom" + bytes(12), bytes(70_000), b"ID3\4\0\0\0\0\0\5hello\xff\xf1"]
)
def test_no_head_hides_a_transport_stream(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(head + CASES["streams-7500"])
    with pytest.raises((InputError, av.FFmpegError)):
        packets(path)


def test_a_film_behind_noise_is_found(tmp_path: Path) -> None:
    path = tmp_path / "film.ts"
    path.write_bytes(bytes(5000) + FILM)
    assert len(packets(path)) >= 49


@pytest.mark.parametrize("head", [b"", FILM[: 188 * 50]], ids=["noise", "packets, then noise"])
def test_a_file_without_packets_is_not_read_to_its_end(tmp_path: Path, head: bytes) -> None:
    """As an MP4 without its index is."""
    path = tmp_path / "film.mp4"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(64 << 30)
    limits = Limits(open_seconds=5, read_seconds=5)
    vods = {"films": [str(tmp_path)]}
    with (
        pytest.raises((InputError, av.FFmpegError)),
        open_file("file://films/film.mp4", vods, limits) as container,
    ):
        for _ in container.demux():
            pass


def test_a_film_with_packets_by_chance_is_a_film(tmp_path: Path) -> None:
    """The byte that packets begin with is everywhere, but not where the first ones would be."""
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", 48_000, layout="mono")
        for number in range(20):
            frame = av.AudioFrame(format="s16", layout="mono", samples=1000)
            frame.sample_rate = 48_000
            frame.planes[0].update((b"\x47" if number > 1 else b"\0") * 2000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with open_file("file://films/film.mp4", {"films": [str(tmp_path)]}, Limits()) as container:
        assert container.format.name != "mpegts"
