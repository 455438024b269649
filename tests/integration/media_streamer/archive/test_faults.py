"""Killed workers, two servers, a new folder: what was recorded stays, and others notice nothing."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any

from tests.support.streamer import until
from tests.support.ts_viewer import TsViewer

from .conftest import Recorder, decode, recorded_stream


async def test_kill_9_in_mid_write_loses_nothing_that_was_recorded(recorder: Recorder) -> None:
    recorder.write(recorded_stream(recorder.archive))
    await recorder.serve()
    before: dict[str, bytes] = {}
    await recorder.recorded(1)
    for kill in range(3):
        for uri in await recorder.grown(len(before) + 1):
            _, before[uri] = await recorder.get(f"live/tracks-v1/{uri}")
        await asyncio.sleep(0.05 * kill)  # another moment of a segment each time
        await (kill_media_worker(recorder) if kill < 2 else kill_all(recorder))
    log = recorder.log
    claimed, ready = "this server records there", "is ready:"
    assert log.rindex(claimed) < log.rindex(ready), "the first segment is recorded"
    after = await recorder.grown(len(before) + 1)
    assert [uri for uri in after if uri in before] == list(before)
    for uri, data in before.items():
        assert (await recorder.get(f"live/tracks-v1/{uri}"))[1] == data
    status, _ = await recorder.api("PUT", "/streams/live", json={"disabled": True})
    assert status == 200
    await decode(f"{recorder.base}/live/archive-{await recorder.all_time()}.mp4")
    await decode(f"{recorder.base}/live/archive-{await recorder.all_time()}.m3u8")
    listed = f"live/tracks-v1/archive-{await recorder.all_time()}.fmp4.m3u8"
    assert b"#EXT-X-DISCONTINUITY\n" in (await recorder.get(listed))[1]


async def kill_media_worker(recorder: Recorder) -> None:
    """And wait for the next one."""
    victim = recorder.worker("media")
    assert victim is not None
    os.kill(victim, signal.SIGKILL)

    async def replaced() -> bool:
        return recorder.worker("media") not in (None, victim)

    await until(replaced, "the media worker is back", 60)


async def kill_all(recorder: Recorder) -> None:
    """Each process of the server at once, as the kernel does without memory; and start it again."""
    assert recorder.process is not None
    for pid in (recorder.process.pid, recorder.supervisor, *recorder.children()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await recorder.process.wait()
    await recorder.serve()


async def test_a_second_server_is_refused_the_folder(recorder: Recorder, tmp_path: Path) -> None:
    recorder.write(recorded_stream(recorder.archive))
    await recorder.serve()
    await recorder.recorded(1)
    second_home = tmp_path / "second"
    second_home.mkdir()
    second = Recorder(second_home)
    second.write(recorded_stream(recorder.archive))
    try:
        await second.serve()
        await second.running("live")

        async def refused() -> Any:
            _, stats = await second.api("GET", "/config/stats")
            return [
                text for text in stats.get("text_alerts", {}).values() if "another server" in text
            ]

        (words,) = await until(refused, "the second server says so")
        assert "host1" in words  # who has it
        stats = await second.stats()
        assert not stats["dvr_enabled"]
        assert "another server" in stats["dvr_write"]["error"]
        told = "nothing is recorded there of live: another server records there: host1"
        assert f"archive {recorder.archive}: {told}" in second.log
    finally:
        await second.close()
    before = (await recorder.stats())["dvr_write"]["segments"]
    await recorder.recorded(before + 1)


async def test_the_first_recording_in_a_folder_interrupts_no_other_stream(
    recorder: Recorder, tmp_path: Path
) -> None:
    """Its media worker cannot be let write there any more: another one begins."""
    recorder.write("stream other { input fake://fake; }\nstream live { input fake://fake; }\n")
    await recorder.serve()
    await recorder.running("live")
    worker = recorder.worker("media")
    assert worker is not None
    viewer = TsViewer(f"{recorder.base}/other/mpegts")

    async def more(size: int = 0) -> bool:
        return len(viewer.data) > size + 100_000

    try:
        await until(more, "the viewer has data")
        dvr = {"dvr": {"root": str(tmp_path / "new" / "folder"), "expiration": 86_400}}
        assert (await recorder.api("PUT", "/streams/live", json=dvr))[0] == 200
        await recorder.recorded(1)
        size = len(viewer.data)
        await until(lambda: more(size), "the viewer gets more")
        assert viewer.is_whole
        assert not viewer.task.done()
        assert recorder.worker("media") == worker
        assert recorder.worker("media", "1") is not None
    finally:
        viewer.task.cancel()
        await asyncio.gather(viewer.task, return_exceptions=True)
    assert "killed" not in recorder.log
