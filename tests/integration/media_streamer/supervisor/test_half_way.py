"""Peers that begin and stop half-way, that flood, or read nothing: what they cost a whole streamer.

While each does its worst somebody watches by MPEG-TS. The time-outs of the workers are short here:
a module that Python loads at its start lowers the constants (`media_streamer/budgets.py`).
"""

import asyncio
import base64
import os
import re
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

from media_streamer.budgets import RTMP_LEAST_CHUNK_BYTES
from media_streamer.protocols.rtmp.chunks import SET_CHUNK_SIZE, USER_CONTROL, write_message
from media_streamer.protocols.webrtc import stun
from media_streamer.rtp import rtcp

from tests.support import proc, rtsp_viewer, webrtc_viewer
from tests.support import srt_packets as srt
from tests.support.clips import rich_film
from tests.support.first_key import first_key
from tests.support.ports import free_port
from tests.support.streamer import Streamer, until
from tests.support.ts_viewer import TsViewer

HOST = "127.0.0.1"
CONNECT_SECONDS = 3
SHORT = f"""
from media_streamer import budgets
budgets.WEBRTC_CONNECT_SECONDS = {CONNECT_SECONDS}
budgets.SRT_HANDSHAKE_SECONDS = 1
budgets.WEBRTC_TELL_SECONDS = 1
"""
GAP_SECONDS, TRIES = 0.5, 3
"""A machine that does much else has gaps of its own; what an attack does it does each time."""
GROWTH_MIB = 50.0
FLOOD = 10_000
RTMP_GREETING = b"\x03" + bytes(2 * 1536)
SRT_PEERS = 150
FULL_BYTES = 4 * 1024 * 1024
TOLD_SECONDS = 1.2
"""Sessions are told of once a second."""
OVER = "stream demo: 127.0.0.1 by RTSP sends more than 500 RTCP packets a second"
DEAF = 5
"""Each has 4 MiB unread at most, and the second of pictures that it began with."""


class Place:
    """Where a streamer is, and what its attackers hold open."""

    def __init__(self, streamer: Streamer, rtmp: int, rtsp: int, port: int, webrtc: int) -> None:
        self.streamer, self.http = streamer, streamer.http_port
        self.rtmp, self.rtsp, self.srt, self.webrtc = rtmp, rtsp, port, webrtc
        self.held = ExitStack()

    def whep(self) -> webrtc_viewer.WebRtcViewer:
        """A session that is offered, whose address is proven."""
        viewer = webrtc_viewer.offer(HOST, self.http, "demo")
        self.held.enter_context(viewer.sock)
        viewer.sock.settimeout(10)
        viewer.sock.send(viewer.check)
        viewer.sock.recv(2048)
        return viewer

    def tcp(self, port: int) -> socket.socket:
        sock = self.held.enter_context(socket.socket())
        sock.settimeout(10)
        sock.connect((HOST, port))
        return sock

    def udp(self, port: int) -> socket.socket:
        sock = self.held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.settimeout(10)
        sock.connect((HOST, port))
        return sock


# Attacks: each returns what the log must say afterwards


def dtls_hello(place: Place) -> list[str]:
    """A ClientHello, and no more."""
    for _ in range(30):
        viewer = place.whep()
        for datagram in viewer.dtls.start():
            viewer.sock.send(datagram)
    return [f"not connected within {CONNECT_SECONDS} s: no DTLS handshake"]


def dtls_first_flight(place: Place) -> list[str]:
    """The server's flight is answered with the first datagram of the next, over and over."""
    for _ in range(20):
        viewer = place.whep()
        for datagram in viewer.dtls.start():
            viewer.sock.send(datagram)
        answers: list[bytes] = []
        while not answers:
            data = viewer.sock.recv(2048)
            answers = viewer.dtls.feed(data) if data[0] >= 20 else []
        for _ in range(20):
            viewer.sock.send(answers[0][:-1])
    return [f"not connected within {CONNECT_SECONDS} s: no DTLS handshake"]


