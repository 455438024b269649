"""A peer's way in: checks, DTLS, SRTP; and what happens to those who mean harm."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from media_streamer.budgets import WEBRTC_CONNECT_SECONDS
from media_streamer.protocols.webrtc import connection as module
from media_streamer.protocols.webrtc import dtls, stun
from media_streamer.protocols.webrtc import port as port_module
from media_streamer.protocols.webrtc.connection import Credentials, PeerConnection
from media_streamer.protocols.webrtc.dtls import Dtls, DtlsError, Identity, pack_records
from media_streamer.protocols.webrtc.port import WebRtcPort
from media_streamer.rtp import rtcp
from media_streamer.rtp.packet import write

PASSWORD = "p" * 24
LOCAL = Credentials("ours", PASSWORD)


@pytest.fixture(scope="module")
def ours() -> Identity:
    return Identity()


@pytest.fixture(scope="module")
def theirs() -> Identity:
    return Identity()


class Recorder:
    """A handler that keeps what it hears."""

    def __init__(self) -> None:
        self.connected = False
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.closed: list[str] = []

    def on_connected(self) -> None:
        self.connected = True

    def on_rtp(self, packet: bytes) -> None:
        self.rtp.append(packet)

    def on_rtcp(self, packet: bytes) -> None:
        self.rtcp.append(packet)

    def on_closed(self, reason: str) -> None:
        self.closed.append(reason)


@pytest.fixture
async def port() -> AsyncIterator[WebRtcPort]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    made = WebRtcPort(sock)
    yield made
    for one in list(made._names.values()):
        one.close("the test is over")
    made.close()


@pytest.fixture
def peer(port: WebRtcPort) -> Iterator[socket.socket]:
    """The socket of a peer, connected to the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port.number))
        sock.setblocking(False)
        yield sock


async def heard(sock: socket.socket) -> bytes:
    async with asyncio.timeout(30):
        return await asyncio.get_running_loop().sock_recv(sock, 2048)


async def until(condition) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what changes is set by a socket
            await asyncio.sleep(0.005)


def check(ufrag: str = "ours", password: str = PASSWORD, *, nominates: bool = True) -> bytes:
    return stun.write_request(os.urandom(12), f"{ufrag}:them", password, nominates=nominates)


async def shake(sock: socket.socket, side: Dtls, *, first: bool) -> None:
    """The peer's part of the handshake."""
    sock.send(check())
    await heard(sock)
    for datagram in side.start() if first else []:
        sock.send(datagram)
    while side.srtp is None:
        for datagram in side.feed(await heard(sock)):
            sock.send(datagram)


@pytest.mark.parametrize("is_client", [False, True])
async def test_media_goes_both_ways(
    port: WebRtcPort, peer: socket.socket, ours: Identity, theirs: Identity, is_client: bool
) -> None:
    handler = Recorder()
    made = PeerConnection(port, ours, LOCAL, theirs.fingerprint, handler, is_client=is_client)
    side = Dtls(theirs, ours.fingerprint, is_client=not is_client)
    await shake(peer, side, first=not is_client)
    await until(lambda: handler.connected)
    assert side.srtp is not None
    packets = [write(96, False, n, n, 7, bytes(1000)) for n in range(40)]
    made.send_rtp(packets)
    for packet in packets:
        assert side.srtp.inward.unprotect(await heard(peer)) == packet
    report = rtcp.receiver_report(9)
    made.send_rtcp(report)
    assert side.srtp.inward.unprotect_rtcp(await heard(peer)) == report
    peer.send(side.srtp.outward.protect(packets[0]))
    peer.send(side.srtp.outward.protect_rtcp(report))
    peer.send(b"\x80" + bytes(40))
    await until(lambda: handler.rtcp)
    assert (handler.rtp, handler.rtcp) == ([packets[0]], [report])
    for datagram in side.close():
        peer.send(datagram)
    await until(lambda: handler.closed)
    assert handler.closed == ["the peer closed the connection"]
    assert not port.is_full
    assert port._names == {}
    assert port._addresses == {}


