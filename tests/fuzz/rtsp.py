"""Readers of RTP, RTSP and descriptions of sessions, each with valid beginnings."""

import asyncio
from collections.abc import Hashable
from typing import cast

from media_streamer import digest
from media_streamer.protocols.rtsp import address, presentation, transport
from media_streamer.protocols.rtsp.client import Refused as RefusedByServer
from media_streamer.protocols.rtsp.client import RtspClient, RtspUrl
from media_streamer.protocols.rtsp.message import (
    MessageError,
    MessageReader,
    Response,
    write_interleaved,
)
from media_streamer.protocols.rtsp.publish import announced
from media_streamer.protocols.rtsp.status import Refused
from media_streamer.rtp import packet, rtcp, sdp
from media_streamer.rtp.receiver import CommonClock, ReceivedTrack

from tests.fuzz.engine import Target
from tests.fuzz.pieces import portions, size, text

DESCRIPTION = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    b"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;"
    b"sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==\r\na=control:trackID=0\r\n"
    b"m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/44100/2\r\na=fmtp:97 streamtype=5;"
    b"mode=AAC-hbr;config=1210;sizelength=13;indexlength=3;indexdeltalength=3\r\n"
    b"m=video 0 RTP/AVP 98\r\na=rtpmap:98 H265/90000\r\nm=video 0 RTP/AVP 99\r\n"
    b"a=rtpmap:99 AV1/90000\r\nm=audio 0 RTP/AVP 100\r\na=rtpmap:100 OPUS/48000/2\r\n"
    b"m=audio 0 RTP/AVP 14 0 8\r\nm=audio 0 RTP/AVP 101\r\na=rtpmap:101 AC3/48000\r\n"
    b"m=video 0 RTP/AVP 102\r\na=rtpmap:102 VP8/90000\r\nm=video 0 RTP/AVP 103\r\n"
    b"a=rtpmap:103 VP9/90000\r\n"
)


def rtsp_messages(data: bytes) -> Hashable:
    reader, seen = MessageReader(), []
    for part in portions(data):
        for message in reader.feed(part):
            seen.append(type(message).__name__)
            headers = getattr(message, "headers", None)
            if headers is not None:
                list(transport.parse(headers.text("transport")))
                digest.parse(headers.text("authorization"))
    return tuple(seen[:6])


def rtsp_urls(data: bytes) -> Hashable:
    found = address.parse(text(data))
    return len(found.tracks), size(len(repr(found)))


def rtsp_transport(data: bytes) -> Hashable:
    return tuple(len(one.write()) for one in transport.parse(text(data)))


def authorization(data: bytes) -> Hashable:
    given = digest.parse(text(data))
    return given is not None


def description(data: bytes) -> Hashable:
    return tuple(one.incoming.codec for one in announced(data, "s"))


def source_description(data: bytes) -> Hashable:
    """Of a camera, behind the base of its controls."""
    base, _, rest = text(data).partition("\n")
    found = presentation.plan(rest, base)
    assert 0 < len(found.tracks) <= presentation.MAX_TRACKS
    assert len({track.url for track in found.tracks}) == len(found.tracks)
    return tuple(track.incoming.codec for track in found.tracks), size(len(found.left_out))


def rtsp_answers(data: bytes) -> Hashable:
    """What a server sends to a client that has asked, signs of life and redirects included."""

    async def run() -> Hashable:
        wire = Wire()
        client = RtspClient(RtspUrl.of("rtsp://me:secret@h/live"))
        client.transport = cast(asyncio.Transport, wire)
        asking = asyncio.ensure_future(client.ask("DESCRIBE", "rtsp://h/live"))
        for part in portions(data):
            for _ in range(4):
                await asyncio.sleep(0)
            client.data_received(part)
        client.connection_lost(None)
        (found,) = await asyncio.gather(asking, return_exceptions=True)
        assert isinstance(found, Response | RefusedByServer | ConnectionResetError), found
        assert len(wire.sent) <= 4096 + 8 * len(data), "it says more than it is told"
        assert b"secret" not in wire.sent
        return type(found).__name__, getattr(found, "status", 0)

    return asyncio.run(run())


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def abort(self) -> None: ...

    def is_closing(self) -> bool:
        return False


def rtp(data: bytes) -> Hashable:
    """Packets of a track, each behind its length; the first byte chooses the codec."""
    tracks = announced(DESCRIPTION, "s")
    chosen = tracks[(data[0] if data else 0) % len(tracks)]
    track = ReceivedTrack(chosen.incoming, CommonClock(0.0), reorder=bool(data and data[0] & 128))
    frames, held, position, now = 0, 0, 1, 0.0
    while position + 2 <= len(data):
        length = int.from_bytes(data[position : position + 2]) % 1500
        piece = data[position + 2 : position + 2 + length]
        position += 2 + length
        now += 0.01
        for frame in track.take(piece, now):
            frames, held = frames + 1, held + len(frame.data)
        track.missing()
    for frame in track.poll(now + 1):
        frames, held = frames + 1, held + len(frame.data)
    track.report(now)
    assert held <= 4 * len(data) + 1024, "frames are larger than what came"
    return chosen.incoming.codec, size(frames), size(track.lost)


