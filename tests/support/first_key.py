"""How long a new viewer waits for a key frame: from `connect` to its bytes, by protocol.

Blocking sockets, one viewer at a time. `first_key(protocol, …)` gives seconds. What counts is for
FLV and RTMP the whole first key frame, for MPEG-TS the first packet of one with the tables before
it, for low-latency HLS the first independent part with both playlists and the initialisation
section before it, all on one connection as players ask for them. By RTSP and WebRTC it is the
first packet of one, after all that is said before; by SRT the first packet of MPEG-TS as above,
which is held back for the latency that both sides agree on: 120 ms.
"""

import http.client
import re
import socket
import time
from collections.abc import Callable

from media_streamer.protocols.rtmp.chunks import VIDEO, ChunkReader
from media_streamer.protocols.srt.libsrt import MAX_MESSAGE_BYTES, Option, SrtSocket, ffi

from tests.support import hls_rules, rtsp_viewer, viewers, webrtc_viewer

TIMEOUT_SECONDS = 20.0
READ_BYTES = 1 << 16
MAX_BYTES = 1 << 24
"""More without a key frame is none at all."""
FLV_HEADER_BYTES, FLV_TAG_HEADER_BYTES, FLV_TAG_TRAILER_BYTES = 13, 11, 4
AVC_KEY, AVC_FRAME = 0x17, 1
"""First two bytes of a video tag with a key frame, not the sequence header (FLV 10.1, E.4.3)."""
TS_PACKET_BYTES = 188
_INIT = re.compile(r'#EXT-X-MAP:URI="([^"]*)"')


def first_key(protocol: str, port: int, name: str) -> float:
    """Seconds of one new viewer of `flv`, `ts`, `rtmp`, `rtsp`, `rtsp-udp`, `llhls`, `srt` or
    `webrtc`.

    Raises ConnectionError if the server closes before, TimeoutError, ValueError without key frame.
    """
    began = time.monotonic()
    if protocol == "llhls":
        _low_latency_part(port, name)
    elif protocol == "webrtc":
        webrtc_viewer.first_key(viewers.HOST, port, name)
    elif protocol == "srt":
        _srt_key(port, name)
    elif protocol in ("rtsp", "rtsp-udp"):
        rtsp_viewer.first_key(viewers.HOST, port, name, udp=protocol == "rtsp-udp")
    else:
        with viewers.connect(protocol, port, name) as sock:
            sock.settimeout(TIMEOUT_SECONDS)
            if protocol == "rtmp":
                _rtmp_key(sock)
            else:
                _until(sock, _flv_has_key if protocol == "flv" else ts_has_key)
    return time.monotonic() - began


def _read(sock: socket.socket) -> bytes:
    if data := sock.recv(READ_BYTES):
        return data
    raise ConnectionError("closed before a key frame")


def _until(sock: socket.socket, found: Callable[[bytes], bool]) -> None:
    """Read an HTTP answer until its body satisfies `found`."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _read(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0] or b"chunked" in head.lower():
        raise ValueError(f"not a plain 200 answer: {head[:200]!r}")
    while not found(body):
        if len(body) > MAX_BYTES:
            raise ValueError("no key frame")
        body += _read(sock)


def _flv_has_key(body: bytes) -> bool:
    at = FLV_HEADER_BYTES
    while at + FLV_TAG_HEADER_BYTES <= len(body):
        start = at + FLV_TAG_HEADER_BYTES
        at = start + int.from_bytes(body[at + 1 : at + 4], "big") + FLV_TAG_TRAILER_BYTES
        if at > len(body):
            return False
        if body[start] == AVC_KEY and body[start + 1] == AVC_FRAME:
            return True
    return False


def ts_has_key(body: bytes) -> bool:
    """A packet with a payload start and random_access_indicator (ISO/IEC 13818-1, 2.4.3.5)."""
    for at in range(0, len(body) - TS_PACKET_BYTES + 1, TS_PACKET_BYTES):
        starts, adaptation = body[at + 1] & 0x40, body[at + 3] & 0x20
        if starts and adaptation and body[at + 4] and body[at + 5] & 0x40:
            return True
    return False


def _srt_key(port: int, name: str) -> None:
    sock = SrtSocket.blocking(round(1000 * TIMEOUT_SECONDS))
    try:
        sock.set_flag(Option.STREAMID, f"read:{name}")
        sock.connect(viewers.HOST, port)
        buffer, data = ffi.new("char[]", MAX_MESSAGE_BYTES), b""
        while not ts_has_key(data):
            message = sock.receive(buffer)
            if message is None or len(data) > MAX_BYTES:
                raise ValueError("no key frame")
            data += message
    finally:
        sock.close()


def _rtmp_key(sock: socket.socket) -> None:
    reader = ChunkReader(MAX_BYTES)
    while True:
        for message in reader.feed(_read(sock)):
            if message.kind == VIDEO and message.payload[:2] == bytes((AVC_KEY, AVC_FRAME)):
                return


def _low_latency_part(port: int, name: str) -> None:
    connection = http.client.HTTPConnection(viewers.HOST, port, timeout=TIMEOUT_SECONDS)
    try:
        master = _get(connection, f"/{name}/index.ll.m3u8").decode()
        video = next(line for line in master.splitlines() if "tracks-v1" in line and line[0] != "#")
        base = f"/{name}/" + video.rpartition("/")[0]
        text = _get(connection, f"/{name}/{video}").decode()
        playlist = hls_rules.parse(text)
        parts = [part for segment in playlist.segments for part in segment.parts]
        key = next(p for p in reversed(parts + playlist.open_parts) if p.independent)
        init = _INIT.findall(text)[-1]  # the one of the open segment, if it has its own
        _get(connection, f"{base}/{init}")
        _get(connection, f"{base}/{key.uri}")
    finally:
        connection.close()


def _get(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise ValueError(f"{path}: status {answer.status}")
    return body
