"""Options of who may watch, of templates, inputs and SRT ports, each seen at the other end.

One server for all; what needs pictures copies one test stream.
"""

import asyncio
from functools import partial

import aiohttp
import pytest

from tests.support import asking
from tests.support.country_database import write_country_database
from tests.support.ports import free_port
from tests.support.rtsp_camera import Camera
from tests.support.streamer import Streamer, ffprobe, until

from .option_backend import Backend

WHOLE = aiohttp.ClientTimeout(total=120)


@pytest.fixture
def streamer(lent_streamer: Streamer) -> Streamer:
    return lent_streamer


async def status(streamer: Streamer, path: str, **headers: str) -> int:
    async with streamer.session.get(f"{streamer.base}/{path}", headers=headers) as answer:
        return answer.status


async def test_who_may_watch(streamer: Streamer, backend: Backend) -> None:
    """By what `on_play` says, with an option that is extra for the backend."""
    lands = streamer.directory / "lands.mmdb"
    write_country_database(lands, {"127.0.0.0/8": "DE"})
    rules = {
        "pages": "domains=example.com,*.good.org",
        "land": "disallowed_countries=DE",
        "abroad": "allowed_countries=FR",
        "here": "allowed_countries=DE",
        "keys": f"{backend.url}/may session_keys=name,device colour=red",
        "hard": f"{backend.url}/may max_sessions=1",
        "soft": f"{backend.url}/may max_sessions=1 soft_limitation",
    }
    streamer.write(
        f"geoip {lands};\nstream demo {{ input fake://fake; }}\n"
        + "".join(
            f"stream {name} {{ input copy://demo; on_play {rule}; }}\n"
            for name, rule in rules.items()
        )
    )
    await streamer.serve()
    for name in rules:
        await streamer.running(name)
    pages = ("https://example.com/page", "https://a.good.org/", "https://evil.org/")
    for page, found in zip(pages, (200, 200, 403), strict=True):
        path = f"pages/index.m3u8?token={page}"
        assert await status(streamer, path, Referer=page) == found, page
    assert [await status(streamer, f"{one}/index.m3u8") for one in ("land", "abroad", "here")] == [
        403, 403, 200,
    ]  # fmt: skip

    # A session is what the keys say: with another token it is the same one, which else it is not.
    for token in ("x", "y"):
        for name in ("keys", "here"):
            assert await status(streamer, f"{name}/index.m3u8?device=1&token={token}") == 200
    counted = []
    for name in ("keys", "here"):
        _, found = await streamer.api("GET", f"/sessions?name={name}")
        counted.append(len({one.get("token", "") for one in found["sessions"]} - {""}))
    assert counted == [1, 2]
    assert {one["colour"] for one in backend.asked_of("keys")} == {"red"}

    for name, second in (("hard", 403), ("soft", 200)):
        assert await status(streamer, f"{name}/index.m3u8?token=t") == 200
        assert await status(streamer, f"{name}/index.mpd?token=t") == second, name


async def test_what_a_template_gives_its_streams(streamer: Streamer, backend: Backend) -> None:
    """They start when somebody asks and end a moment after him; they are pushed, recorded, have
    pictures, ask their backend; of inputs that send nothing a film stands in."""
    archive, films = streamer.directory / "played-dvr", streamer.directory / "played"
    films.mkdir()
    nobody = f"tshttp://127.0.0.1:{free_port()}/x"
    ts = f"tshttp://127.0.0.1:{streamer.http_port}/demo/mpegts"
    streamer.write("stream demo { input fake://fake; }\n")
    await streamer.serve()
    await streamer.running("demo")
    async with streamer.session.get(f"{streamer.base}/demo/mpegts") as answer:
        (films / "film.ts").write_bytes(await answer.content.readexactly(188 * 1500))
    streamer.write(
        "stream demo { input fake://fake; }\n"
        f"vod films {{ storage {films}; }}\n"
        "template brief { prefix brief; input copy://demo; static false; clients_timeout 1; }\n"
        "template full { prefix full; input copy://demo;"
        f" push {backend.push_url}/%s; dvr {archive} 1d; thumbnails;"
        f" on_play {backend.url}/may; }}\n"
        f"template dark {{ input {nobody}; source_timeout 1; max_retry_timeout 1;"
        " backup films/film.ts; }\n"
        f"template deaf {{ input {ts}?filter.tracks=v1; input copy://demo; audio_timeout 1; }}\n"
        f"template blind {{ input {ts}?filter.tracks=a1; input copy://demo; video_timeout 1; }}\n"
        "stream dark { template dark; }\n"
        "stream deaf { template deaf; }\n"
        "stream blind { template blind; }\n"
    )
    await streamer.serve()
    url = f"{streamer.base}/full/one/mpegts?token=t"

    async def starts() -> bool:
        """Films and archives that are new are read by a media worker that begins for them."""
        async with streamer.session.get(url) as answer:
            return answer.status == 200

    await until(starts, "the template makes the stream")
    async with streamer.session.get(url, timeout=WHOLE) as viewer:
        assert viewer.status == 200, await viewer.text()
        await viewer.content.readexactly(188 * 100)

        async def all_there() -> bool:
            _, found = await streamer.api("GET", "/streams/full%2Fone/dvr/ranges")
            pictured = await status(streamer, "full/one/preview.jpg") == 200
            # An archive that no media worker has opened yet answers 503.
            ranges = found.get("ranges", [])
            return bool(ranges) and pictured and backend.pushed.get("full/one", 0) > 0

        await until(all_there, "it is recorded, pushed, and has a picture")
        assert backend.asked_of("full/one")[0]["token"] == "t"

    async with streamer.session.get(f"{streamer.base}/brief/one/mpegts") as viewer:
        assert viewer.status == 200, await viewer.text()
        await viewer.content.readexactly(188 * 100)

    async def over() -> bool:
        _, found = await streamer.api("GET", "/streams/brief%2Fone")
        return not found.get("stats", {}).get("alive")

    await until(over, "nobody watches: it ends")

    async def shows(name: str, url: str) -> bool:
        stats = (await streamer.stream(name)).get("stats", {})
        return bool(stats.get("alive")) and stats.get("url") == url

    for name in ("deaf", "blind"):
        await until(partial(shows, name, "copy://demo"), f"{name}: the second one")

    async def stands_in() -> bool:
        return bool((await streamer.stream("dark"))["stats"].get("backup_running"))

    await until(stands_in, "the film is shown")
    assert await ffprobe(f"{streamer.base}/dark/mpegts") == ["aac", "h264"]


