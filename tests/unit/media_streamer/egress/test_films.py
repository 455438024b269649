"""Files that are opened, kept and noticed to have changed."""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from media_streamer.egress import films as module
from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.films import Films
from media_streamer.egress.near_files import NearFile
from media_streamer.files.samples import Span
from media_streamer.wire.control import AccessRequest, DeliveryConfig

from tests.support.films import FilmTrack, film

REQUEST = AccessRequest(name="films/a.mp4", proto="hls", kind="play", ip="127.0.0.1")
DATA = film(FilmTrack([100] * 100, syncs=[1, 26, 51, 76]))


@pytest.fixture
def access(tmp_path: Path) -> Access:
    (tmp_path / "a.mp4").write_bytes(DATA)
    config = DeliveryConfig(storages=[str(tmp_path)], file="a.mp4", segment_duration=1000)
    return Access("1", "films/a.mp4", Path(), 0, REQUEST, config=config)


async def test_a_film_is_indexed_once_and_its_segments_are_made(access: Access) -> None:
    films = Films()
    index = await films.index(access, "fmp4")
    assert await films.index(access, "fmp4") is index
    track = index.tracks["v1"]
    assert [segment.duration for segment in track.segments] == [1.0] * 4
    assert not index.grows
    made = await asyncio.gather(*(index.made(track, segment) for segment in track.segments))
    assert [len(data) for data in made] == [segment.size for segment in track.segments]
    assert all(data[4:8] == b"moof" for data in made)
    assert track.find(track.segments[2].name) is track.segments[2]
    period = track.segments[2].period
    assert period is not None
    assert track.find_time(period.utc_ms, 2000) is track.segments[2]
    assert track.find_time(period.utc_ms + 1, 2000) is None


async def test_a_changed_file_is_never_read_by_the_tables_of_another(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = Films()
    index = await films.index(access, "fmp4")
    track = index.tracks["v1"]
    (tmp_path / "a.mp4").write_bytes(DATA + bytes(8))
    os.utime(tmp_path / "a.mp4", (1, 1))
    with pytest.raises(AccessDenied) as denied:
        await index.made(track, track.segments[0])
    assert (denied.value.status, denied.value.code) == (404, "file_changed")
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    assert await films.index(access, "fmp4") is not index
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(AccessDenied) as denied:
        await films.index(access, "fmp4")
    assert denied.value.code == "file_not_found"


async def test_a_segment_is_brought_near_and_held_by_nobody(access: Access, tmp_path: Path) -> None:
    data = film(FilmTrack([8000] * 99 + [60_000], syncs=[1, 26, 51, 76]))
    (tmp_path / "a.mp4").write_bytes(data)
    films = Films()
    index = await films.index(access, "fmp4")
    track = index.tracks["v1"]
    first, *_, last = track.segments
    assert index.gathered(track, first) is None, "its file is not open"
    for segment in (first, last):
        found = await index.brought(track, segment)
        assert found is not None
        spans = [s for p in found.parts for s in ([p] if isinstance(p, Span) else p)]
        body = found.head + b"".join(data[s.offset : s.offset + s.size] for s in spans)
        assert body == await index.made(track, segment)
        assert len(body) == found.size == segment.size
    other = Films()
    index = await other.index(access, "fmp4")
    (tmp_path / "a.mp4").write_bytes(data[:-1])
    with pytest.raises(AccessDenied) as denied:
        await index.brought(index.tracks["v1"], first)
    assert denied.value.code == "file_changed"


async def test_what_was_in_memory_a_moment_ago_is_not_looked_at_again(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mp4").write_bytes(film(FilmTrack([8000] * 100, syncs=[1, 26, 51, 76])))
    looks, are_near = list[int](), True

    def is_near(_: NearFile, places: Sequence[int]) -> bool:
        looks.append(len(places))
        return are_near

    monkeypatch.setattr(NearFile, "is_near", is_near)
    films = Films()
    index = await films.index(access, "fmp4")
    track = index.tracks["v1"]
    first, second, *_ = track.segments
    assert await index.brought(track, first) is not None
    for _ in range(3):
        assert index.gathered(track, first) is not None
    assert len(looks) == 1
    are_near = False
    assert index.gathered(track, first) is not None
    assert index.gathered(track, second) is None, "it is another place"
    monkeypatch.setattr(module, "LOOK_SECONDS", 60.0)
    later = time.monotonic() + module.NEAR_SECONDS + 0.1
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert index.gathered(track, first) is None, "it is looked at again"
    are_near = True
    assert index.gathered(track, first) is not None
    (tmp_path / "a.mp4").write_bytes(DATA)
    assert index.gathered(track, first) is None, "that it was changed is seen each time"


async def test_a_broken_file_is_not_read_at_every_request(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no film at all")
    films = Films()
    with pytest.raises(AccessDenied) as denied:
        await films.index(access, "fmp4")
    assert denied.value.status == 415
    (tmp_path / "a.mp4").write_bytes(DATA)
    with pytest.raises(AccessDenied):
        await films.index(access, "fmp4")
    monkeypatch.setattr(module, "BROKEN_SECONDS", 0.0)
    assert (await films.index(access, "fmp4")).tracks
