"""Films of a storage by HTTP, and films that are several files."""

import re
from collections.abc import Iterator

import pytest

from tests.support.decoding import complaints, packets
from tests.support.storage import Storage, http_storage

from .conftest import FilmStreamer


@pytest.fixture
def storage(streamer: FilmStreamer) -> Iterator[Storage]:
    with http_storage() as made:
        made.files = {
            f"/films/{name}": (streamer.films / name).read_bytes()
            for name in ("film.mp4", "new/fast.mp4", "fragments.mp4")
        }
        made.with_login = True
        yield made


async def located(streamer: FilmStreamer, storage: Storage, options: str = "") -> None:
    host = storage.base.removeprefix("http://")
    far = f"storage http://reader:secret@{host}/films"
    near = streamer.films / "set"
    await streamer.show(more=f"vod far {{ storage {near}; {far}; segment_duration 2; {options} }}")


async def test_films_elsewhere_are_played_as_those_here(
    streamer: FilmStreamer, storage: Storage
) -> None:
    await located(streamer, storage, "download;")
    for name in ("film.mp4", "new/fast.mp4", "fragments.mp4"):
        url = f"{streamer.base}/far/{name}/index.m3u8"
        assert await complaints(url) == "", name
        assert (await packets(url))["video"] == 150
    assert (await packets(f"{streamer.base}/far/new/fast.mp4/mpegts"))["video"] == 150
    content = storage.files["/films/film.mp4"]
    assert await streamer.get("far/film.mp4") == (200, content)
    span = {"Range": "bytes=1000-300000"}
    assert await streamer.get("far/film.mp4", headers=span) == (206, content[1000:300_001])
    assert (await streamer.get("far/none.mp4/index.m3u8"))[0] == 404
    assert "reader:secret" not in streamer.log


async def test_a_storage_that_fails_is_told_and_harms_no_others(
    streamer: FilmStreamer, storage: Storage
) -> None:
    await located(streamer, storage)
    storage.with_login = False
    storage.files["/films/text.mp4"] = b"no film"
    assert (await streamer.get("far/text.mp4/index.m3u8"))[0] == 415
    _, text = await streamer.get("far/film.mp4/tracks-v1/index.fmp4.m3u8")
    name = re.findall(r"^\S+\.m4s", text.decode(), re.MULTILINE)[0]
    storage.tag = '"2"'
    storage.files["/films/film.mp4"] += b"more"
    status, words = await streamer.get(f"far/film.mp4/tracks-v1/{name}")
    assert status in {200, 404}, words  # what was read before is right still
    _, text = await streamer.get("far/new/fast.mp4/tracks-v1/index.fmp4.m3u8")
    assert b"ENDLIST" in text


@pytest.mark.parametrize("form", ["index.m3u8", "index.mpd"])
async def test_a_set_of_files_is_one_film_at_several_bit_rates(
    streamer: FilmStreamer, form: str
) -> None:
    folder = streamer.films / "bunny"
    if not folder.exists():
        folder.mkdir()
        for name, film in (("bunny.360p.mp4", "film.mp4"), ("bunny-2.mp4", "new/fast.mp4")):
            (folder / name).hardlink_to(streamer.films / film)
    await streamer.show("auto_mbr;")
    status, text = await streamer.get(f"vod/bunny/{form}")
    assert status == 200, text
    assert text.count(b"#EXT-X-STREAM-INF" if form == "index.m3u8" else b"<Representation") == (
        2 if form == "index.m3u8" else 3
    )
    assert await complaints(f"{streamer.base}/vod/bunny/{form}") == ""
    status, words = await streamer.get("vod/bunny/mpegts")
    assert (status, b"HLS and DASH" in words) == (404, True)
    assert (await streamer.get("vod/bunny/bunny-2.mp4/index.m3u8"))[0] == 200
    _, listed = await streamer.api("GET", "/vods/vod/storages/0/files/bunny")
    assert listed["is_multibitrate_directory"] is True
