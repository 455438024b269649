"""A viewer: the start, what goes on, and what is done with its feedback."""

import asyncio
import struct
from pathlib import Path
from typing import Any

import pytest
from media_streamer.egress.access import Access
from media_streamer.egress.served_sessions import Account
from media_streamer.protocols.webrtc import sender as module
from media_streamer.protocols.webrtc.framing import WebRtcFraming
from media_streamer.protocols.webrtc.outgoing import Chosen
from media_streamer.protocols.webrtc.path import Measure
from media_streamer.protocols.webrtc.path import Path as WebRtcPath
from media_streamer.protocols.webrtc.viewer import WebRtcViewer
from media_streamer.rtp import rtcp
from media_streamer.rtp.packet import KEY_MARK, parse, write
from media_streamer.wire.control import AccessRequest

VIDEO, AUDIO = 1000, 2000
CHOSEN = [Chosen(0, VIDEO, 109, "video"), Chosen(2, AUDIO, 111, "audio")]
LADDER = [Chosen(0, VIDEO, 109, "video", (4,), 3), Chosen(2, AUDIO, 111, "audio")]
NAMES = {0: "v1", 2: "a1", 4: "v2"}
ACCESS = Access("id", "film", Path(), 1, AccessRequest("film", "webrtc", "play", "192.0.2.1"))


def framed(channel: int, packet: bytes) -> bytes:
    return struct.pack(">BBH", 0x24, channel, len(packet)) + packet


def picture(number: int, size: int = 10) -> bytes:
    return framed(0, write(96, True, number, number * 3600, VIDEO, bytes(size)))


def sound(number: int) -> bytes:
    return framed(2, write(97, True, number, number * 960, AUDIO, b"s"))


class FakeConnection:
    """What a viewer does with its peer."""

    remote = "192.0.2.1:5"
    is_open = True
    unsent = 0

    def __init__(self) -> None:
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.closed: list[str] = []

    def send_rtp(self, packets: list[bytes], runs: tuple[int, ...] | None = None) -> None:
        assert runs is None or sum(runs) == len(packets)
        self.rtp += packets

    def send_rtcp(self, packet: bytes) -> None:
        self.rtcp.append(packet)

    def close(self, reason: str) -> None:
        self.closed.append(reason)


class FakeBroadcast:
    """A stream with `gop` so far; it is its own hub and its own place of a viewer."""

    def __init__(self, gop: bytes) -> None:
        self.framer = WebRtcFraming()
        self.framer.chunk(gop, True)
        self.gop = gop
        self.key_frames = 0
        self.left: list[str] = []
        self.hub = self
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        self.account = Account()

    async def broadcast(self, *_: object) -> "FakeBroadcast":
        return self

    def attach(self, transport: WebRtcViewer, access: Access, **_: object) -> "FakeBroadcast":
        transport.write(self.gop)
        return self

    def detach(self, reason: str) -> None:
        self.left.append(reason)

    def give_up(self, access: Access, reason: str) -> None:
        self.left.append(reason)

    def request_key_frame(self) -> None:
        self.key_frames += 1

    def send(self, viewer: WebRtcViewer, chunk: bytes) -> None:
        self.framer.chunk(chunk, False)
        viewer.write(chunk)


async def playing(
    gop: bytes, chosen: list[Chosen] = CHOSEN, *, shows: bool = True
) -> tuple[WebRtcViewer, FakeBroadcast, FakeConnection]:
    broadcast: Any = FakeBroadcast(gop)
    viewer = WebRtcViewer(broadcast, ACCESS, chosen, NAMES, lambda: None, shows=shows)
    connection: Any = FakeConnection()
    viewer.connection = connection
    viewer.on_connected()
    assert viewer._task is not None
    await viewer._task
    return viewer, broadcast, connection


async def test_the_start_and_what_follows() -> None:
    viewer, broadcast, connection = await playing(picture(1) + sound(1) + picture(2))
    broadcast.send(viewer, picture(3) + sound(2))
    seen = [parse(packet) for packet in connection.rtp]
    assert [(one.payload_type, one.sequence) for one in seen] == [
        (109, 1), (109, 2), (109, 3), (111, 2),
    ]  # fmt: skip
    assert [one.timestamp for one in seen[:3]] == [7200 - 90, 7200, 10800]
    assert broadcast.key_frames == 0


async def test_who_passes_on_gets_the_start_with_its_times_and_its_sound() -> None:
    _, _, connection = await playing(picture(1) + sound(1) + picture(2), shows=False)
    seen = [parse(packet) for packet in connection.rtp]
    assert [(one.payload_type, one.timestamp) for one in seen] == [
        (109, 3600), (109, 7200), (111, 960),
    ]  # fmt: skip


async def test_without_a_picture_one_is_asked_for() -> None:
    _, broadcast, _ = await playing(sound(1))
    assert broadcast.key_frames == 1


async def test_a_long_start_is_spread() -> None:
    gop = b"".join(picture(number, 1000) for number in range(300))
    viewer, _, connection = await playing(gop)
    assert 0 < len(connection.rtp) < 100
    assert viewer.get_write_buffer_size() > 0
    async with asyncio.timeout(30):
        while viewer.get_write_buffer_size():  # noqa: ASYNC110 - a timer of the viewer empties it
            await asyncio.sleep(0.01)
    assert [parse(packet).sequence for packet in connection.rtp] == list(range(300))


