"""Stretches of a film for a playback."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from media_streamer.media import films as module
from media_streamer.media.films import FilmShelf, Stretch
from media_streamer.wire.media import Replay

from tests.support.films import FilmTrack, film

DATA = film(FilmTrack([100] * 250, syncs=range(1, 250, 25)), FilmTrack([10] * 1000, duration=10))


async def at_once(work: Callable[[], Any]) -> Any:
    return work()


async def stretches(shelf: FilmShelf, folder: Path, from_ms: int = 0) -> list[Stretch]:
    replay = Replay("", from_ms, 1 << 40, 1.0, [str(folder)], "a.mp4")
    return [one async for one in shelf.stretches(replay, at_once)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.mp4").write_bytes(DATA)
    return tmp_path


async def test_all_frames_come_in_the_order_of_decoding(folder: Path) -> None:
    found = await stretches(FilmShelf(), folder)
    assert [track.name for track in found[0].tracks or ()] == ["v1", "v2"]
    assert all(one.tracks is None for one in found[1:])
    frames = [frame for one in found for frame in one.frames]
    assert [sum(frame.track == n for frame in frames) for n in (0, 1)] == [250, 1000]
    assert [one.frames[0].dts // 90_000 for one in found] == [0, 2, 4, 6, 8]
    assert all(
        a.dts <= b.dts for one in found for a, b in zip(one.frames, one.frames[1:], strict=False)
    )


@pytest.mark.parametrize(("from_ms", "first"), [(0, 0), (3999, 2), (4000, 4), (10_000, None)])
async def test_it_begins_with_the_stretch_that_holds_the_moment(
    folder: Path, from_ms: int, first: int | None
) -> None:
    found = await stretches(FilmShelf(), folder, from_ms)
    assert (found[0].frames[0].dts // 90_000 if found else None) == first


async def test_more_tables_than_there_is_memory_for_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TABLE_BYTES", 1000)
    with pytest.raises(ValueError, match="too many films"):
        await stretches(FilmShelf(), folder)


async def test_a_film_that_is_gone_ends_the_playback(folder: Path) -> None:
    shelf = FilmShelf()
    replay = Replay("", 0, 1 << 40, 1.0, [str(folder)], "a.mp4")
    playing = shelf.stretches(replay, at_once)
    await anext(playing)
    (folder / "a.mp4").write_bytes(DATA + b"more")
    with pytest.raises(ValueError, match="changed"):
        await anext(playing)


@pytest.mark.parametrize(("seconds", "number"), [(0, 0), (0.9, 0), (1.0, 25), (9.99, 225)])
def test_the_picture_of_a_moment_is_the_key_frame_before_it(
    folder: Path, seconds: float, number: int
) -> None:
    found = FilmShelf().key_frame([str(folder)], "a.mp4", seconds)
    assert found is not None
    track, frame = found
    assert (track.name, frame.key, frame.pts) == ("v1", True, number * 3600)


def test_there_is_no_picture_behind_the_end(folder: Path) -> None:
    assert FilmShelf().key_frame([str(folder)], "a.mp4", 10.5) is None
    with pytest.raises(ValueError, match="no such file"):
        FilmShelf().key_frame([str(folder)], "none.mp4", 0)
