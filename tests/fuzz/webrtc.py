"""What WebRTC peers send before anybody knows them: descriptions, checks, frames by TCP."""

import asyncio
import contextlib
import socket
from collections.abc import Hashable

from media_streamer.egress.access import AccessDenied
from media_streamer.protocols.webrtc import answer, call, offer, play, publish, stun, tcp
from media_streamer.protocols.webrtc.offer import OfferError
from media_streamer.protocols.webrtc.play import Described
from media_streamer.protocols.webrtc.port import WebRtcPort
from media_streamer.rtp.sdp import Media

from tests.fuzz.engine import Target
from tests.support.webrtc_offers import FINGERPRINT, browser

PLACE = answer.Place("ours", "p" * 24, FINGERPRINT, "passive", ["192.0.2.1"], 8189, True)
TRACKS = [
    Described(0, "v1", 1000, Media("video", encoding="H264", fmtp={"profile-level-id": "42e01f"})),
    Described(1, "a1", 1001, Media("audio", encoding="OPUS", clock_rate=48_000, channels=2)),
]
CHECK = stun.write_request(bytes(12), "ours:theirs", "p" * 24, nominates=True)
SUCCESS = stun.write_success(bytes(12), "192.0.2.1", 9, "p" * 24)


def description(data: bytes) -> Hashable:
    """An offer, and the answers to it as a viewer and as a publisher; an answer to ours."""
    text = data.decode("utf-8", "replace")
    read = offer.parse(text)
    with contextlib.suppress(OfferError):
        offer.parse(text, "answer")
    said = []
    for choose in (lambda: play.choose(TRACKS, read), lambda: publish.choose(read)):
        with contextlib.suppress(AccessDenied):
            streams = {one.section: one.stream for one in choose()}
            written = answer.write(read, streams, PLACE, 1)
            assert len(offer.parse(written, "answer").sections) == len(read.sections)
            said.append(len(streams))
    return len(read.sections).bit_length(), tuple(said), len(read.transport.candidates) > 0


def fragment(data: bytes) -> Hashable:
    return bool(offer.parse_fragment(data.decode("utf-8", "replace")).ufrag)


def checks(data: bytes) -> Hashable:
    request = stun.parse_request(data)
    authentic = request is not None and stun.is_authentic(data, request, "p" * 24)
    return request is not None, authentic, stun.parse_success(data, "p" * 24) is not None


def refusal(data: bytes) -> Hashable:
    said = call._reason(data)
    assert len(said) <= call.MAX_WORDS + 2
    assert said.isprintable()
    return bool(said)


def framed(data: bytes) -> Hashable:
    """A connection that brings this; the first byte says in what portions."""
    return asyncio.run(_framed(data))


async def _framed(data: bytes) -> Hashable:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    port = WebRtcPort(sock)
    path = tcp.TcpPath(port)
    transport = _Transport()
    path.connection_made(transport)
    size = (1, 7, 100, 4096)[data[0] % 4] if data else 1
    for at in range(1, len(data), size):
        if not transport.over:
            path.data_received(data[at : at + size])
        assert len(path._rest) <= tcp.MAX_FRAME_BYTES + 2 + size
    path.connection_lost(None)
    port.close()
    return transport.over, port.unknown.bit_length()


class _Transport(asyncio.Transport):
    over = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        raise AssertionError("nobody is answered whom nobody knows")

    def is_closing(self) -> bool:
        return self.over

    def close(self) -> None:
        self.over = True

    def abort(self) -> None:
        self.over = True


def targets() -> list[Target]:
    lines = [b"\r\na=", b"BUNDLE", b"candidate:1 1 udp 1 192.0.2.1 9 typ host", b"setup:active"]
    seeds = [browser().encode(), browser("sendonly").encode()]
    frame = len(CHECK).to_bytes(2) + CHECK
    return [
        Target("webrtc_description", description, seeds, (OfferError,), lines),
        Target(
            "webrtc_fragment",
            fragment,
            [b"a=ice-ufrag:abcd\r\na=ice-pwd:" + b"x" * 24],
            (OfferError,),
        ),
        Target("webrtc_checks", checks, [CHECK, SUCCESS, CHECK[:20]]),
        Target("webrtc_refusal", refusal, [b'{"title": "no"}', b'{"error": "no\\u0000"}']),
        Target("webrtc_tcp", framed, [b"\2" + frame * 3, b"\0\0\1x" + frame]),
    ]
