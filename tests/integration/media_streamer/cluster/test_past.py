"""A copy that has just begun knows no past: what of it is asked for is had from its source."""

import asyncio
import re

from tests.support.streamer import Streamer, until

from .conftest import Cluster

SHORT = "segment_duration 1; segment_count 30;"
TEMPLATE = re.compile(r'media="(tracks-v1/dash-\d+-)\$Time\$\.m4s')
FIRST_TIME = re.compile(r'<S t="(\d+)"')


async def get(streamer: Streamer, path: str) -> tuple[int, bytes]:
    async with streamer.session.get(f"{streamer.base}/{path}") as answer:
        return answer.status, await answer.read()


async def listed(streamer: Streamer, playlist: str) -> list[str]:
    """Paths of segments, once there are some."""

    async def some() -> list[str]:
        status, text = await get(streamer, f"live/{playlist}")
        lines = text.decode().splitlines() if status == 200 else []
        files = [line.partition("?")[0] for line in lines if line and line[0] != "#"]
        return files if len(files) >= 6 else []

    folder = playlist.rpartition("/")[0]
    return [f"{folder}/{file}" for file in await until(some, f"six segments of {playlist}")]


async def first_of_dash(streamer: Streamer) -> str:
    """Path of the oldest segment of the video that the manifest tells."""

    async def told() -> str:
        status, text = await get(streamer, "live/index.mpd")
        media = TEMPLATE.search(text.decode())
        time = FIRST_TIME.search(text.decode(), media.end()) if media else None
        return f"{media[1]}{time[1]}.m4s" if status == 200 and media and time else ""

    return await until(told, "a manifest")


async def test_segments_of_before_a_copy_began(cluster: Cluster) -> None:
    """Those of the whole window of the source, from the first request on; who may watch is judged
    here, and a ring of copies ends."""
    origin, edge = cluster.streamer(), cluster.streamer()

    def copy(name: str, of: Streamer, what: str, more: str = "") -> str:
        url = f"m4f://127.0.0.1:{of.http_port}/{what}"
        return f"stream {name} {{ input {url} cluster_key=between-us; static false; {more} }}\n"

    live = f"stream live {{ input fake://fake; {SHORT} }}\n"
    await cluster.serve(origin, live + copy("ring", edge, "ring"))
    closed = copy("closed", origin, "live", "on_play securetoken://k;")
    ring = copy("ring", origin, "ring")
    await cluster.serve(edge, copy("live", origin, "live", SHORT) + closed + ring)
    ts, fmp4, dash = await asyncio.gather(
        listed(origin, "tracks-v1a1/mono.m3u8"),
        listed(origin, "tracks-v1/index.fmp4.m3u8"),
        first_of_dash(origin),
    )
    # The newest first: of all others the copy is there by then, and yet began too late.
    for path in (ts[-1], ts[1], fmp4[1], dash):
        here, there = await asyncio.gather(get(edge, f"live/{path}"), get(origin, f"live/{path}"))
        assert (here[0], there[0]) == (200, 200), (path, here[1][:99], there[1][:99])
        assert here[1] == there[1]
    assert (await get(edge, f"closed/{ts[-1]}"))[0] == 403
    never = re.sub(r"-\d+(-\d+)?\.ts$", "-99999.ts", ts[-1])
    assert (await get(edge, f"live/{never}"))[0] == 404
    async with asyncio.timeout(20):
        assert (await get(edge, f"ring/{never}"))[0] in (404, 502, 503, 504)

    async def told() -> bool:
        _, sessions = await origin.api("GET", "/sessions?name=live")
        return {one["proto"] for one in sessions["sessions"]} >= {"m4f", "hls", "dash"}

    await until(told, "the source lists who asks")
    for one in (edge, origin):
        assert "Traceback" not in one.log, one.log
