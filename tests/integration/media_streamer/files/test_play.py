"""Films that ffmpeg made are played in every form, with every picture and without a complaint."""

import asyncio
import json
import os
import re
import shutil
from pathlib import Path

import aiohttp
import pytest

from tests.support.decoding import complaints, packets
from tests.support.streamer import until

from .conftest import FilmStreamer

FILMS = ("film.mp4", "new/fast.mp4", "film.mov", "fragments.mp4", "film.mkv", "film.ts")


FORMS = {
    "index.m3u8": "mono.m3u8",
    "index.fmp4.m3u8": "index.fmp4.m3u8",
    "index.ll.m3u8": "index.fmp4.m3u8",
    "index.mpd": "<MPD",
}
"""And what they lead to."""


@pytest.mark.parametrize("form", FORMS)
async def test_every_picture_is_there_and_decodes(streamer: FilmStreamer, form: str) -> None:
    await streamer.show()
    expected = await packets(streamer.films / FILMS[0])
    assert expected["video"] == 150
    for film in FILMS:
        url = f"{streamer.base}/vod/{film}/{form}"
        assert FORMS[form].encode() in (await streamer.get(f"vod/{film}/{form}"))[1]
        assert await complaints(url) == "", film
        found = await packets(url)
        assert found["video"] == expected["video"], film
        # FFmpeg's reader of DASH leaves out the packet before the first that is heard.
        assert found["audio"] in {expected["audio"], expected["audio"] - form.endswith("mpd")}


async def test_segments_are_listed_once_and_for_all(streamer: FilmStreamer) -> None:
    await streamer.show()
    status, master = await streamer.get("vod/film.mp4/index.fmp4.m3u8")
    assert status == 200
    assert b'CODECS="avc1.' in master
    assert b"mp4a.40.2" in master
    assert b"RESOLUTION=320x180" in master
    status, text = await streamer.get("vod/film.mp4/tracks-v1/index.fmp4.m3u8")
    listed = text.decode().splitlines()
    assert status == 200
    assert listed[-1] == "#EXT-X-ENDLIST"
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in listed
    assert not any("PROGRAM-DATE-TIME" in line for line in listed)
    durations = [float(d) for d in re.findall(r"#EXTINF:([0-9.]+)", text.decode())]
    assert len(durations) == 3
    assert sum(durations) == pytest.approx(6, abs=0.001)
    segment = next(line for line in listed if line.endswith(".m4s"))
    url = f"vod/film.mp4/tracks-v1/{segment}"
    status, whole = await streamer.get(url)
    assert status == 200
    status, part = await streamer.get(url, headers={"Range": "bytes=100-199"})
    assert (status, part) == (206, whole[100:200])
    assert (await streamer.get(url, headers={"Range": f"bytes={len(whole)}-"}))[0] == 416


async def test_names_that_are_no_film_are_refused_in_words(streamer: FilmStreamer) -> None:
    await streamer.show()
    answers = {
        "vod/none.mp4": 404,
        "vod/new": 404,
        "vod/.hidden.mp4": 400,
        "vod/new/../film.mp4": 200,  # the client takes the dots out before it asks
        "vod/%2e%2e/film.mp4": 404,
        "vod/a%00b.mp4": 400,
        "vod/" + "x" * 300 + ".mp4": 400,
        "other/film.mp4": 404,
        "vod": 404,
    }
    for name, status in answers.items():
        got, words = await streamer.get(f"{name}/index.m3u8")
        assert got == status, (name, words)
        assert status == 200 or len(words.split()) > 2, name
    for form in ("whep", "mse_ld", "archive-0-10.m3u8"):
        got, words = await streamer.get(f"vod/film.mp4/{form}")
        assert got in {404, 405, 426}, (form, words)
    for track in ("tracks-v9/index.fmp4.m3u8", "tracks-v1/2020/01/01/00/00/00-02000.m4s"):
        assert (await streamer.get(f"vod/film.mp4/{track}"))[0] == 404


async def test_the_end_of_a_film_is_told_and_its_player_may_go_back(
    streamer: FilmStreamer,
) -> None:
    await streamer.show()
    async with streamer.session.ws_connect(f"{streamer.base}/vod/film.mp4/mse_ld?from=5") as socket:

        async def event() -> str:
            while True:
                message = await socket.receive(timeout=30)
                assert message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}, message
                if message.type is aiohttp.WSMsgType.TEXT and "event" in message.json():
                    return str(message.json()["event"])

        assert await event() == "recordings_ended"
        await socket.send_str("play_from=5")
        assert await event() == "seeked"
        assert await event() == "recordings_ended"


async def test_a_file_is_fetched_only_where_that_is_allowed(streamer: FilmStreamer) -> None:
    await streamer.show()
    for name in ("film.mp4", "film.ts"):
        status, words = await streamer.get(f"vod/{name}")
        assert (status, b"download" in words) == (403, True)
    await streamer.show("download;")
    content = (streamer.films / "film.mp4").read_bytes()
    assert await streamer.get("vod/film.mp4") == (200, content)
    for span, part in {
        "bytes=0-0": content[:1],
        "bytes=1000-1999": content[1000:2000],
        "bytes=-77": content[-77:],
        f"bytes={len(content) - 5}-": content[-5:],
    }.items():
        assert await streamer.get("vod/film.mp4", headers={"Range": span}) == (206, part)
    assert (await streamer.get("vod/film.mp4", headers={"Range": f"bytes={len(content)}-"}))[
        0
    ] == 416
    stream = (streamer.films / "film.ts").read_bytes()
    assert await streamer.get("vod/film.ts") == (200, stream)
    assert await streamer.get("vod/film.ts", headers={"Range": "bytes=188-375"}) == (
        206,
        stream[188:376],
    )
    assert (await streamer.get("vod/none.ts"))[0] == 404
    async with streamer.session.head(f"{streamer.base}/vod/new/fast.mp4") as answer:
        assert answer.status == 200
        assert answer.headers["Accept-Ranges"] == "bytes"
    assert (await streamer.get("vod/none.mp4"))[0] == 404


