"""A peer's way in by TCP: frames, checks, DTLS and SRTP; who brings nothing of use is ended."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

import pytest
from media_process.door import Doorkeeper
from media_streamer.protocols.webrtc import port as port_module
from media_streamer.protocols.webrtc import stun, tcp
from media_streamer.protocols.webrtc.connection import Credentials, PeerConnection
from media_streamer.protocols.webrtc.dtls import Dtls, Identity
from media_streamer.protocols.webrtc.port import WebRtcPort
from media_streamer.rtp.packet import write

PASSWORD = "p" * 24
LOCAL = Credentials("ours", PASSWORD)
SECONDS = 30


class Recorder:
    """A handler that keeps what it hears."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.closed = asyncio.Event()
        self.rtp: list[bytes] = []

    def on_connected(self) -> None:
        self.connected.set()

    def on_rtp(self, packet: bytes) -> None:
        self.rtp.append(packet)

    def on_rtcp(self, packet: bytes) -> None:
        raise AssertionError("nobody sends any")

    def on_closed(self, reason: str) -> None:
        self.closed.set()


class Peer:
    """The other end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def of(cls, port: WebRtcPort) -> "Peer":
        return cls(*await asyncio.open_connection("127.0.0.1", port.number))

    def send(self, *packets: bytes) -> None:
        self.writer.write(b"".join(len(one).to_bytes(2) + one for one in packets))

    async def heard(self) -> bytes:
        async with asyncio.timeout(SECONDS):
            return await self.reader.readexactly(int.from_bytes(await self.reader.readexactly(2)))

    async def ended(self) -> None:
        """Wait for the end of the connection, by a reset or not."""
        async with asyncio.timeout(SECONDS):
            try:
                while await self.reader.read(4096):
                    pass
            except ConnectionResetError:
                pass
        await self.close()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def shake(self, side: Dtls) -> None:
        """Our address is checked, and the keys are made."""
        self.send(check())
        assert (await self.heard())[:2] == b"\x01\x01"
        self.send(*side.start())
        while side.srtp is None:
            self.send(*side.feed(await self.heard()))


def check(password: str = PASSWORD) -> bytes:
    return stun.write_request(os.urandom(12), "ours:them", password, nominates=True)


@pytest.fixture(scope="module")
def ours() -> Identity:
    return Identity()


@pytest.fixture(scope="module")
def theirs() -> Identity:
    return Identity()


@pytest.fixture
async def port() -> AsyncIterator[WebRtcPort]:
    for _ in range(20):  # a number that is free for both
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        made = WebRtcPort(sock)
        if made.listen(Doorkeeper(100)):
            break
        made.close()
    assert made.has_tcp
    yield made
    for one in list(made._names.values()):
        one.close("the test is over")
    made.close()
    while made.paths:  # noqa: ASYNC110 - closed by the loop
        await asyncio.sleep(0.005)


async def test_media_goes_both_ways_and_survives_its_connection(
    port: WebRtcPort, ours: Identity, theirs: Identity
) -> None:
    handler = Recorder()
    made = PeerConnection(port, ours, LOCAL, theirs.fingerprint, handler, is_client=False)
    peer = await Peer.of(port)
    side = Dtls(theirs, ours.fingerprint, is_client=True)
    await peer.shake(side)
    async with asyncio.timeout(SECONDS):
        await handler.connected.wait()
    assert made.remote.endswith("by TCP")
    assert side.srtp is not None
    packets = [write(96, False, n, n, 7, bytes(1000)) for n in range(5)]
    made.send_rtp(packets[:4])
    for packet in packets[:4]:
        assert side.srtp.inward.unprotect(await peer.heard()) == packet
    peer.send(side.srtp.outward.protect(packets[0]))
    await peer.close()
    async with asyncio.timeout(SECONDS):
        while port._addresses:  # noqa: ASYNC110 - emptied by the loop
            await asyncio.sleep(0.005)
    assert handler.rtp == packets[:1]
    assert made.is_open, "the peer may come again while its consent lasts"
    made.send_rtp(packets[:1])  # to nobody
    again = await Peer.of(port)
    again.send(check())
    await again.heard()
    made.send_rtp(packets[4:])
    assert side.srtp.inward.unprotect(await again.heard()) == packets[4]
    made.close("enough")
    await again.ended()
    assert (port._names, port._addresses) == ({}, {})


async def test_who_brings_nothing_of_use_is_ended(
    port: WebRtcPort, ours: Identity, theirs: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = PeerConnection(port, ours, LOCAL, theirs.fingerprint, Recorder(), is_client=False)
    strange, huge, hasty = [await Peer.of(port) for _ in range(3)]
    huge.writer.write(b"\xff\xff" + bytes(10))
    strange.send(*[check("q" * 24)] * (tcp.MAX_STRANGE_PACKETS + 1))
    for one in (strange, huge):
        await one.ended()
    await hasty.close()
    monkeypatch.setattr(tcp, "WEBRTC_TCP_CHECK_SECONDS", 0.1)
    silent = await Peer.of(port)
    await silent.ended()
    assert port.refused == tcp.MAX_STRANGE_PACKETS + 1
    assert made.is_open
    assert not made.addresses


async def test_frames_are_put_together(port: WebRtcPort, ours: Identity, theirs: Identity) -> None:
    PeerConnection(port, ours, LOCAL, theirs.fingerprint, Recorder(), is_client=False)
    path = tcp.TcpPath(port)
    transport = Transport()
    path.connection_made(transport)
    one = check()
    data = b"\0\0" + 2 * (len(one).to_bytes(2) + one)
    for position in range(len(data)):
        path.data_received(data[position : position + 1])
    assert len(transport.written) == 2
    for answer in transport.written:
        assert len(answer) - 2 == int.from_bytes(answer[:2])
    path.connection_lost(None)
    assert port._addresses == {}


async def test_a_peer_that_does_not_read_is_bounded(port: WebRtcPort) -> None:
    path = tcp.TcpPath(port)
    transport = Transport()
    path.connection_made(transport)
    path.send([b"packet"])
    transport.waiting = tcp.WEBRTC_TCP_UNSENT_BYTES + 1
    path.send([b"packet"] * 3)
    assert transport.written == [b"\0\6packet"]
    assert path.dropped == 3
    path.connection_lost(None)
    path.send([b"packet"])


async def test_a_number_that_another_program_has_is_not_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", other.getsockname()[1]))
        port = port_module.WebRtcPort(sock)
        assert not port.listen(Doorkeeper(10))
        assert not port.has_tcp
        port.close()


class Transport(asyncio.Transport):
    """What a path writes to."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 9)})
        self.written: list[bytes] = []
        self.waiting = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing is behind it."""

    def abort(self) -> None:
        """Nothing is behind it."""
