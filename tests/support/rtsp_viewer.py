"""An RTSP viewer in a few blocking exchanges, whose packets come by a socket that is read.

Within the connection both tracks come, by UDP the first one alone: a socket a viewer is what those
who read many of them have.
"""

import re
import socket

from tests.support.rtmp_request import TIMEOUT_SECONDS

_KEPT: list[socket.socket] = []
"""Connections that hold sessions open, and ports of RTCP."""


def connect(host: str, port: int, name: str, *, udp: bool) -> socket.socket:
    """What the packets of a viewer come by; raises ValueError for a refusal."""
    return connect_both(host, port, name, udp=udp)[0]


def connect_both(
    host: str, port: int, name: str, *, udp: bool
) -> tuple[socket.socket, socket.socket]:
    """The same, and what reports go by: a connected socket."""
    control = socket.create_connection((host, port), TIMEOUT_SECONDS)
    try:
        return _play(control, host, f"rtsp://{host}:{port}/{name}", udp=udp)
    except BaseException:
        control.close()
        raise


def _play(
    control: socket.socket, host: str, url: str, *, udp: bool
) -> tuple[socket.socket, socket.socket]:
    session, number = "", 0

    def ask(method: str, target: str, *lines: str) -> tuple[str, bytes]:
        nonlocal session, number
        number += 1
        head = [f"{method} {target} RTSP/1.0", f"CSeq: {number}", *lines]
        head += [f"Session: {session}"] if session else []
        control.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += _read(control)
        answer, _, body = data.partition(b"\r\n\r\n")
        text = answer.decode()
        if " 200 " not in text.split("\r\n", 1)[0]:
            raise ValueError(f"{method}: {text[:100]!r}")
        if found := re.search(r"(?im)^content-length: *(\d+)", text):
            while len(body) < int(found[1]):
                body += _read(control)
        if found := re.search(r"(?im)^session: *([^;\r\n]+)", text):
            session = found[1]
        return text, body

    _, description = ask("DESCRIBE", url, "Accept: application/sdp")
    tracks = re.findall(r"(?m)^m=.*?^a=control:([^\r\n]+)", description.decode(), re.DOTALL)
    targets = [one if "://" in one else f"{url}/{one}" for one in tracks]
    if udp:
        media, reports = _pair(host)
        first = media.getsockname()[1]
        wanted = f"Transport: RTP/AVP;unicast;client_port={first}-{first + 1}"
        given, _ = ask("SETUP", targets[0], wanted)
        found = re.search(r"server_port=\d+-(\d+)", given)
        if found is None:
            raise ValueError(f"SETUP: no ports: {given!r}")
        reports.connect((host, int(found[1])))
        _KEPT.extend((control, reports))
    else:
        media = reports = control
        for n, target in enumerate(targets):
            channels = f"{2 * n}-{2 * n + 1}"
            ask("SETUP", target, f"Transport: RTP/AVP/TCP;unicast;interleaved={channels}")
    number += 1
    request = (
        f"PLAY {url} RTSP/1.0\r\nCSeq: {number}\r\nSession: {session}\r\nRange: npt=0-\r\n\r\n"
    )
    control.sendall(request.encode())  # its answer comes with the first packets
    return media, reports


def _read(sock: socket.socket) -> bytes:
    if data := sock.recv(1 << 16):
        return data
    raise ConnectionError("closed within an answer")


def _pair(host: str) -> tuple[socket.socket, socket.socket]:
    """An even port and the next one."""
    while True:
        media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        media.bind((host, 0))
        port = media.getsockname()[1]
        reports = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            if port % 2 == 0:
                reports.bind((host, port + 1))
                media.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                return media, reports
        except OSError:
            pass
        media.close()
        reports.close()


def is_key(packet: bytes) -> bool:
    """Whether an RTP packet begins a picture of H.264 that stands alone (RFC 6184 5.4 and 5.8)."""
    if len(packet) < 14 or packet[0] >> 6 != 2:
        return False
    kind = packet[12] & 0x1F
    if kind == 28:  # FU-A: its first piece
        return packet[13] & 0x9F == 0x85
    if kind != 24:
        return kind == 5
    at = 13  # STAP-A: parameter sets, and often a small picture with them
    while at + 2 < len(packet):
        if packet[at + 2] & 0x1F == 5:
            return True
        at += 2 + int.from_bytes(packet[at : at + 2], "big")
    return False


def first_key(host: str, port: int, name: str, *, udp: bool) -> None:
    """Wait for the first packet of a key frame; raises ConnectionError, TimeoutError."""
    with connect(host, port, name, udp=udp) as media:
        media.settimeout(TIMEOUT_SECONDS)
        data = b""
        while True:
            if udp:
                if is_key(media.recv(2048)):
                    return
                continue
            data += _read(media)
            if data.startswith(b"RTSP/"):
                _, end, data = data.partition(b"\r\n\r\n")
                if not end:
                    raise ConnectionError("the answer to PLAY is cut")
            while len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[2:4], "big"):
                size = 4 + int.from_bytes(data[2:4], "big")
                if data[1] == 0 and is_key(data[4:size]):
                    return
                data = data[size:]