async def test_a_file_that_is_replaced_is_another_one(
    streamer: FilmStreamer, tmp_path: Path
) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    shutil.copy(streamer.films / "film.mp4", shelf / "a.mp4")
    os.utime(shelf / "a.mp4", (1_600_000_000, 1_600_000_000))
    await streamer.show(more=f"vod mine {{ storage {shelf}; }}\n")
    _, before = await streamer.get("mine/a.mp4/tracks-v1/index.fmp4.m3u8")
    (name,) = re.findall(r"^\S+\.m4s", before.decode(), re.MULTILINE)[:1]
    (init,) = re.findall(r'URI="(\S+)"', before.decode())
    assert (await streamer.get(f"mine/a.mp4/tracks-v1/{name}"))[0] == 200

    shutil.copy(streamer.films / "new" / "fast.mp4", shelf / "b.mp4")
    (shelf / "b.mp4").replace(shelf / "a.mp4")

    async def gone() -> bool:
        status, _ = await streamer.get(f"mine/a.mp4/tracks-v1/{name}")
        return status == 404

    await until(gone, "the segment of the former file is refused")
    assert (await streamer.get(f"mine/a.mp4/tracks-v1/{init}"))[0] == 404
    assert await complaints(f"{streamer.base}/mine/a.mp4/index.m3u8") == ""

    (shelf / "a.mp4").unlink()

    async def missing() -> bool:
        return (await streamer.get("mine/a.mp4/tracks-v1/index.fmp4.m3u8"))[0] == 404

    await until(missing, "the file is missed")


async def test_broken_files_say_what_is_wrong_and_harm_nobody(
    streamer: FilmStreamer, tmp_path: Path
) -> None:
    shelf = tmp_path / "broken"
    shelf.mkdir()
    good = (streamer.films / "film.mp4").read_bytes()
    header_first = (streamer.films / "new" / "fast.mp4").read_bytes()
    (shelf / "empty.mp4").touch()
    (shelf / "text.mp4").write_text("no film")
    (shelf / "no-header.mp4").write_bytes(good[: len(good) // 2])
    (shelf / "cut.mp4").write_bytes(header_first[: len(header_first) // 2])
    await streamer.show(more=f"vod broken {{ storage {shelf}; }}\n")
    for name in ("empty", "text", "no-header"):
        status, words = await streamer.get(f"broken/{name}.mp4/index.m3u8")
        assert status == 415, words
        assert b"cannot be played" in words
    found = await packets(f"{streamer.base}/broken/cut.mp4/index.m3u8")
    assert 0 < found["video"] < 150
    assert await complaints(f"{streamer.base}/vod/film.mp4/index.m3u8") == ""


async def test_viewers_of_files_are_sessions_under_the_rules_of_the_location(
    streamer: FilmStreamer,
) -> None:
    await streamer.show("on_play { max_sessions 1; }")
    urls = [f"vod/film.mp4/tracks-v1/index.fmp4.m3u8?token={who}" for who in ("a", "a", "b")]
    answers = await asyncio.gather(*map(streamer.get, urls))
    assert [status for status, _ in answers] == [200, 200, 200]
    assert (await streamer.get("vod/film.mov/index.fmp4.m3u8?token=a"))[0] == 403

    async def counted() -> list[tuple[str, str]]:
        _, found = await streamer.api("GET", "/sessions")
        return sorted((one["name"], one["token"]) for one in found["sessions"] if one["bytes"])

    async def both() -> bool:
        return await counted() == [("vod/film.mp4", "a"), ("vod/film.mp4", "b")]

    await until(both, "the sessions are counted")
    await streamer.show("on_play { max_sessions 1; } protocols dash;")
    _, left = await streamer.api("GET", "/sessions")
    assert left["sessions"] == []
    assert (await streamer.get(urls[0]))[0] == 403
    assert (await streamer.get("vod/film.mp4/index.mpd?token=a"))[0] == 200


async def test_streams_come_before_files_of_their_name(streamer: FilmStreamer) -> None:
    await streamer.show(more="stream vod/film.mp4 { input fake://fake; static false; disabled; }\n")
    status, words = await streamer.get("vod/film.mp4/index.m3u8")
    assert (status, b"disabled" in words) == (404, True)
    assert (await streamer.get("vod/film.mov/index.m3u8"))[0] == 200


async def test_what_is_in_a_film_is_told(streamer: FilmStreamer) -> None:
    await streamer.show()
    status, text = await streamer.get("vod/film.mp4/media_info.json")
    assert status == 200
    told = json.loads(text)
    assert told["flow_type"] == "file"
    assert told["duration"] == pytest.approx(6000, abs=100)
    assert [(one["track_id"], one["codec"]) for one in told["tracks"]] == [
        ("v1", "h264"),
        ("a1", "aac"),
    ]
