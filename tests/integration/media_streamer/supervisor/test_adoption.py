"""The supervisor is killed: nobody who watches or publishes notices, and the next one knows all."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from tests.support import proc
from tests.support.hls_viewer import HlsViewer
from tests.support.ports import free_port
from tests.support.streamer import Streamer, until
from tests.support.ts_viewer import TsViewer


@contextlib.asynccontextmanager
async def ffmpeg(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "error", *arguments, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def kill_supervisor(streamer: Streamer) -> None:
    """kill -9; comes back when the next one is ready."""
    killed = streamer.supervisor
    os.kill(killed, signal.SIGKILL)

    async def is_back() -> bool:
        with contextlib.suppress(StopIteration, aiohttp.ClientError):
            if streamer.supervisor != killed:
                path = "/monitoring/readiness"
                return (await streamer.api("GET", path))[0] == 200
        return False

    await until(is_back, "the next supervisor is ready", 60)


async def sessions(streamer: Streamer) -> dict[str, dict[str, object]]:
    _, page = await streamer.api("GET", "/sessions")
    return {one["id"]: one for one in page["sessions"]}


async def test_viewers_and_publishers_notice_nothing(
    own_streamer: Streamer, tmp_path: Path
) -> None:
    streamer, rtmp = own_streamer, free_port()
    streamer.write(
        f"""
rtmp 127.0.0.1:{rtmp};
template live {{ prefix live; input publish://; }}
stream demo {{ input fake://fake; segment_duration 1; }}
stream copy {{ input publish://; }}
stream pushed {{ input fake://fake; push rtmp://127.0.0.1:{rtmp}/static/copy; }}
"""
    )
    await streamer.serve(STREAMER_EGRESS_WORKERS="2", STREAMER_MEDIA_WORKERS="2")
    await streamer.running("demo")
    film = tmp_path / "film.flv"
    source = ("-f", "lavfi", "-i", "testsrc=size=128x72:rate=25", "-t", "120")
    async with ffmpeg(
        *source, "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", str(film)
    ) as one:
        assert await one.wait() == 0
    target = f"rtmp://127.0.0.1:{rtmp}/static/live/cam"
    publish = ("-re", "-i", str(film), "-c", "copy", "-f", "flv", target)
    seen = tmp_path / "seen.flv"
    play = ("-i", f"rtmp://127.0.0.1:{rtmp}/static/demo", "-c", "copy", str(seen))
    async with ffmpeg(*publish) as publisher, ffmpeg(*play) as player:
        for name in ("live/cam", "copy"):
            await streamer.running(name)
        viewers = [TsViewer(f"{streamer.base}/{name}/mpegts") for name in ("demo", "live/cam")]
        hls = HlsViewer(f"{streamer.base}/demo/index.m3u8")
        await until(lambda: _done(seen.exists() and len(hls.segments) >= 2), "all watch")
        await until(lambda: _done(all(viewer.data for viewer in viewers)), "all have data")

        async def all_known() -> dict[str, dict[str, object]]:
            known = await sessions(streamer)
            moved = sum(bool(one.get("bytes")) for one in known.values())
            return known if moved >= 6 else {}

        before = await until(all_known, "two viewers, HLS, RTMP, two publishers")
        workers = sorted(streamer.children())
        for _ in range(2):
            sizes = [len(viewer.data) for viewer in viewers]
            segments = len(hls.segments)
            await kill_supervisor(streamer)
            grown = [size + 50_000 for size in sizes]
            await until(
                lambda grown=grown: _done(
                    all(len(v.data) > g for v, g in zip(viewers, grown, strict=True))
                ),
                "the viewers get more",
            )
            await until(
                lambda segments=segments: _done(len(hls.segments) >= segments + 2), "HLS goes on"
            )
        assert sorted(streamer.children()) == workers
        assert publisher.returncode is None
        assert player.returncode is None
        assert hls.failed == []
        for viewer in viewers:
            assert not viewer.task.done()
            assert viewer.is_whole
        after = await sessions(streamer)
        assert after.keys() == before.keys()
        for key, session in after.items():
            assert session["bytes"] > before[key]["bytes"]  # type: ignore[operator]
            assert session["opened_at"] == before[key]["opened_at"]
        demo = await streamer.running("demo")
        assert demo["stats"]["client_count"] == 3
        # And the sessions are in its hand: it can end them.
        for key in after:
            assert (await streamer.api("DELETE", f"/sessions/{key}"))[0] == 204
        for viewer in viewers:
            await asyncio.wait_for(viewer.task, 30)
        hls.task.cancel()
        await asyncio.gather(hls.task, return_exceptions=True)
    assert "Traceback" not in streamer.log, streamer.log
    assert await streamer.stop() == 0
    assert streamer.children() == []


async def _done(value: object) -> object:
    return value


async def test_what_changed_meanwhile_is_done(own_streamer: Streamer) -> None:
    """A configuration that was changed, a worker that died while there was no supervisor."""
    streamer = own_streamer
    streamer.write("stream a { input fake://fake; }\nstream b { input fake://fake; }")
    await streamer.serve(STREAMER_MEDIA_WORKERS="1")
    for name in "ab":
        await streamer.running(name)
    streamer.write("stream a { input fake://fake; }\nstream c { input fake://fake; }")
    worker = streamer.worker("media")
    egress = streamer.worker("egress")
    assert worker is not None
    supervisor = streamer.supervisor
    os.kill(supervisor, signal.SIGSTOP)  # so that it starts no other one
    os.kill(worker, signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)

    async def is_back() -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            return bool((await streamer.stream("c")).get("stats", {}).get("alive"))
        return False

    await until(is_back, "the stream that is new runs", 60)
    await streamer.running("a")
    assert await streamer.stream("b") == {}
    assert streamer.worker("media") not in (None, worker)
    assert streamer.worker("egress") == egress


async def test_workers_end_when_nobody_comes(own_streamer: Streamer) -> None:
    streamer = own_streamer
    streamer.write("stream a { input fake://fake; }")
    await streamer.serve(STREAMER_ORPHAN_SECONDS="1")
    await streamer.running("a")
    workers, supervisor = streamer.children(), streamer.supervisor
    assert len(workers) == 2
    assert streamer.process is not None
    os.kill(streamer.process.pid, signal.SIGSTOP)  # who would start the next one
    os.kill(supervisor, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while any(proc.is_alive(pid) for pid in workers):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    os.kill(streamer.process.pid, signal.SIGCONT)
    # And then it comes after all: everything is started anew.
    await until(streamer._is_ready, "the streamer is ready again", 60)
    await streamer.running("a")
