"""Which files are the subtitles of a film, and what its tracks say when."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from media_streamer.files.cues import Cue
from media_streamer.files.opened import Wanted, open_film, see, text_of, webvtt_maker
from media_streamer.files.subtitles import MAX_SIDE_BYTES, Side, find_sides, language_of

from tests.support.films import FilmTrack, film

CUES = "1\n00:00:01,000 --> 00:00:02,000\nOne\n\n2\n00:00:29,000 --> 00:00:31,000\nTwo\n"


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("film.srt", ""),
        ("film.VTT", ""),
        ("film.en.srt", "en"),
        ("film.pt-BR.forced.vtt", "pt-BR"),
        ("film.sdh.srt", ""),
        ("film.en.de.srt", None),
        ("film.1080p.srt", None),
        ("film2.srt", None),
        ("film.en.txt", None),
        ("other.srt", None),
        ("film", None),
    ],
)
def test_names_say_the_language(name: str, language: str | None) -> None:
    assert language_of(name, "film") == language


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "film.mp4").write_bytes(film(FilmTrack([100] * 1000, syncs=[1, 501])))
    (tmp_path / "new" / "film.en.srt").write_text(CUES)
    return tmp_path


def test_files_beside_a_film_are_found_in_any_storage(root: Path) -> None:
    storages = [str(root / "none"), "http://host/films", str(root)]
    assert find_sides(storages, "new/film.mp4", is_set=False) == [
        Side("new/film.en.srt", "en"), Side("new/film.srt", ""), Side("new/film.vtt", ""),
    ]  # fmt: skip
    assert find_sides([str(root)], "new/other.mp4", is_set=False) == []


def test_stretches_have_what_is_shown_in_them(root: Path) -> None:
    wanted = Wanted([str(root)], "new/film.mp4", False)
    opened = open_film(wanted)
    (text,) = opened.texts
    assert text.language == "en"
    make = webvtt_maker(opened, text, wanted, 30.0)
    assert [make(n).count(b"-->") for n in (0, 1, 2, None)] == [2, 1, 0, 2]
    assert b"00:00:29.000 --> 00:00:31.000\nTwo" in make(1)


def test_a_change_of_subtitles_is_seen(root: Path) -> None:
    wanted = Wanted([str(root)], "new/film.mp4", False)
    opened = open_film(wanted)
    assert see(wanted) == opened.seen
    os.utime(root / "new" / "film.en.srt", (1, 1))
    changed = see(wanted)
    assert changed != opened.seen
    (root / "new" / "film.en.srt").unlink()
    assert see(wanted) not in {changed, opened.seen}
    assert open_film(wanted).identity == opened.identity


def test_subtitles_that_cannot_be_read_are_left_out(root: Path, tmp_path: Path) -> None:
    (root / "new" / "film.de.srt").write_bytes(os.urandom(10_000))
    with (root / "new" / "film.fr.srt").open("wb") as file:
        file.truncate(MAX_SIDE_BYTES + 1)
    (root / "new" / "film.it.srt").symlink_to("/etc/passwd")
    (root / "new" / "film.es.srt").mkdir()
    opened = open_film(Wanted([str(root)], "new/film.mp4", False))
    assert [text.language for text in opened.texts] == ["en"]


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="apt install ffmpeg")
@pytest.mark.parametrize("name", ["film.mp4", "film.mov", "fragments.mp4"])
def test_tracks_within_a_film_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "s.srt").write_text(CUES)
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=5:d=40",
         "-i", str(tmp_path / "s.srt"), "-c:v", "libx264", "-preset", "ultrafast",
         "-bf", "0" if name.startswith("frag") else "2",
         "-c:s", "mov_text", "-metadata:s:s:0", "language=eng",
         *(("-movflags", "frag_keyframe+empty_moov") if name.startswith("frag") else ()),
         str(tmp_path / name)],
        check=True, timeout=60,
    )  # fmt: skip
    (tmp_path / "s.srt").unlink()
    wanted = Wanted([str(tmp_path)], name, False)
    opened = open_film(wanted)
    assert opened.movie.left_out == ()
    (text,) = opened.texts
    assert text.language == ("" if name.endswith(".mov") else "eng")
    cues = text_of(opened, text, wanted, 0, float("inf"))
    assert [(round(c.begin, 2), round(c.end, 2), c.text) for c in cues] == [
        (1.0, 2.0, "One"), (29.0, 31.0, "Two"),
    ]  # fmt: skip
    assert text_of(opened, text, wanted, 30, 60) == [Cue(cues[1].begin, cues[1].end, "Two")]
    assert text_of(opened, text, wanted, 3, 28) == []