def stun_flood(place: Place) -> list[str]:
    """Of nobody, and of a name that is somebody's with another password; and noise."""
    viewer = place.whep()
    request = stun.parse_request(viewer.check)
    assert request is not None
    user = f"{request.local}:{request.remote}"
    kinds = [
        stun.write_request(os.urandom(12), user, "w" * 24, nominates=True),
        stun.write_request(os.urandom(12), "nobody:4Zcd", "w" * 24, nominates=True),
        b"\0\1" + os.urandom(500),
    ]
    stranger = place.udp(place.webrtc)
    for number in range(FLOOD):
        stranger.send(kinds[number % len(kinds)])
        if number % 100 == 0:
            time.sleep(0.001)
    return [r"in all [1-9]\d{3,} of no session, [1-9]\d* checks"]


def webrtc_reports(place: Place) -> list[str]:
    viewer = webrtc_viewer.begin(HOST, place.http, "demo")
    place.held.enter_context(viewer.sock)
    assert viewer.dtls.srtp is not None
    for number in range(2000):
        report = rtcp.receiver_report(9) + rtcp.picture_loss(9, number)
        viewer.sock.send(viewer.dtls.srtp.outward.protect_rtcp(report))
    return [r"[1-9]\d* of RTCP beyond 500 a second"]


