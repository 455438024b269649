"""Episodes that are kept with an archive: one file below its root. Blocks on the disk.

They stay with the archive when its disk moves to another server. What cannot be read is never taken
for nothing, for then everything could be deleted.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from media_api.episodes import DvrEpisode
from media_api.files import write_file

from media_streamer.archive.places import MAX_MS
from media_streamer.archive.ranges import Range

EPISODES_FILE = ".episodes.json"
MAX_EPISODES = 20_000
"""Below one root."""
ALL_TIME = Range(0, MAX_MS)

Book = dict[int, DvrEpisode]
"""Episodes by their ids."""


def read_book(root: Path) -> Book:
    """Raises OSError or ValueError where it cannot be read."""
    try:
        text = (root / EPISODES_FILE).read_text()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    try:
        found = [DvrEpisode.model_validate(one) for one in json.loads(text)]
    except (TypeError, RecursionError, ValueError) as error:
        raise ValueError(f"{root / EPISODES_FILE} cannot be read") from error
    return {one.episode_id: one for one in found}


def write_book(root: Path, book: Mapping[int, DvrEpisode]) -> None:
    """Raises OSError."""
    text = json.dumps([one.explicit() for one in book.values()])
    write_file(root / EPISODES_FILE, text + "\n", new_mode=0o644)


def span(opened_at: int, updated_at: int, closed_at: int | None) -> Range:
    """What an episode keeps."""
    return Range(opened_at, max(closed_at or updated_at, opened_at + 1))


def kept_by(
    episodes: Iterable[Any], expiration_seconds: int | None, now_ms: int
) -> dict[str, list[Range]]:
    """Ranges by stream that episodes keep; `expiration_seconds`: older ones keep nothing."""
    oldest = 0 if expiration_seconds is None else now_ms - expiration_seconds * 1000
    found: dict[str, list[Range]] = {}
    for one in episodes:
        kept = span(one.opened_at, one.updated_at, one.closed_at)
        if kept.to_ms > oldest:
            found.setdefault(one.media, []).append(kept)
    return found
