"""The wall clock of a running server jumps by an hour, forward and back: nobody notices."""

import asyncio
import os
import time
from pathlib import Path

from media_auth.securetoken import make_token

from tests.support.hls_rules import parse
from tests.support.hls_viewer import HlsViewer
from tests.support.streamer import Streamer, until
from tests.support.ts_viewer import TsViewer

HOUR = 3600
CLOCK = Path(__file__).parents[3] / "support" / "shifted_clock"


def shift(clock: Path, seconds: int) -> None:
    """In place: the file is mapped by who looks at it."""
    with clock.open("r+b") as file:
        file.write(b"%-16d" % seconds)


async def test_nobody_notices_that_the_clock_jumps(own_streamer: Streamer, tmp_path: Path) -> None:
    streamer, clock = own_streamer, tmp_path / "clock"
    clock.write_bytes(b"%-16d" % 0)
    streamer.write(
        f"stream live {{ input fake://fake; segment_duration 1; dvr {tmp_path / 'dvr'} 7d; }}\n"
        "stream locked { input copy://live; on_play securetoken://KEY; }\n"
    )
    await streamer.serve(
        SHIFTED_CLOCK=str(clock),
        PYTHONPATH=os.pathsep.join((str(CLOCK), os.environ.get("PYTHONPATH", ""))),
    )
    await streamer.running("live")
    await streamer.running("locked")
    now = int(time.time())
    token = make_token("locked", "", now - 60, now + 1200, "KEY", "salt")
    locked = f"{streamer.base}/locked/mpegts?no_check_ip=true&token={token}"
    let_in = TsViewer(locked)
    ts = TsViewer(f"{streamer.base}/live/mpegts")
    hls = HlsViewer(f"{streamer.base}/live/index.m3u8")

    async def recorded() -> int:
        stats = (await streamer.stream("live"))["stats"]
        return int(stats.get("dvr_write", {}).get("segments", 0))

    async def go_on(what: str) -> None:
        """All get more than they had: viewers, and the recording."""
        size, count, kept = len(ts.data), len(hls.segments), await recorded()
        let_in_size = len(let_in.data)

        async def more() -> bool:
            return (
                len(ts.data) > size + 50_000
                and len(let_in.data) > let_in_size + 50_000
                and len(hls.segments) >= count + 3
                and await recorded() >= kept + 2
            )

        await until(more, f"all go on {what}", 60)

    try:
        await go_on("at first")
        _, sessions = await streamer.api("GET", "/sessions")
        before = {one["id"] for one in sessions["sessions"]}
        assert len(before) == 3
        sequence = parse(hls.text).segments[-1].msn
        for seconds in (HOUR, -HOUR, 0):
            shift(clock, seconds)
            _, stats = await streamer.api("GET", "/config/stats")
            assert abs(stats["now"] / 1000 - time.time() - seconds) < 60
            await go_on(f"with the clock off by {seconds} s")
            segments = parse(hls.text).segments
            assert segments[0].msn > sequence - 60
            assert segments[-1].msn > sequence
            sequence = segments[-1].msn
            assert (await streamer.stream("live"))["stats"]["status"] == "running"
            async with streamer.session.get(locked) as answer:
                assert answer.status == (403 if seconds else 200), "a token is as the clock says"
        assert hls.failed == []
        assert len(set(hls.segments)) == len(hls.segments)
        assert not ts.task.done()
        assert not let_in.task.done(), "who was let in goes on"
        assert ts.is_whole
        assert ts.longest_gap < 20
        _, sessions = await streamer.api("GET", "/sessions")
        assert {one["id"] for one in sessions["sessions"]} >= before
        now = int(time.time())
        listed = f"{streamer.base}/live/archive-{now - HOUR}-{2 * HOUR}.m3u8"
        async with streamer.session.get(listed) as answer:
            assert answer.status == 200
        _, ranges = await streamer.api("GET", "/streams/live/dvr/ranges")
        assert ranges["ranges"], ranges
    finally:
        tasks = (ts.task, hls.task, let_in.task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert "Traceback" not in streamer.log
    assert not [line for line in streamer.log.splitlines() if " ERROR " in line]