def rtcp_elements(data: bytes) -> Hashable:
    elements = rtcp.parse(data)
    track = ReceivedTrack(announced(DESCRIPTION, "s")[0].incoming, CommonClock(0.0), reorder=True)
    list(track.take(packet.write(96, True, 1, 1, 7, b"\x65abc"), 0.0))
    for element in elements:
        track.control(element, 1.0)
    track.report(2.0)
    return tuple(type(element).__name__ for element in elements[:6])


def session_description(data: bytes) -> Hashable:
    found = sdp.parse(text(data))
    return tuple(media.kind for media in found.media)


RTSP = (
    b"ANNOUNCE rtsp://h/live RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n"
    b"Content-Length: 3\r\n\r\nv=0" + write_interleaved(0, b"\x80\x60" + bytes(20))
    + b"SETUP rtsp://h/live/trackID=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP;unicast;"
    b'interleaved=0-1\r\nAuthorization: Digest username="u", realm="r", nonce="n", uri="/", '
    b'response="0123456789abcdef0123456789abcdef"\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n'
)  # fmt: skip


def _rtp_packets(*payloads: bytes) -> bytes:
    parts = [
        packet.write(96, True, number, 90 * number, 7, payload)
        for number, payload in enumerate(payloads)
    ]
    return b"".join(len(part).to_bytes(2) + part for part in parts)


RTP = _rtp_packets(
    b"\x67abc", b"\x7c\x85ab", b"\x7c\x05cd", b"\x7c\x45ef", b"\x78\0\2\x67a\0\2\x68b",
    b"\0\x10\0\x20abcd", b"\x62\1\x93xyz", b"\x10\x0a\x0b\0", b"\0\0\0\0\xff\xfb\x90\0",
    b"\0\1\x0b\x77",
)  # fmt: skip


def targets() -> list[Target]:
    return [
        Target(
            "rtsp_messages",
            rtsp_messages,
            [b"\4" + RTSP, b"\0" + RTSP],
            (MessageError,),
            (b"\r\n", b"\n\n", b"$\0\0\4", b"Content-Length: ", b"RTSP/1.0", b"CSeq: 1"),
        ),
        Target(
            "rtsp_answers",
            rtsp_answers,
            [
                b'\4RTSP/1.0 401 No\r\nCSeq: 1\r\nWWW-Authenticate: Basic realm="a"\r\n'
                b'WWW-Authenticate: Digest realm="a", nonce="b", qop="auth"\r\n\r\n'
                b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nSession: 1;timeout=9\r\n\r\n",
                b"\4RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://192.0.2.1/\r\n\r\n",
                b"\4OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n$\0\0\2ab",
            ],
            (),
            (b"\r\n", b"RTSP/1.0 ", b"CSeq: 1", b"$\0\0\4", b"Digest ", b"TEARDOWN"),
        ),
        Target(
            "source_description",
            source_description,
            [b"rtsp://cam/live/\n" + DESCRIPTION],
            (presentation.PresentationError,),
            (b"a=control:", b"a=sendonly", b"a=recvonly", b"rtsp://", b"?", b"m=video 0 RTP/AVP "),
        ),
        Target(
            "rtsp_urls",
            rtsp_urls,
            [b"rtsp://u:p@[::1]:554/live/trackID=1?token=%20#x"],
            (address.BadUrl,),
            (b"[", b"]", b"%", b"trackID=", b"@", b"://"),
        ),
        Target(
            "rtsp_transport",
            rtsp_transport,
            [b"RTP/AVP/TCP;unicast;interleaved=0-1,RTP/AVP;client_port=5000-5001;ssrc=1A"],
        ),
        Target(
            "authorization",
            authorization,
            [
                b'Digest username="u", realm="r", nonce="n", uri="/", response="x", qop=auth',
                b"Basic dTpw",
            ],
        ),
        Target(
            "description",
            description,
            [DESCRIPTION],
            (Refused,),
            (b"a=fmtp:96 ", b"sprop-vps=", b"config=", b"sizelength=", b"/", b"=", b","),
        ),
        Target(
            "rtp",
            rtp,
            [bytes([n]) + RTP for n in (*range(11), 128)],
            (),
            (b"\x80\x60", b"\x80\xe0"),
        ),
        Target(
            "rtcp",
            rtcp_elements,
            [
                rtcp.sender_report(7, 1 << 40, 90, 1, 2)
                + rtcp.description(7, "c")
                + rtcp.nack(1, 7, [1, 2, 99])
                + rtcp.remb(1, 10**6, [7])
                + rtcp.goodbye(7)
            ],
            (),
            (b"\x80\xc8", b"\x81\xc9", b"\x8f\xcd", b"\x81\xcd", b"REMB"),
        ),
        Target(
            "session_description",
            session_description,
            [DESCRIPTION],
            (sdp.SdpError,),
            (b"m=", b"a=", b"\r\n", b"a=rtpmap:", b"a=extmap:"),
        ),
    ]
