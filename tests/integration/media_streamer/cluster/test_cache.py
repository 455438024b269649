"""What a source has recorded plays here, and is kept on disk."""

import asyncio
import time
from pathlib import Path

from tests.support.streamer import Streamer, until

from .conftest import Cluster

SEGMENTS = 3


async def get(streamer: Streamer, path: str) -> tuple[int, str, bytes]:
    """Status, X-Cache and body."""
    async with streamer.session.get(f"{streamer.base}/{path}") as answer:
        return answer.status, answer.headers.get("X-Cache", ""), await answer.read()


async def recorded(streamer: Streamer) -> None:
    async def enough() -> bool:
        stats = (await streamer.stream("live")).get("stats", {})
        return bool(stats.get("dvr_write", {}).get("segments", 0) >= SEGMENTS)

    await until(enough, "segments are recorded", 60)


async def has_worker(streamer: Streamer) -> bool:
    """Whether the first of the egress workers serves."""
    return "egress worker 0 is there" in streamer.log


async def first_segment(streamer: Streamer, token: str) -> str:
    """Path of one, as a player finds it."""
    now = int(time.time())
    folder = "live/tracks-v1"
    playlist = f"{folder}/archive-{now - 3600}-3600.fmp4.m3u8?token={token}"

    async def listed() -> bytes:
        status, _, text = await get(streamer, playlist)
        return text if status == 200 else b""

    text = await until(listed, "the source is listed anew, as it is configured now")
    uri = next(line for line in text.decode().splitlines() if ".m4s" in line)
    assert f"token={token}" in uri, "the viewer is known again by it"
    return f"{folder}/{uri}"


async def test_an_archive_elsewhere_and_what_is_kept_of_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    """In a global cache that the source refers to (`reference`)."""
    origin, edge = cluster.streamer(), cluster.streamer()
    stream = f"stream live {{ input fake://fake; dvr {tmp_path}/dvr 1d; segment_duration 1; }}\n"
    await cluster.serve(origin, f"{stream}no_auto_token;\n")
    cache = tmp_path / "cache"
    text = f"""cache disk {cache} misses=2 2d 1G;
        source 127.0.0.1:{origin.http_port} {{ cache @disk; on_play securetoken://k; }}
        stream own {{ input fake://fake; }}
        ondemand near {{ input m4f://127.0.0.1:{origin.http_port}/live remote_dvr=nochain; }}
        ondemand far {{ input m4f://127.0.0.1:{edge.http_port}/near remote_dvr=chain; }}
        ondemand cut {{ input m4f://127.0.0.1:{edge.http_port}/near remote_dvr=nochain; }}
        ondemand never {{ input m4f://127.0.0.1:{origin.http_port}/live remote_dvr=none; }}
        """.replace("remote_dvr", "cluster_key=between-us remote_dvr")
    await asyncio.gather(cluster.serve(edge, text, STREAMER_EGRESS_WORKERS="2"), recorded(origin))

    async def known() -> bool:
        return bool(await edge.stream("live"))

    await until(known, "the stream of the source is listed")
    # Viewers are judged here; the other server is asked in the name of this one.
    assert (await get(edge, "live/archive-1-2.m3u8?token=wrong"))[0] == 403
    assert (await get(edge, "own/archive-1-2.m3u8"))[0] == 404
    edge.write(f"cluster_key between-us;\n{text.replace('on_play securetoken://k;', '')}")
    await edge.reload()
    await until(lambda: has_worker(edge), "the worker that has the directory is there")
    segment = await first_segment(edge, "viewer")
    answers = [await get(edge, segment) for _ in range(4)]
    assert {status for status, _, _ in answers} == {200}
    assert [tag for _, tag, _ in answers] == ["MISS", "MISS", "HIT", "HIT"]
    assert len({body for _, _, body in answers}) == 1
    # As the input says: out of the source's archive, along the chain, not at all.
    far = segment.replace("live/", "far/", 1).partition("?")[0]
    near = segment.replace("live/", "near/", 1).partition("?")[0]
    assert (await get(edge, near))[2] == answers[0][2]
    assert (await get(edge, far))[2] == answers[0][2]
    assert (await get(edge, far.replace("far/", "cut/", 1)))[0] == 404
    assert (await get(edge, far.replace("far/", "never/", 1)))[0] == 404
    # Requests at once are one request.
    other = segment.replace("/tracks-v1/", "/tracks-a1/")
    tags = [tag for _, tag, _ in await asyncio.gather(*(get(edge, other) for _ in range(6)))]
    assert tags.count("MISS") <= 2, tags
    # Nothing was pulled for that.
    assert (await edge.stream("live"))["stats"]["status"] == "waiting"

    async def counted() -> bool:
        _, sessions = await edge.api("GET", "/sessions?name=live")
        sent = [one["bytes"] for one in sessions["sessions"]]
        return max(sent, default=0) >= len(answers[0][2])

    await until(counted, "what is passed on is the session's")
    # Over a restart.
    assert await edge.stop() == 0
    await edge.serve(STREAMER_HOSTNAME="s1")
    await until(known, "the stream of the source is listed again")
    assert (await get(edge, segment))[1] == "HIT"
    for one in (edge, origin):
        assert "Traceback" not in one.log, one.log