async def test_a_certificate_that_is_not_that_of_the_offer_ends_it(
    port: WebRtcPort, peer: socket.socket, ours: Identity, theirs: Identity
) -> None:
    handler = Recorder()
    PeerConnection(port, ours, LOCAL, ours.fingerprint, handler, is_client=False)
    side = Dtls(theirs, ours.fingerprint, is_client=True)
    peer.send(check())
    await heard(peer)
    for datagram in side.start():
        peer.send(datagram)

    async def go_on() -> None:
        while not handler.closed:
            for datagram in side.feed(await heard(peer)):
                peer.send(datagram)

    task = asyncio.create_task(go_on())
    await until(lambda: handler.closed)
    task.cancel()
    assert handler.closed == ["DTLS: the peer's certificate is not that of its SDP"]
    assert not handler.connected


async def test_nobody_is_answered_whom_nobody_knows(
    port: WebRtcPort, peer: socket.socket, ours: Identity, theirs: Identity
) -> None:
    handler = Recorder()
    PeerConnection(port, ours, LOCAL, theirs.fingerprint, handler, is_client=False)
    for number in range(40):
        peer.send(check("else"))
        peer.send(check(password="q" * 24))
        peer.send(b"\x16\xfe\xff" + bytes(50))
        peer.send(b"\x80" + bytes(50))
        peer.send(os.urandom(60))
        sent = 5 * (number + 1)
        await until(lambda sent=sent: port.unknown + port.refused == sent)
    with pytest.raises(BlockingIOError):
        peer.recv(2048)
    assert not handler.closed
    peer.send(check())
    assert (await heard(peer))[:2] == b"\x01\x01", "an honest check is answered all the same"


async def test_checks_from_everywhere_are_bounded(
    port: WebRtcPort, ours: Identity, theirs: Identity
) -> None:
    made = PeerConnection(port, ours, LOCAL, theirs.fingerprint, Recorder(), is_client=False)
    data = check(nominates=False)
    request = stun.parse_request(data)
    assert request is not None
    for number in range(100):
        address = ("192.0.2.1", 10_000 + number)
        assert made.take_check(data, request, address) is not None
    assert len(made.addresses) == module.MAX_ADDRESSES
    assert len(port._addresses) == module.MAX_ADDRESSES
    assert ("192.0.2.1", 10_000) in made.addresses, "the one that is used stays"


async def test_a_handshake_that_stops_half_way_ends(
    port: WebRtcPort, peer: socket.socket, ours: Identity, theirs: Identity
) -> None:
    handler = Recorder()
    made = PeerConnection(port, ours, LOCAL, theirs.fingerprint, handler, is_client=False)
    side = Dtls(theirs, ours.fingerprint, is_client=True)
    peer.send(check())
    await heard(peer)
    for datagram in side.start():
        peer.send(datagram)
    await heard(peer)
    now = asyncio.get_running_loop().time()
    made.check(now + 1)
    assert made.is_open
    made.check(now + WEBRTC_CONNECT_SECONDS + 60)
    assert handler.closed == ["not connected within 20 s: no DTLS handshake"]
    made.close("again")
    assert len(handler.closed) == 1


async def test_who_never_comes_is_forgotten(
    port: WebRtcPort, ours: Identity, theirs: Identity
) -> None:
    handler = Recorder()
    made = PeerConnection(port, ours, LOCAL, theirs.fingerprint, handler, is_client=False)
    made.check(asyncio.get_running_loop().time() + WEBRTC_CONNECT_SECONDS + 1)
    assert handler.closed == ["not connected within 20 s: no packet by UDP or TCP"]


async def test_a_peer_without_consent_is_not_sent_to(
    port: WebRtcPort, peer: socket.socket, ours: Identity, theirs: Identity
) -> None:
    handler = Recorder()
    made = PeerConnection(port, ours, LOCAL, theirs.fingerprint, handler, is_client=False)
    await shake(peer, Dtls(theirs, ours.fingerprint, is_client=True), first=True)
    await until(lambda: handler.connected)
    now = asyncio.get_running_loop().time()
    made.check(now + module.CONSENT_SECONDS - 5)
    assert made.is_open
    made.check(now + module.CONSENT_SECONDS + 1)
    assert handler.closed == ["the peer said nothing for 30 s"]


