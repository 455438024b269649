"""Streams whose HLS is encrypted (`drm aes128`), by FFmpeg as a player, with a key server.

One server for all.
"""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.clips import footage
from tests.support.key_server import KeyServer
from tests.support.streamer import Streamer, until

IN_CLEAR = ("mpegts", "index.mpd", "sealed.flv", "index.ll.m3u8", "preview.jpg", "whep")


@pytest.fixture
def streamer(lent_streamer: Streamer) -> Streamer:
    return lent_streamer


@pytest.fixture
async def keys() -> AsyncIterator[KeyServer]:
    async with KeyServer().serving() as one:
        yield one


async def pictures(url: str, seconds: int = 3) -> tuple[int, str]:
    """Decoded pictures of so many seconds, and what FFmpeg complains of."""
    process = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-v", "error", "-t", str(seconds), "-i", url, "-map", "0:v:0"),
        *("-f", "framecrc", "-"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    lines = [line for line in out.splitlines() if not line.startswith(b"#")]
    return len(lines), errors.decode()


async def text_of(streamer: Streamer, path: str) -> tuple[int, str]:
    async with streamer.session.get(f"{streamer.base}/{path}") as answer:
        return answer.status, await answer.text()


async def segment_of(streamer: Streamer, folder: str, playlist: str) -> bytes:
    lines = playlist.splitlines()
    name = next(line for line in lines if line and not line.startswith("#"))
    async with streamer.session.get(f"{streamer.base}/{folder}/{name}") as answer:
        assert answer.status == 200
        return await answer.read()


async def test_players_with_the_key_see_it_and_nobody_else(
    streamer: Streamer, keys: KeyServer
) -> None:
    streamer.write(
        "stream open { input fake://fake; segment_duration 1; }\n"
        "stream sealed { input copy://open; segment_duration 1; "
        f"drm aes128 keyserver={keys.url}; }}\n"
        "stream other { input copy://open; drm widevine keyserver=http://k; }\n"
    )
    await streamer.serve()
    for path in ("index.m3u8", "index.fmp4.m3u8"):
        seen, complaints = await pictures(f"{streamer.base}/sealed/{path}")
        assert seen >= 50, complaints
        assert complaints == ""
    assert set(keys.asked) == {("sealed", "1")}
    assert set(keys.played) == {("sealed", "1")}
    folder = "sealed/tracks-v1a1"
    status, playlist = await text_of(streamer, f"{folder}/mono.m3u8")
    assert status == 200
    assert playlist.count("#EXT-X-KEY:METHOD=AES-128") == 1
    assert (await segment_of(streamer, folder, playlist))[:1] != b"\x47"
    for path in IN_CLEAR:
        own = path if path.endswith(".flv") else f"sealed/{path}"
        status, words = await text_of(streamer, own)
        assert status in (403, 405), path
    status, words = await text_of(streamer, "sealed/tracks-v1/part-1.m4s")
    assert status == 403, words
    status, words = await text_of(streamer, "other/index.m3u8")
    assert status == 403
    assert "cannot encrypt" in words


async def test_without_a_key_nothing_goes_out(streamer: Streamer, keys: KeyServer) -> None:
    keys.status = 500
    streamer.write(
        "stream open { input fake://fake; segment_duration 1; }\n"
        f"template sealing {{ segment_duration 1; drm aes128 keyserver={keys.url}; }}\n"
        "stream sealed { template sealing; input copy://open; }\n"
    )
    await streamer.serve()
    status, words = await text_of(streamer, "sealed/tracks-v1a1/mono.m3u8")
    assert (status, "The key server gives no key: it answers 500" in words) == (503, True)
    assert f"stream sealed: drm: {keys.url} gives no key" in streamer.log
    keys.status = 200

    async def plays() -> bool:
        return (await text_of(streamer, "sealed/tracks-v1a1/mono.m3u8"))[0] == 200

    await until(plays, "the key server is asked again", 20)


async def test_a_stream_that_is_encrypted_from_now_on_ends_its_viewers(
    streamer: Streamer, keys: KeyServer
) -> None:
    open_one = "stream open {{ input fake://fake; segment_duration 1; }}\n"
    stream = open_one + "stream sealed {{ input copy://open; segment_duration 1; {} }}\n"
    streamer.write(stream.format(""))
    await streamer.serve()
    async with streamer.session.get(f"{streamer.base}/sealed/mpegts") as endless:
        assert endless.status == 200
        status, before = await text_of(streamer, "sealed/tracks-v1a1/mono.m3u8")
        assert (status, "EXT-X-KEY" in before) == (200, False)
        streamer.write(stream.format(f"drm aes128 keyserver={keys.url};"))
        await streamer.reload()
        async with asyncio.timeout(10):
            while await endless.content.readany():
                pass
    status, after = await text_of(streamer, "sealed/tracks-v1a1/mono.m3u8")
    assert (status, "EXT-X-KEY" in after) == (200, True)


async def test_files_and_recordings(streamer: Streamer, keys: KeyServer, tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    shutil.copy(footage(), films / "a.mp4")
    drm = f"drm vendor=aes128 keyserver={keys.url} resource_id=mine expires=1;"
    streamer.write(
        f"vod films {{ storage {films}; download; drm aes128 keyserver={keys.url}; }}\n"
        "stream open { input fake://fake; segment_duration 1; }\n"
        f"stream kept {{ input copy://open; segment_duration 1; dvr {tmp_path}/dvr 1d; {drm} }}\n"
    )
    await streamer.serve()
    seen, complaints = await pictures(f"{streamer.base}/films/a.mp4/index.m3u8", 5)
    assert (seen >= 100, complaints) == (True, "")
    assert ("films/a.mp4", "1") in keys.played
    assert (await text_of(streamer, "films/a.mp4"))[0] == 403

    listed = f"kept/tracks-v1a1/event-{int(time.time()) - 60}-now.m3u8"

    async def recorded() -> str:
        _, text = await text_of(streamer, listed)
        return text if text.count("#EXTINF") >= 3 else ""

    playlist = await until(recorded, "three segments are recorded")
    assert "#EXT-X-KEY:METHOD=AES-128" in playlist
    recorded_one = await segment_of(streamer, "kept/tracks-v1a1", playlist)
    assert recorded_one[:1] != b"\x47"
    assert {name for name, _ in keys.asked} == {"films/a.mp4", "mine"}
    seen, complaints = await pictures(f"{streamer.base}/kept/rewind-60.m3u8", 2)
    assert (seen >= 30, complaints) == (True, "")
    status, words = await text_of(streamer, "kept/rewind-60.fmp4.m3u8")
    assert (status, "MPEG-TS" in words) == (403, True)
