"""Films of storages by HTTP and S3, and films that are several files."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.decoding import complaints, packets
from tests.support.s3_server import S3Server, s3_server
from tests.support.storage import Storage, http_storage
from tests.support.streamer import until

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


ODD = "a b/odd näme #1?%41~[x]+&'.mp4"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory, films: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3") / "root") as server:
        folder = server.bucket("movies") / "of 2024"
        (folder / "a b").mkdir(parents=True)
        shutil.copy(films / "film.mp4", folder / "film.mp4")
        shutil.copy(films / "film.mp4", folder / ODD)
        (folder / "film.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nhello\n")
        (folder / "empty.mp4").touch()
        yield server


@pytest.mark.timeout(900)  # the server of the test is built the first time
async def test_films_in_a_bucket_are_listed_and_played_as_those_here(
    streamer: FilmStreamer, bucket: S3Server, tmp_path: Path
) -> None:
    far = bucket.url("movies/of%202024")
    cache = f"cache {tmp_path / 'kept'} 1G misses=1"
    await streamer.show(more=f"vod s3 {{ storage {far}; segment_duration 2; download; {cache}; }}")
    for name in ("film.mp4", ODD):
        url = f"{streamer.base}/s3/{quote(name)}/index.m3u8"
        assert await complaints(url) == "", name
        assert (await packets(url))["video"] == 150
    assert (await packets(f"{streamer.base}/s3/film.mp4/mpegts"))["video"] == 150
    _, text = await streamer.get("s3/film.mp4/index.fmp4.m3u8")
    assert b"TYPE=SUBTITLES" in text
    content = (bucket.directory / "movies/of 2024/film.mp4").read_bytes()
    span = {"Range": "bytes=1000-300000"}
    assert await streamer.get("s3/film.mp4", headers=span) == (206, content[1000:300_001])
    assert (await streamer.get("s3/none.mp4/index.m3u8"))[0] == 404
    assert (await streamer.get("s3/empty.mp4/index.m3u8"))[0] == 415
    _, listed = await streamer.api("GET", "/vods/s3/storages/0/files")
    assert [one["name"] for one in listed["files"]] == [
        f"s3/{name}" for name in ("a b", "empty.mp4", "film.mp4", "film.srt")
    ]
    _, listed = await streamer.api("GET", "/vods/s3/storages/0/files?folder=a%20b")
    assert [one["name"] for one in listed["files"]] == [f"s3/{ODD}"]
    status, _ = await streamer.api("GET", f"/vods/s3/storages/0/files/{quote(ODD, safe='')}")
    assert status == 200
    # What the cache has is played while the bucket is away.
    _, text = await streamer.get("s3/film.mp4/tracks-v1/index.fmp4.m3u8")
    name = re.findall(r"^\S+\.m4s", text.decode(), re.MULTILINE)[0]
    first = await streamer.get(f"s3/film.mp4/tracks-v1/{name}")
    assert first[0] == 200
    bucket.stop()
    assert await streamer.get(f"s3/film.mp4/tracks-v1/{name}") == first
    assert (await streamer.get("s3/other.mp4/index.m3u8"))[0] == 503
    bucket.start()

    async def back() -> bool:
        return (await streamer.get("s3/film.mp4/index.mpd"))[0] == 200

    await until(back, "the bucket is asked again")
    assert "se/cr" not in streamer.log
    assert "se%2Fcr" not in streamer.log


async def test_what_is_wrong_with_a_bucket_is_said_without_its_secret(
    streamer: FilmStreamer, bucket: S3Server
) -> None:
    wrong = {
        "secret": bucket.url("movies", secret="not/that"),
        "name": bucket.url("nothing"),
        "key": bucket.url("movies", key="nobody"),
    }
    await streamer.show(
        more="".join(f"vod {name} {{ storage {url}; }}\n" for name, url in wrong.items())
    )
    for name in wrong:
        assert (await streamer.get(f"{name}/film.mp4/index.m3u8"))[0] == 503
    for words in ("the secret is wrong", "there is no such bucket", "the key is unknown"):
        assert words in streamer.log
    assert "not%2Fthat" not in streamer.log
    assert "not/that" not in streamer.log