def rtmp_unfinished(place: Place) -> list[str]:
    """58 messages of 64 KiB, of each all but the end, in chunks as small as may be."""
    data = RTMP_GREETING + write_message(SET_CHUNK_SIZE, RTMP_LEAST_CHUNK_BYTES.to_bytes(4))
    rest = (65_535 // RTMP_LEAST_CHUNK_BYTES - 2) * RTMP_LEAST_CHUNK_BYTES
    for number in range(70, 128):
        head = bytes((0, number - 64)) + bytes(3) + (65_535).to_bytes(3) + b"\x14" + bytes(4)
        again = bytes((0xC0, number - 64)) + bytes(RTMP_LEAST_CHUNK_BYTES)
        data += head + bytes(RTMP_LEAST_CHUNK_BYTES) + again * (rest // RTMP_LEAST_CHUNK_BYTES)
    for _ in range(20):
        sock = place.tcp(place.rtmp)
        with suppress(OSError):  # it is closed before it has said all that
            sock.sendall(data)
    return []


def rtmp_pings(place: Place) -> list[str]:
    """As many as go, whose answers nobody reads."""
    ping = write_message(USER_CONTROL, b"\0\6" + bytes(4))
    for _ in range(3):
        sock = place.tcp(place.rtmp)
        sock.settimeout(0.1)
        with suppress(OSError):
            sock.sendall(RTMP_GREETING + ping * 50_000)
    return []


def rtsp_reports(place: Place) -> list[str]:
    sock = place.held.enter_context(rtsp_viewer.connect(HOST, place.rtsp, "demo", udp=False))
    report = rtcp.receiver_report(9) + rtcp.picture_loss(9, 9)
    sock.sendall((b"$\x01" + len(report).to_bytes(2) + report) * 1000)
    return [OVER]


def rtsp_reports_by_udp(place: Place) -> list[str]:
    """Of the viewer, of somebody at its address, and of what no RTCP is."""
    media, reports = rtsp_viewer.connect_both(HOST, place.rtsp, "demo", udp=True)
    place.held.enter_context(media)
    stranger = place.udp(reports.getpeername()[1])
    report = rtcp.receiver_report(9) + rtcp.picture_loss(9, 9)
    kinds = [report, b"\x81\xc9\xff\xff" + os.urandom(60), os.urandom(1400)]
    for number in range(FLOOD):
        (reports if number % 2 else stranger).send(kinds[number % len(kinds)])
        if number % 100 == 0:
            time.sleep(0.001)
    return [OVER]


def srt_trickle(place: Place) -> list[str]:
    """Many that begin; some of them go on with a conclusion that is cut off, never ends, or asks
    for datagrams and windows that no peer has; and a few that finish, and say no more."""
    whole = srt.extensions()
    ends = [
        (1500, 8192, whole[:10]), (1500, 8192, whole[:-7]), (1500, 8192, srt.extensions(0xFFFF)),
        (60, 8192, whole), (1500, 1 << 28, whole), (1500, 8192, whole),
    ]  # fmt: skip
    for number in range(SRT_PEERS):
        sock = place.udp(place.srt)
        sock.send(srt.induction())
        cookie = srt.cookie_of(sock.recv(2048))
        if number % 3 == 0:
            sock.send(srt.conclusion(cookie, *ends[number // 3 % len(ends)]))
    return []


def deaf_websockets(place: Place) -> list[str]:
    """Of a stream of which a buffer is full within a second or two."""
    request = (
        "GET /rich/mse_ld HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n\r\n"
    )
    for _ in range(DEAF):
        sock = place.held.enter_context(socket.socket())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((HOST, place.http))
        sock.sendall(request.encode())
    return []


ATTACKS: list[Callable[[Place], list[str]]] = [
    dtls_hello, dtls_first_flight, stun_flood, webrtc_reports, rtsp_reports, rtsp_reports_by_udp,
    rtmp_unfinished, rtmp_pings, srt_trickle, deaf_websockets,
]  # fmt: skip


async def serve(streamer: Streamer) -> Place:
    inside, films = streamer.directory / "inside", streamer.directory / "films"
    rich_film(films)
    inside.mkdir()
    (inside / "sitecustomize.py").write_text(SHORT)
    rtmp, rtsp = free_port(), free_port()
    webrtc, port = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    streamer.write(
        f"rtmp {HOST}:{rtmp};\nrtsp {HOST}:{rtsp};\nsrt {HOST}:{port};\nwebrtc {HOST}:{webrtc};\n"
        f"vod films {{ storage {films}; }}\n"
        "stream demo { input fake://fake; segment_duration 1; }\n"
        "stream rich { input file://films/rich.ts; segment_duration 1; }\n"
    )
    await streamer.serve(PYTHONPATH=str(inside))
    for name in ("demo", "rich"):
        await streamer.running(name)
    return Place(streamer, rtmp, rtsp, port, webrtc)


class Lag:
    """How long this process itself did nothing, at most: that is nobody's gap."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.task = asyncio.create_task(self._look())

    async def _look(self) -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(0.02)
            now = time.monotonic()
            self.longest, before = max(self.longest, now - before - 0.02), now


async def more(viewer: TsViewer) -> None:
    """Somebody watches, and is sent more."""
    wanted = len(viewer.data) + 20_000

    async def has_come() -> bool:
        return len(viewer.data) > wanted

    await until(has_come, "who watches is sent more")


async def full(streamer: Streamer) -> None:
    """Nothing more is written to who reads nothing."""
    before: dict[str, int] = {}

    async def is_full() -> bool:
        nonlocal before
        _, found = await streamer.api("GET", "/sessions?proto=mseld")
        last, before = before, {one["id"]: one["bytes"] for one in found["sessions"]}
        if last == before and len(before) >= DEAF:
            return min(before.values()) > FULL_BYTES
        await asyncio.sleep(TOLD_SECONDS)
        return False

    await until(is_full, "all that is unread is as much as may be", 30)


async def test_what_they_cost(streamer: Streamer) -> None:
    """Little memory, no gap for who watches, a line where there is one to say, and all are served
    as before."""
    place = await serve(streamer)
    workers = {kind: streamer.worker(kind) or 0 for kind in ("egress", "media")}
    viewer, lag = TsViewer(f"{streamer.base}/demo/mpegts"), Lag()
    lines: set[str] = set()
    try:
        await asyncio.to_thread(place.whep)  # what the first one loads stays
        for attack in ATTACKS:
            for _ in range(TRIES):
                await more(viewer)
                viewer.longest_gap = lag.longest = 0.0
                before = {kind: proc.resident_mib(pid) for kind, pid in workers.items()}
                lines |= set(await asyncio.to_thread(attack, place))
                await more(viewer)
                if attack is deaf_websockets:
                    await full(streamer)
                grown = {
                    kind: proc.resident_mib(pid) - before[kind] for kind, pid in workers.items()
                }
                gap = viewer.longest_gap - lag.longest
                assert max(grown.values()) < GROWTH_MIB, (attack.__name__, grown)
                if gap < GAP_SECONDS:
                    break
            assert gap < GAP_SECONDS, attack.__name__
        for line in lines:

            async def is_said(words: str = line) -> bool:
                return re.search(words, streamer.log) is not None

            await until(is_said, line, 20)
        assert viewer.is_whole
        assert {kind: streamer.worker(kind) for kind in workers} == workers
        for protocol, port in (("webrtc", place.http), ("rtsp", place.rtsp), ("srt", place.srt)):
            await asyncio.to_thread(first_key, protocol, port, "demo")
    finally:
        place.held.close()
        for task in (viewer.task, lag.task):
            task.cancel()
        await asyncio.gather(viewer.task, lag.task, return_exceptions=True)
    assert "Traceback" not in streamer.log