async def test_how_inputs_are_read(streamer: Streamer, backend: Backend) -> None:
    """The page of an RTMP player, the latency and version of SRT, PIDs of a transport stream."""
    rtmp, srt = free_port(), free_port()
    ts = f"tshttp://127.0.0.1:{streamer.http_port}/demo/mpegts"
    streamer.write(
        f"rtmp 127.0.0.1:{rtmp};\nsrt 127.0.0.1:{srt};\n"
        "stream demo { input fake://fake; }\n"
        f"stream paged {{ input copy://demo; on_play {backend.url}/may; }}\n"
        f"stream page {{ input rtmp://127.0.0.1:{rtmp}/static/paged"
        " pageUrl=http://pages.example.com/player; }\n"
        f"stream late {{ input srt://127.0.0.1:{srt}?streamid=demo latency=345"
        " minversion=1.3.0; }\n"
        f"stream old {{ input srt://127.0.0.1:{srt}?streamid=demo minversion=9.0.0; }}\n"
        # A test stream's picture has PID 256.
        f"stream seen {{ input {ts} pids=256; }}\nstream both {{ input {ts}; }}\n"
    )
    await streamer.serve()
    for name in ("page", "late", "seen", "both"):
        await streamer.running(name)
    assert backend.asked_of("paged")[0]["referer"] == "http://pages.example.com/player"
    assert (await streamer.stream("late"))["stats"]["input"]["srt"]["latency"] == 345
    assert not (await streamer.stream("old"))["stats"].get("alive")
    for name, codecs in (("seen", ["h264"]), ("both", ["aac", "h264"])):
        assert await ffprobe(f"{streamer.base}/{name}/mpegts") == codecs


async def test_how_cameras_are_asked(streamer: Streamer) -> None:
    async with Camera() as first, Camera() as second:
        streamer.write(
            f"stream by_udp {{ input {first.url} rtp=udp user_agent=Mine/1; }}\n"
            f"stream by_tcp {{ input {second.url}; }}\n"
        )
        await streamer.serve()
        for camera, way in ((first, "client_port="), (second, "interleaved=")):
            await asyncio.wait_for(camera.playing.wait(), 30)
            setup = next(one for one in camera.requests if one.method == "SETUP")
            assert way in setup.headers.text("transport")
        assert first.requests[0].headers.text("user-agent") == "Mine/1"
        streamer.write("")
        await streamer.reload()


async def test_terms_of_an_srt_port(streamer: Streamer) -> None:
    """Whoever is older, or has no passphrase, is refused; who sends nothing is let go."""
    old, locked, silent = free_port(), free_port(), free_port()
    streamer.write(
        "stream demo { input fake://fake; "
        f"srt_play {{ port 127.0.0.1:{locked}; passphrase secret-words; latency 250; }} }}\n"
        "stream later { input copy://demo; "
        f"srt_play {{ port 127.0.0.1:{old}; minversion 9.0.0; }} }}\n"
        "stream cam { input publish://; "
        f"srt_publish {{ port 127.0.0.1:{silent}; timeout 1; }} }}\n"
    )
    await streamer.serve()
    await streamer.running("demo")

    assert "version" in (await asking.srt(old, "")).words
    assert "password" in (await asking.srt(locked, "")).words
    message = await asking.srt_message(locked, "", "secret-words")
    assert set(message[::188]) == {0x47}
    assert (await asking.srt(silent, "", may_be_late=True)).status == asking.LATE
