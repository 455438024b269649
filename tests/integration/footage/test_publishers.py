"""Publishers that are cut in the middle of a packet, that fall silent, and that come second."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.cutter import Cutter
from tests.support.players import complaints, play, run
from tests.support.streamer import until

from .conftest import FilmStreamer, Launch, Recording, live

SOURCE_TIMEOUT = 3
WAYS = ("rtmp", "post")
LONGEST_STEP = 0.041
"""Seconds between two pictures of 25 a second."""


@pytest.fixture
async def watched(streamer: FilmStreamer, tmp_path: Path) -> AsyncIterator[FilmStreamer]:
    """Beside `cam` there is the stream `good`, whose viewer must not miss a picture."""
    streamer.write(
        "stream good { input fake://fake; segment_duration 1; }\n"
        f"stream cam {{ input publish://; source_timeout {SOURCE_TIMEOUT};"
        " backup vod/bigbuckbunny.mp4 timeout=2; segment_duration 1; }\n"
        "stream bare { input publish://; }\n"
    )
    await streamer.serve()
    await streamer.running("good")
    path = tmp_path / "good.ts"
    viewer = Recording(streamer.session, f"{streamer.base}/good/mpegts", path)
    yield streamer
    await viewer.stop()
    seen = await play(str(path), 200)
    assert not complaints(seen, 25, ("video", "audio")), streamer.log
    steps = [after - before for before, after in pairwise(seen.dts["video"])]
    assert max(steps) < LONGEST_STEP, f"good missed pictures: {max(steps)} s"


async def publish(
    streamer: FilmStreamer, launch: Launch, film: Path, way: str, name: str, port: int = 0
) -> asyncio.subprocess.Process:
    """FFmpeg publishes the film; `port` takes the place of the streamer's."""
    if way == "rtmp":
        url = f"rtmp://127.0.0.1:{port or streamer.rtmp_port}/static/{name}"
        return await launch(*live(film), "-f", "flv", url)
    url = f"http://127.0.0.1:{port or streamer.http_port}/{name}/mpegts"
    return await launch(*live(film), "-f", "mpegts", "-method", "POST", url)


def own_port(streamer: FilmStreamer, way: str) -> int:
    return streamer.rtmp_port if way == "rtmp" else streamer.http_port


async def shown(streamer: FilmStreamer, name: str, scheme: str, seconds: float) -> float:
    """Seconds until the input of this scheme is the one that is shown."""
    began = time.monotonic()

    async def active() -> bool:
        stats = (await streamer.stream(name)).get("stats", {})
        return bool(stats.get("alive")) and stats.get("input", {}).get("proto") == scheme

    await until(active, f"{scheme} is shown", seconds)
    return time.monotonic() - began


def lines(streamer: FilmStreamer, name: str, since: int) -> list[str]:
    """What the log says about a stream after its first `since` bytes."""
    return [line for line in streamer.log[since:].splitlines() if f"{name}:" in line]


@pytest.mark.parametrize(
    ("way", "end"),
    [
        ("rtmp", "fin"),
        ("post", "rst"),
        pytest.param("rtmp", "rst", marks=pytest.mark.long),
        pytest.param("post", "fin", marks=pytest.mark.long),
    ],
)
async def test_cut_in_the_middle_of_a_packet(
    watched: FilmStreamer, launch: Launch, film: Path, way: str, end: str
) -> None:
    async with Cutter(own_port(watched, way)) as path:
        await publish(watched, launch, film, way, "cam", path.port)
        await shown(watched, "cam", "publish", 20)
        since = len(watched.log)
        path.hang()
        await path.torn()
        path.cut(reset=end == "rst")
        await shown(watched, "cam", "file", 6)
        assert lines(watched, "cam", since)
        sessions = (await watched.api("GET", "/sessions"))[1]["sessions"]
        assert not [one for one in sessions if one["name"] == "cam"]
    await publish(watched, launch, film, way, "cam")
    await shown(watched, "cam", "publish", 10)


@pytest.mark.parametrize("way", WAYS)
async def test_silent_with_the_socket_open(
    watched: FilmStreamer, launch: Launch, film: Path, way: str
) -> None:
    """The next publisher is let in once source_timeout is over, not when TCP gives up."""
    async with Cutter(own_port(watched, way)) as path:
        await publish(watched, launch, film, way, "cam", path.port)
        await shown(watched, "cam", "publish", 20)
        since = len(watched.log)
        path.hang()
        await path.torn()
        took = await shown(watched, "cam", "file", SOURCE_TIMEOUT + 6)
        assert took > 1
        assert any("no frames" in line for line in lines(watched, "cam", since)), watched.log
        await publish(watched, launch, film, way, "cam")
        await shown(watched, "cam", "publish", 10)

        async def only_one() -> bool:
            status = (await watched.stream("cam"))["stats"]
            return bool(status.get("published_from"))

        await until(only_one, "a publisher")
        seen = await play(f"{watched.base}/cam/mpegts", 2)
        assert not complaints(seen, 25, ("video", "audio")), watched.log


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("rtmp", "post"),
        ("post", "rtmp"),
        pytest.param("rtmp", "rtmp", marks=pytest.mark.long),
        pytest.param("post", "post", marks=pytest.mark.long),
    ],
)
async def test_a_taken_name(
    watched: FilmStreamer, launch: Launch, film: Path, tmp_path: Path, first: str, second: str
) -> None:
    await publish(watched, launch, film, first, "bare")
    await watched.running("bare")
    recorded = tmp_path / "bare.ts"
    viewer = Recording(watched.session, f"{watched.base}/bare/mpegts", recorded)
    if second == "rtmp":
        url = f"{watched.rtmp}/static/bare"
        status, _, err = await run(
            "ffmpeg", "-nostdin", "-v", "error", *map(str, live(film)), "-f", "flv", url,
            seconds=20,
        )  # fmt: skip
        assert status != 0
        assert "Another publisher" in err, err
    else:
        body = tmp_path / "film.ts"
        made = await run(
            "ffmpeg", "-v", "error", "-i", str(film), "-c", "copy", str(body), seconds=9
        )
        assert made[0] == 0, made
        with body.open("rb") as file:
            url = f"{watched.base}/bare/mpegts"
            async with watched.session.post(url, data=file) as answer:
                assert answer.status == 409
                assert "Another publisher" in await answer.text()
    await asyncio.sleep(1)  # of the first, after the refusal
    await viewer.stop()
    seen = await play(str(recorded), 60)
    assert not complaints(seen, 25, ("video", "audio")), watched.log
    steps = [after - before for before, after in pairwise(seen.dts["video"])]
    assert max(steps) < LONGEST_STEP