async def test_a_flood_of_feedback_is_bounded_and_ends_the_session(
    port: WebRtcPort, peer: socket.socket, ours: Identity, theirs: Identity
) -> None:
    handler = Recorder()
    made = PeerConnection(port, ours, LOCAL, theirs.fingerprint, handler, is_client=False)
    side = Dtls(theirs, ours.fingerprint, is_client=True)
    await shake(peer, side, first=True)
    await until(lambda: handler.connected)
    assert side.srtp is not None
    protect = side.srtp.outward.protect_rtcp
    flood = [protect(rtcp.receiver_report(9)) for _ in range(module.WEBRTC_FEEDBACK_PER_SECOND)]
    for data in flood:
        made.take_media(data)
    heard_before = len(handler.rtcp)
    for _ in range(module.MAX_BAD_PACKETS + 100):
        made.take_media(flood[0])
    assert heard_before == len(flood)
    assert len(handler.rtcp) - heard_before <= module.WEBRTC_FEEDBACK_PER_SECOND
    assert handler.closed == ["too many packets of no use to this session"]
    assert port.surplus > module.MAX_BAD_PACKETS - module.WEBRTC_FEEDBACK_PER_SECOND


async def test_strangers_are_told_of_when_they_are_many(
    port: WebRtcPort, caplog: pytest.LogCaptureFixture
) -> None:
    """At once, then not for a minute; a few that come now and then are not worth a line."""

    def come(count: int) -> None:
        for _ in range(count):
            port.take(b"\x00\x01" + bytes(18), ("192.0.2.1", 9))

    now = port._tells_at
    come(10_000)
    for seconds in (0, 1, 59):
        port._tell(now + seconds)
    come(port_module.MANY - 1)
    port._tell(now + 61)
    come(port_module.MANY - 1)
    port._tell(now + 122)
    (line,) = [record.message for record in caplog.records if "of no use" in record.message]
    assert line.startswith(f"webrtc: port {port.number}: 10000 packets in 0 s were of no use")


class WithoutSegments(socket.socket):
    """As a kernel without UDP_SEGMENT has it."""

    def sendmsg(self, *_: object) -> int:
        raise OSError(22, "Invalid argument")


async def test_a_kernel_without_segments_sends_one_by_one() -> None:
    sock = WithoutSegments(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    port = WebRtcPort(sock)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        packets = [bytes([number]) * 100 for number in range(5)]
        port.send(packets, receiver.getsockname())
        assert [await heard(receiver) for _ in packets] == packets
    port.close()


async def test_an_ice_restart_has_another_name(
    port: WebRtcPort, peer: socket.socket, ours: Identity, theirs: Identity
) -> None:
    made = PeerConnection(port, ours, LOCAL, theirs.fingerprint, Recorder(), is_client=False)
    peer.send(check())
    await heard(peer)
    made.restart(Credentials("never", "x" * 24))
    made.restart(Credentials("again", "n" * 24))
    peer.send(check())
    assert await heard(peer), "the former name holds until the new one is used"
    peer.send(check("again", "n" * 24))
    assert await heard(peer)
    assert set(port._names) == {"again"}
    before = port.unknown
    peer.send(check())
    await until(lambda: port.unknown > before)


def test_a_handshake_of_too_many_datagrams_fails(ours: Identity, theirs: Identity) -> None:
    side = Dtls(ours, theirs.fingerprint, is_client=False)
    garbage = b"\x16\xfe\xff" + bytes(60)
    for _ in range(dtls.MAX_HANDSHAKE_DATAGRAMS):
        side.feed(garbage)
    with pytest.raises(DtlsError, match="too many"):
        side.feed(garbage)


def test_records_are_not_cut() -> None:
    records = [b"\x16\xfe\xfd" + bytes(8) + size.to_bytes(2) + bytes(size) for size in (900, 400)]
    assert pack_records(b"".join(records)) == records
    small = records[1]
    assert pack_records(small * 2) == [small * 2]
    assert pack_records(b"") == []
    assert pack_records(b"\x16\xfe") == []
