"""The book of episodes of an archive."""

from pathlib import Path

import pytest
from media_api.episodes import DvrEpisode
from media_streamer.archive.episodes import EPISODES_FILE, kept_by, read_book, write_book
from media_streamer.archive.ranges import Range
from pydantic import ValidationError


def episode(number: int, opened: int, updated: int = 0, closed: int | None = None) -> DvrEpisode:
    given = {"episode_id": number, "media": "cam", "opened_at": opened, "updated_at": updated}
    return DvrEpisode.model_validate(given | ({"closed_at": closed} if closed is not None else {}))


def test_a_book_comes_back_as_it_was(tmp_path: Path) -> None:
    assert read_book(tmp_path) == {}
    book = {1: episode(1, 1000, 2000), 7: episode(7, 5000, 5000, 9000)}
    write_book(tmp_path, book)
    assert read_book(tmp_path) == book


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"episode_id": 1}]', "[" * 100_000])
def test_a_broken_book_is_not_taken_for_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / EPISODES_FILE).write_text(text)
    if text == "{}":
        assert read_book(tmp_path) == {}
        return
    with pytest.raises(ValueError, match="cannot be read"):
        read_book(tmp_path)


def test_an_open_episode_lasts_until_its_last_sign() -> None:
    found = kept_by([episode(1, 1000, 2000), episode(2, 3000, 9000, 4000)], None, 10_000)
    assert found == {"cam": [Range(1000, 2000), Range(3000, 4000)]}


def test_an_old_episode_keeps_nothing() -> None:
    found = kept_by([episode(1, 1000, 2000), episode(2, 3000, 9000)], 5, 10_000)
    assert found == {"cam": [Range(3000, 9000)]}


def test_an_episode_does_not_end_before_it_begins() -> None:
    with pytest.raises(ValidationError, match="before opened_at"):
        episode(1, 1000, 2000, 500)
