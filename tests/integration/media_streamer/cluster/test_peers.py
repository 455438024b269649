"""Peers: viewers are sent to where a stream runs, one of them captures, a balancer chooses."""

import asyncio
from typing import Any

from tests.support.ports import free_port
from tests.support.streamer import Streamer, ffprobe, until

from .conftest import Cluster


async def where(streamer: Streamer, path: str, **options: Any) -> tuple[int, str]:
    """Status and Location of a GET."""
    url = f"{streamer.base}/{path}"
    async with streamer.session.get(url, allow_redirects=False, **options) as answer:
        return answer.status, answer.headers.get("Location", "")


async def test_one_of_two_captures_and_both_serve(cluster: Cluster) -> None:
    one, two, rtmp = cluster.streamer(), cluster.streamer(), free_port()
    text = "stream shared { input fake://fake; cluster_ingest capture_at=s1; }\n" + "".join(
        f"peer {streamer.directory.name} {{ api_url {streamer.base}; stale_timeout 3000; }}\n"
        for streamer in (one, two)
    )
    balancer = "balancer lb { server s0; server s1; }\n"
    own = "stream own { input fake://fake; }\n"
    await asyncio.gather(
        cluster.serve(one, f"{text}{balancer}rtmp 127.0.0.1:{rtmp};\n"),
        cluster.serve(two, text + own),
    )
    await asyncio.gather(two.running("own"), two.running("shared"))

    async def captured_there() -> bool:
        stats = (await one.stream("shared")).get("stats", {})
        return stats.get("source_hostname") == "s1" and not stats.get("alive")

    await until(captured_there, "the first one leaves it to the second")
    for name in ("own", "shared"):

        async def sent(name: str = name) -> bool:
            wanted = f"{two.base}/{name}/index.m3u8?token=x"
            return await where(one, f"{name}/index.m3u8?token=x") == (302, wanted)

        await until(sent, f"viewers of {name} are sent on")
    # Who cannot be sent on is fed.
    assert await ffprobe(f"rtmp://127.0.0.1:{rtmp}/static/own") == ["aac", "h264"]
    assert await ffprobe(f"{one.base}/own/index.m3u8") == ["aac", "h264"]
    status, location = await where(one, "lb/own/index.m3u8")
    assert (status, location) == (302, f"{two.base}/own/index.m3u8")
    async with one.session.post(f"{one.base}/lb/own/mpegts", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (307, f"{two.base}/own/mpegts")
    # The one that captures is gone: the other one takes over, and nobody is sent away.
    await two.stop()
    await one.running("shared")
    assert await ffprobe(f"{one.base}/shared/mpegts") == ["aac", "h264"]
    assert (await where(one, "own/index.m3u8"))[0] == 404
