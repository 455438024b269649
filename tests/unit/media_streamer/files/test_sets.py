"""Several files as one film."""

from pathlib import Path

import pytest
from media_streamer.files.cutting import cut
from media_streamer.files.movie import Movie, read_movie
from media_streamer.files.names import BadName, Identity
from media_streamer.files.sets import MAX_FILES, identity_of_set, merged, set_paths

from tests.support.films import FilmTrack, film, reader


def movie(size: int, count: int = 100, edits: bytes = b"") -> Movie:
    data = film(FilmTrack([size] * count, syncs=range(1, count, 25), edits=edits))
    return read_movie(reader(data), len(data))


def test_files_of_a_set_begin_with_the_name_of_their_folder(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    (first / "2024" / "bunny").mkdir(parents=True)
    (second / "2024" / "bunny").mkdir(parents=True)
    for name in ("bunny.480p.mp4", "bunny.1080p.mp4", "bunny.srt", "other.mp4", ".bunny.mp4"):
        (second / "2024" / "bunny" / name).touch()
    both = [str(first), "http://host/films", str(second)]
    assert set_paths(both, "2024/bunny") == [
        "2024/bunny/bunny.1080p.mp4", "2024/bunny/bunny.480p.mp4",
    ]  # fmt: skip
    for path in ("2024", "none", "2024/bunny/bunny.480p.mp4"):
        assert set_paths(both, path) == []
    with pytest.raises(BadName):
        set_paths(both, "../two")
    for number in range(MAX_FILES + 5):
        (second / "2024" / "bunny" / f"bunny{number}.mp4").touch()
    assert len(set_paths(both, "2024/bunny")) == MAX_FILES


def test_the_best_picture_is_the_first_and_knows_its_file() -> None:
    found = merged([movie(100), movie(300), movie(200)])
    assert [(track.name, track.file) for track in found.tracks] == [("v1", 1), ("v2", 2), ("v3", 0)]
    pieces = cut(found, 1.0)
    assert {name: len(own) for name, own in pieces.items()} == {"v1": 4, "v2": 4, "v3": 4}
    assert len({tuple(own) for own in pieces.values()}) == 1


def test_an_identity_follows_each_file() -> None:
    files = [Identity(1, 1, 10, 5), Identity(1, 2, 10, 9)]
    both = identity_of_set(files)
    older = identity_of_set([files[0]._replace(changed_ns=4), files[1]])
    assert both != older
    assert both.changed_ns != older.changed_ns
    assert identity_of_set(files[:1]) == files[0]
