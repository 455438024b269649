"""Publishers whose parameters, tables and times lie: no other stream of the worker notices.

A table of what no encoder sends (`tests/support/garbage.py`), one after another to a server that
shows another stream meanwhile.
"""

import asyncio
import contextlib
import io
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from media_streamer.protocols.rtmp.chunks import write_message
from media_streamer.protocols.srt.libsrt import Option, SrtError, SrtSocket

from tests.support import garbage, rtmp_request
from tests.support.garbage import Message
from tests.support.ports import free_port
from tests.support.streamer import until
from tests.support.ts_viewer import TsViewer
from tests.support.webrtc_offers import browser

from .conftest import FilmStreamer

CHUNK_BYTES = 60_000
GROWTH_MIB = 50
LATE_SECONDS = 0.25
"""Of a viewer who gets something each 40 ms: 0.1 s on an idle machine."""
TRIES = 3
"""What stalls a worker does so each time; another program of the machine does not."""
AFTER_SECONDS = 0.3
SDP = {"Content-Type": "application/sdp"}
SRT_PAYLOAD = 7 * 188


@dataclass
class House:
    """The streamer and its ports."""

    streamer: FilmStreamer
    rtsp: int
    srt: int


Attack = Callable[[House, str], Awaitable[None]]


def by_rtmp(messages: Iterable[Message]) -> Attack:
    def send(house: House, name: str) -> None:
        port = house.streamer.rtmp_port
        with rtmp_request.publish("127.0.0.1", port, "static", name, CHUNK_BYTES) as sock:
            for kind, stamp, body in messages:
                data = write_message(
                    kind, body, timestamp=stamp, stream=1, chunk_stream=6, chunk_bytes=CHUNK_BYTES
                )
                sock.sendall(data)

    async def attack(house: House, name: str) -> None:
        with contextlib.suppress(ConnectionError):
            await asyncio.to_thread(send, house, name)

    return attack


def by_http(data: bytes) -> Attack:
    async def attack(house: House, name: str) -> None:
        url = f"{house.streamer.base}/{name}/mpegts"
        with contextlib.suppress(aiohttp.ClientError):
            async with house.streamer.session.post(url, data=io.BytesIO(data)) as answer:
                await answer.read()

    return attack


def by_srt(data: bytes) -> Attack:
    def send(house: House, name: str) -> None:
        sock = SrtSocket.blocking(5000)
        try:
            sock.set_flag(Option.STREAMID, f"#!::r={name},m=publish")
            sock.connect("127.0.0.1", house.srt)
            for at in range(0, len(data), SRT_PAYLOAD):
                while not sock.send_all([data[at : at + SRT_PAYLOAD]]):
                    time.sleep(0.005)  # it has no room
        except SrtError:
            pass  # the server has cut it off
        finally:
            sock.close()

    async def attack(house: House, name: str) -> None:
        await asyncio.to_thread(send, house, name)

    return attack


def by_rtsp(description: str, packets: list[bytes]) -> Attack:
    async def attack(house: House, name: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.rtsp)
        url, session = f"rtsp://127.0.0.1:{house.rtsp}/{name}", ""

        async def ask(method: str, where: str, more: str = "", body: str = "") -> bool:
            nonlocal session
            head = f"{method} {where} RTSP/1.0\r\nCSeq: 1\r\n{session}{more}"
            head += f"Content-Length: {len(body)}\r\n" if body else ""
            writer.write(f"{head}\r\n{body}".encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).decode()
            if found := re.search(r"Session: ([^;\r]+)", answer):
                session = f"Session: {found[1]}\r\n"
            return " 200 " in answer.partition("\r\n")[0]

        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            if await ask("ANNOUNCE", url, "Content-Type: application/sdp\r\n", description):
                way = "Transport: RTP/AVP/TCP;unicast;interleaved={0}-{1};mode=record\r\n"
                track = "0" if "streamid=0" in description else "1"
                is_set = await ask("SETUP", f"{url}/streamid={track}", way.format(0, 1))
                if is_set and await ask("RECORD", url):
                    writer.write(b"".join(packets))
                    await writer.drain()
        writer.close()

    return attack


