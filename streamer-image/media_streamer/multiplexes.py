"""Which tracks are sent together where they are not sent each alone (MPEG-TS). Pure."""

from collections.abc import Callable, Sequence
from typing import TypeVar

One = TypeVar("One")


def multiplexes(tracks: Sequence[One], kind_of: Callable[[One], str]) -> list[list[One]]:
    """What is in each MPEG-TS rendition: everything, as long as there is one video; else each video
    with the first sound, and all other sounds alone."""
    videos = [track for track in tracks if kind_of(track) == "video"]
    if len(videos) < 2:
        return [list(tracks)]
    audios = [track for track in tracks if kind_of(track) == "audio"]
    return [[video, *audios[:1]] for video in videos] + [[audio] for audio in audios[1:]]
