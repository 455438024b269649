"""Paths that lose and disorder datagrams, both ways: SRT and WebRTC repair it, RTSP by UDP puts in
order what came and tells what did not.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.lossy_path import LossyPath, lossy_path
from tests.support.players import complaints, play
from tests.support.ports import free_port
from tests.support.streamer import until

from .conftest import FilmStreamer, Launch, live
from .test_rtsp import watch
from .test_webrtc import Watcher
from .test_whip import Camera

LOSS, LATE = 0.03, 0.05
SECONDS = 60
RTP_BYTES = "1200"
SMALL = ("-vf", "scale=320:180", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
         "-g", "10")  # fmt: skip
"""Key frames of few packets, and many of them: most come whole."""


@pytest.fixture
async def path() -> AsyncIterator[LossyPath]:
    async with lossy_path(LOSS, LATE) as one:
        yield one
        # Else nothing was tried.
        assert one.delayed > 10
        assert one.dropped > 10 or not one.loss


async def test_srt_repairs(
    streamer: FilmStreamer, film: Path, launch: Launch, path: LossyPath
) -> None:
    number = free_port()
    streamer.write(f"srt 127.0.0.1:{number};\nstream cam {{ input publish://; }}\n")
    await streamer.serve()
    through = path.to(("127.0.0.1", number))
    words = "pkt_size=1316&latency=400000"
    target = f"srt://127.0.0.1:{through}?streamid=#!::r=cam,m=publish&{words}"
    await launch(*live(film), "-f", "mpegts", target)
    await streamer.running("cam")
    seen = await play(f"srt://127.0.0.1:{through}?streamid=#!::r=cam,m=request&{words}", 4)
    # What libsrt says when data overtakes the answer to its handshake.
    errors = "".join(line for line in seen.errors.splitlines(True) if "/SRT:" not in line)
    assert not complaints(replace(seen, errors=errors), 25, ("video", "audio")), streamer.log

    async def repaired() -> bool:
        found = (await streamer.stream("cam"))["stats"]["input"].get("srt", {})
        return bool(found.get("error_lost_packets")) and bool(found.get("retransmitted_packets"))

    await until(repaired, "losses are told, and what was sent again")


async def test_rtsp_by_udp_puts_in_order(streamer: FilmStreamer, path: LossyPath) -> None:
    """What is only late is not lost: to a player, and to a streamer that takes it."""
    path.loss = 0.0
    number = free_port()
    through = await path.to_rtsp(number)
    streamer.write(
        f"rtsp 127.0.0.1:{number};\n"
        "stream film { input file://vod/bigbuckbunny.mp4; }\n"
        f"ondemand again {{ input rtsp-udp://127.0.0.1:{through}/film; segment_duration 1; }}\n"
    )
    await streamer.serve()
    await streamer.running("film")
    seen = await play(f"{streamer.base}/again/mpegts", 4)
    assert not complaints(seen, 25, ("video", "audio")), streamer.log
    stats = (await streamer.stream("again"))["stats"]
    assert stats["input"]["errors_lost_packets"] == 0, streamer.log
    assert path.delayed > 10


async def test_rtsp_by_udp_tells_what_is_lost(
    streamer: FilmStreamer, film: Path, launch: Launch, path: LossyPath
) -> None:
    """Of a publisher and of a source; the pictures that came whole are shown, in order."""
    path.loss = 0.01
    number = free_port()
    through = await path.to_rtsp(number)
    streamer.write(
        f"rtsp 127.0.0.1:{number};\n"
        "stream cam { input publish://; segment_duration 1; }\n"
        f"stream again {{ input rtsp-udp://127.0.0.1:{through}/cam; segment_duration 1; }}\n"
    )
    await streamer.serve()
    await launch(
        *live(film), *SMALL, "-f", "rtsp", "-rtsp_transport", "udp", "-pkt_size", RTP_BYTES,
        f"rtsp://127.0.0.1:{through}/cam",
    )  # fmt: skip
    await streamer.running("cam")
    await streamer.running("again")

    async def told() -> bool:
        found = [(await streamer.stream(name))["stats"]["input"] for name in ("cam", "again")]
        return all(one.get("errors_lost_packets", 0) > 0 for one in found)

    await until(told, "lost packets are counted", SECONDS)
    seen = await watch(f"rtsp://127.0.0.1:{number}/cam", 3, "tcp")
    assert set(seen.dts) == {"video", "audio"}, (seen.errors, streamer.log)
    assert not seen.backward_steps()


class Detour:
    """Answers of servers, with the path's port in place of theirs."""

    def __init__(self, path: LossyPath) -> None:
        self._path = path
        self._ports: dict[str, str] = {}

    def __call__(self, answer: str) -> str:
        found = re.search(r" udp \d+ 127\.0\.0\.1 (\d+) ", answer)
        assert found is not None, answer
        if found[1] not in self._ports:
            self._ports[found[1]] = str(self._path.to(("127.0.0.1", int(found[1]))))
        return answer.replace(f" {found[1]} ", f" {self._ports[found[1]]} ")


async def test_webrtc_repairs(streamer: FilmStreamer, path: LossyPath) -> None:
    """A publisher and a viewer on the same bad path: both ask for what they miss."""
    streamer.write("stream live { input publish://; segment_duration 1; }\n")
    await streamer.serve()
    camera, watcher = Camera(streamer.session), Watcher(streamer.session)
    camera.change = watcher.change = Detour(path)
    try:
        assert await camera.publish(f"{streamer.base}/live/whip") == 201
        await streamer.running("live")
        await watcher.watch(streamer.base, "/live/whep")
        await watcher.sees("video", 150)
        await watcher.sees("audio", 150)
        stamps = [frame.pts for frame in watcher.frames["video"]]
        assert stamps == sorted(stamps)
    finally:
        await camera.peer.close()
        await watcher.close()


async def test_webrtc_is_told_a_bit_rate_by_its_losses(
    streamer: FilmStreamer, path: LossyPath
) -> None:
    streamer.write(
        "stream live { input publish:// abr_stepup=50 abr_loss_lower=10 abr_loss_upper=20"
        " abr_mode=1 abr_debug=1; segment_duration 1; }\n"
    )
    await streamer.serve()
    camera = Camera(streamer.session)
    camera.change = Detour(path)

    async def told(rate: int) -> bool:
        return f"{rate} kbit/s are told" in streamer.log

    try:
        assert await camera.publish(f"{streamer.base}/live/whip") == 201
        await until(lambda: told(1500), "with little loss more is told", SECONDS)
        before = len(streamer.log)
        path.loss = 0.6

        async def falls() -> bool:
            rates = [
                int(one) for one in re.findall(r"(\d+) kbit/s are told", streamer.log[before:])
            ]
            return any(later < earlier for earlier, later in pairwise(rates))

        await until(falls, "with much loss less is told", SECONDS)
    finally:
        await camera.peer.close()