async def test_a_peer_by_tcp_that_does_not_read_is_waited_for() -> None:
    viewer, broadcast, connection = await playing(picture(1))
    connection.rtp.clear()
    connection.unsent = 10 * module.BURST_BYTES
    for number in range(2, 12):
        broadcast.send(viewer, picture(number, 1000))
    assert connection.rtp == []
    assert viewer.get_write_buffer_size() > connection.unsent + 9_999, "the broadcast may see it"
    connection.unsent = 0
    async with asyncio.timeout(30):
        while viewer.get_write_buffer_size():  # noqa: ASYNC110 - a timer of the viewer empties it
            await asyncio.sleep(0.01)
    assert [parse(packet).sequence for packet in connection.rtp] == list(range(2, 12))


async def test_lost_packets_are_sent_again_as_they_were() -> None:
    viewer, broadcast, connection = await playing(picture(1) + picture(2))
    broadcast.send(viewer, picture(3))
    before = list(connection.rtp)
    connection.rtp.clear()
    viewer.on_rtcp(rtcp.nack(7, VIDEO, [1, 3, 9]))
    assert connection.rtp == [before[0], before[2]]
    connection.rtp.clear()
    viewer.on_rtcp(rtcp.nack(7, 4711, [1]))
    assert connection.rtp == [], "of nobody's source"


async def test_a_flood_of_wishes_is_bounded() -> None:
    viewer, broadcast, connection = await playing(picture(1))
    connection.rtp.clear()
    viewer._wished_at = -module.KEY_FRAME_SECONDS
    for _ in range(2000):
        viewer.on_rtcp(rtcp.nack(7, VIDEO, [1]))
        viewer.on_rtcp(rtcp.picture_loss(7, VIDEO))
    # A second may begin anew meanwhile.
    assert module.REPEATS_A_SECOND <= len(connection.rtp) <= 3 * module.REPEATS_A_SECOND
    assert 1 <= broadcast.key_frames <= 3


def rendition(number: int, size: int = 10, *, key: bool = False) -> bytes:
    mark = framed(KEY_MARK, b"\4") if key else b""
    return mark + framed(4, write(96, True, 500 + number, number * 3600, 4711, bytes(size)))


class KnownPath(WebRtcPath):
    """One that is measured already."""

    now = Measure(0.0, 0.0, 500_000)

    def measure(self, now: float) -> Measure:
        return self.now


async def test_a_narrow_path_gets_another_rendition() -> None:
    viewer, broadcast, connection = await playing(picture(1) + rendition(1), LADDER)
    now = viewer._loop.time()
    framing = broadcast.framer
    framing._clock = lambda: now
    for number in range(2, 40):
        now += 0.1
        broadcast.send(viewer, picture(number, 900) + rendition(number, 90))
    connection.rtp.clear()
    path = viewer.path = KnownPath()
    path.now = Measure(0.2, 0.0, 500_000)
    viewer.on_rtcp(rtcp.remb(1, 500_000, [VIDEO]))
    assert broadcast.key_frames == 1
    broadcast.send(viewer, picture(40) + rendition(40))
    broadcast.send(viewer, picture(41) + rendition(41, key=True))
    broadcast.send(viewer, picture(42) + rendition(42))
    seen = [parse(packet) for packet in connection.rtp]
    assert [one.ssrc for one in seen] == [VIDEO] * 3
    assert [one.sequence for one in seen] == [40, 41, 42], "no gap"
    assert [one.timestamp for one in seen] == [40 * 3600, 41 * 3600, 42 * 3600]
    assert viewer.report().track == "v2"
    assert viewer.report().switches == 1
    before = connection.rtp[2]
    connection.rtp.clear()
    viewer.on_rtcp(rtcp.nack(7, VIDEO, [42]))
    (again,) = connection.rtp
    assert (again[:12], again[20:]) == (before[:12], before[20:])


async def test_pictures_that_would_come_late_are_left_out() -> None:
    narrow = [Chosen(0, VIDEO, 109, "video", (), 3), Chosen(2, AUDIO, 111, "audio")]
    viewer, broadcast, connection = await playing(picture(1), narrow)
    for number in range(2, 40):
        broadcast.send(viewer, picture(number))
    path = viewer.path = KnownPath()
    path.now = Measure(0.6, 0.0, 500_000)
    viewer.on_rtcp(rtcp.remb(1, 500_000, [VIDEO]))
    connection.rtp.clear()
    broadcast.send(viewer, picture(40) + sound(40))
    assert [parse(packet).ssrc for packet in connection.rtp] == [AUDIO]
    broadcast.send(viewer, framed(KEY_MARK, b"\0") + picture(41))
    assert len(connection.rtp) == 1, "the queue is still there"
    path.now = Measure(0.1, 0.0, 500_000)
    broadcast.send(viewer, framed(KEY_MARK, b"\0") + picture(42))
    assert [parse(packet).sequence for packet in connection.rtp][1:] == [40], "no gap"
    assert broadcast.account.dropped_gops == 1
    assert broadcast.account.bytes > 0


@pytest.mark.parametrize("begun", [True, False])
async def test_the_end_gives_back_what_was_taken(begun: bool) -> None:
    viewer, broadcast, connection = await playing(picture(1))
    if not begun:
        other: Any = broadcast
        viewer = WebRtcViewer(other, ACCESS, CHOSEN, NAMES, lambda: None)
        viewer.connection = connection
    viewer.on_closed("gone")
    assert broadcast.left == ["gone"]
    assert viewer.get_write_buffer_size() == 0
