"""Locations and their files by the API."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.support.decoding import packets
from tests.support.streamer import ADMIN, VIEWER, until

from .conftest import FilmStreamer

FILES = "/vods/mine/storages/0/files"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    made = tmp_path / "shelf"
    made.mkdir()
    return made


async def located(streamer: FilmStreamer, shelf: Path) -> None:
    await streamer.show()
    status, made = await streamer.api(
        "PUT", "/vods/mine", json={"storages": [{"url": str(shelf)}, {"url": "s3://k@host/b"}]}
    )
    assert (status, made["prefix"]) == (200, "mine")


async def names(streamer: FilmStreamer, query: str = "") -> list[str]:
    status, found = await streamer.api("GET", FILES + query)
    assert status == 200, found
    return [one["subpath"] for one in found["files"]]


async def test_a_film_is_uploaded_played_listed_and_deleted(
    streamer: FilmStreamer, shelf: Path
) -> None:
    await located(streamer, shelf)
    content = (streamer.films / "film.mp4").read_bytes()
    status, made = await streamer.api("PUT", f"{FILES}/2024/new film.mp4", data=content)
    assert (status, made["bytes"]) == (200, len(content))
    assert (shelf / "2024" / "new film.mp4").read_bytes() == content
    found = await packets(f"{streamer.base}/mine/2024/new film.mp4/index.m3u8")
    assert found["video"] == 150

    assert await names(streamer) == ["2024"]
    assert await names(streamer, "?folder=2024") == ["2024/new film.mp4"]
    _, one = await streamer.api("GET", f"{FILES}/2024/new film.mp4")
    assert (one["name"], one["is_directory"], one["opened"]) == (
        "mine/2024/new film.mp4", False, True,
    )  # fmt: skip
    _, opened = await streamer.api("GET", "/vods/opened_files")
    assert [one["name"] for one in opened["files"]] == ["mine/2024/new film.mp4"]

    assert (await streamer.api("DELETE", f"{FILES}/2024"))[0] == 409
    assert (await streamer.api("DELETE", f"{FILES}/2024/new film.mp4"))[0] == 204
    assert (await streamer.api("DELETE", f"{FILES}/2024"))[0] == 204
    assert await names(streamer) == []
    assert (await streamer.api("DELETE", "/vods/mine"))[0] == 204
    _, left = await streamer.api("GET", "/sessions")
    assert left["sessions"] == []


async def test_only_who_may_edit_changes_files(streamer: FilmStreamer, shelf: Path) -> None:
    await located(streamer, shelf)
    (shelf / "a.mp4").write_bytes(b"a")
    for auth, status in ((VIEWER, 403), (None, 401)):
        got = await streamer.api("PUT", f"{FILES}/b.mp4", auth=auth, data=b"b")
        assert got[0] == status
        assert (await streamer.api("DELETE", f"{FILES}/a.mp4", auth=auth))[0] == status
    assert os.listdir(shelf) == ["a.mp4"]
    assert (await streamer.api("GET", FILES, auth=VIEWER))[0] == 200
    assert (await streamer.api("GET", FILES, auth=None))[0] == 401


async def test_what_cannot_be_is_refused_in_words(streamer: FilmStreamer, shelf: Path) -> None:
    await located(streamer, shelf)
    answers: dict[tuple[str, str], int] = {
        ("PUT", f"{FILES}/.hidden.mp4"): 400,
        ("PUT", f"{FILES}/%2e%2e/x.mp4"): 400,
        ("PUT", f"{FILES}/a%5Cb.mp4"): 400,
        ("PUT", f"{FILES}/" + "x" * 300): 400,
        ("PUT", "/vods/mine/storages/1/files/a.mp4"): 501,
        ("PUT", "/vods/mine/storages/2/files/a.mp4"): 404,
        ("PUT", "/vods/mine/storages/x/files/a.mp4"): 404,
        ("PUT", "/vods/none/storages/0/files/a.mp4"): 404,
        ("DELETE", f"{FILES}/none.mp4"): 404,
        ("GET", f"{FILES}/none.mp4"): 404,
        ("GET", f"{FILES}?folder=..%2F"): 400,
        ("GET", f"{FILES}?folder=none"): 404,
    }
    for (method, path), status in answers.items():
        got, said = await streamer.api(method, path, data=b"x" if method == "PUT" else None)
        assert got == status, (method, path, said)
        assert len(str(said).split()) > 3
    assert os.listdir(shelf) == []
    assert os.listdir(shelf.parent) == [shelf.name]


async def test_an_upload_that_breaks_off_leaves_nothing(
    streamer: FilmStreamer, shelf: Path
) -> None:
    await located(streamer, shelf)
    _, writer = await asyncio.open_connection("127.0.0.1", streamer.http_port)
    head = f"PUT /streamer/api/v3{FILES}/cut.mp4 HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n"
    writer.write(f"{head}Authorization: {ADMIN['Authorization']}\r\n\r\nhalf".encode())
    await writer.drain()

    async def begun() -> bool:
        return any(name.startswith(".upload") for name in os.listdir(shelf))

    await until(begun, "the upload has begun")
    writer.close()

    async def empty() -> bool:
        return not os.listdir(shelf)

    await until(empty, "nothing is left")