def by_whip(offer: str) -> Attack:
    async def attack(house: House, name: str) -> None:
        url = f"{house.streamer.base}/{name}/whip"
        async with house.streamer.session.post(url, data=offer, headers=SDP) as answer:
            assert answer.status < 500, await answer.text()
            where = answer.headers.get("Location")
        if where:
            async with house.streamer.session.delete(house.streamer.base + where):
                pass

    return attack


TS = garbage.ts_cases()
ATTACKS: dict[str, Attack] = {
    **{f"rtmp-{word}": by_rtmp(list(messages)) for word, messages in garbage.rtmp_cases().items()},
    **{f"ts-{word}": by_http(data) for word, data in TS.items()},
    **{f"srt-{word}": by_srt(TS[word]) for word in ("psi-flood", "changing-tables")},
    **{f"rtsp-{word}": by_rtsp(*case) for word, case in garbage.rtsp_cases().items()},
    **{
        f"whip-{word}": by_whip(offer)
        for word, offer in garbage.offers(browser("sendonly")).items()
    },
}
SOME = (
    "rtmp-nal-zero", "rtmp-nested", "ts-streams-7500", "ts-hevc-sets", "srt-psi-flood",
    "rtsp-fragments", "rtsp-tracks-300", "whip-formats",
)  # fmt: skip
"""One of each kind; all of them take half a minute."""


@pytest.fixture
async def house(streamer: FilmStreamer) -> House:
    one = House(streamer, free_port(), free_port())
    streams = "".join(f"stream {word} {{ input publish://; }}\n" for word in ATTACKS)
    streamer.write(
        f"rtsp 127.0.0.1:{one.rtsp};\nsrt 127.0.0.1:{one.srt};\n"
        "stream good { input fake://fake; segment_duration 1; }\n" + streams
    )
    await streamer.serve()
    await streamer.running("good")
    return one


class Peak:
    """The most memory of a process since this was made, in MiB (proc(5), clear_refs)."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        self._before = self._read("VmRSS")

    def _read(self, key: str) -> float:
        found = re.search(rf"{key}:\s+(\d+) kB", self._status.read_text())
        assert found is not None
        return int(found[1]) / 1024

    @property
    def growth(self) -> float:
        return self._read("VmHWM") - self._before


@pytest.mark.parametrize("words", [SOME, pytest.param(tuple(ATTACKS), marks=pytest.mark.long)])
async def test_no_other_stream_notices(house: House, words: tuple[str, ...]) -> None:
    streamer, found = house.streamer, dict[str, str]()
    children = streamer.children()
    workers = {kind: streamer.worker(kind) for kind in ("media", "egress")}
    for word in words:
        for _ in range(TRIES):
            peaks = {kind: Peak(pid) for kind, pid in workers.items() if pid is not None}
            viewer = TsViewer(f"{streamer.base}/good/mpegts")
            began = time.monotonic()
            async with asyncio.timeout(20):
                await ATTACKS[word](house, word)
                await asyncio.sleep(AFTER_SECONDS)
            assert not viewer.task.done(), word
            viewer.task.cancel()
            growth = {kind: peak.growth for kind, peak in peaks.items()}
            found[word] = (
                f"{viewer.longest_gap * 1000:.0f} ms late, took {time.monotonic() - began:.1f} s, "
                + ", ".join(f"{kind} +{most:.0f} MiB" for kind, most in growth.items())
            )
            assert viewer.is_whole, word
            if viewer.longest_gap < LATE_SECONDS and max(growth.values()) < GROWTH_MIB:
                del found[word]
                break
    assert not found
    assert streamer.children() == children, "a worker ended"
    assert "Traceback" not in streamer.log
    assert " ERROR " not in streamer.log

    async def nobody() -> bool:
        sessions = (await streamer.api("GET", "/sessions"))[1]["sessions"]
        return not [one for one in sessions if one["name"] != "good"]

    await until(nobody, "no publisher is left", 20)
