"""A viewer by WHEP that takes packets and shows none: of this server and of others."""

import http.client
import os
import re
import socket
import time
from dataclasses import dataclass

from media_streamer.protocols.webrtc import stun
from media_streamer.protocols.webrtc.dtls import Dtls, DtlsError, identity_of_process
from media_streamer.rtp.packet import is_rtcp, parse

from tests.support.webrtc_offers import FINGERPRINT, PASSWORD, browser

TIMEOUT_SECONDS = 20.0
REPEAT_SECONDS = 0.2
HEADERS = {"Content-Type": "application/sdp"}
RECEIVE_BYTES = 1 << 20
_IDR, _STAP_A, _FU_A = 5, 24, 28  # RFC 6184 5.2


@dataclass(slots=True)
class WebRtcViewer:
    """Connected."""

    sock: socket.socket
    dtls: Dtls
    check: bytes
    """To be sent more often than every 30 s by who wants to be sent to for longer (RFC 7675)."""


def connect(host: str, port: int, name: str) -> socket.socket:
    """The socket of a viewer whose media is on its way."""
    return begin(host, port, name).sock


def first_key(host: str, port: int, name: str) -> None:
    """Return as soon as a packet of a key frame (H.264) has come."""
    viewer = begin(host, port, name)
    assert viewer.dtls.srtp is not None
    with viewer.sock as sock:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            data = sock.recv(2048)
            if data[0] < 4:
                answer_check(sock, data)
            elif data[0] < 128 or is_rtcp(data):
                continue
            elif _is_key(parse(viewer.dtls.srtp.inward.unprotect(data)).payload):
                return
    raise TimeoutError("no key frame")


def begin(host: str, port: int, name: str) -> WebRtcViewer:
    """Ask, and wait for the keys."""
    viewer = offer(host, port, name)
    viewer.sock.settimeout(REPEAT_SECONDS)
    try:
        _shake(viewer.sock, viewer.dtls, viewer.check)
    except BaseException:
        viewer.sock.close()
        raise
    viewer.sock.settimeout(TIMEOUT_SECONDS)
    return viewer


def offer(host: str, port: int, name: str) -> WebRtcViewer:
    """Ask; nothing is sent to the port yet."""
    own = identity_of_process()
    server = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    body = browser().replace(FINGERPRINT, own.fingerprint)
    server.request("POST", f"/{name}/whep", body, HEADERS)
    answer = server.getresponse()
    text = answer.read().decode()
    server.close()
    if answer.status != 201:
        raise ConnectionError(f"{answer.status} {text}")
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    place = _value(text, r"^a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) ")
    sock.connect((host, int(place)))
    ufrag, password = _value(text, r"^a=ice-ufrag:(\S+)"), _value(text, r"^a=ice-pwd:(\S+)")
    check = stun.write_request(
        os.urandom(12), f"{ufrag}:4Zcd", password, nominates=True, tie_breaker=1
    )
    is_client = _value(text, r"^a=setup:(\w+)") == "passive"
    dtls = Dtls(own, _value(text, r"^a=fingerprint:(.+?)\r?$"), is_client=is_client)
    return WebRtcViewer(sock, dtls, check)


def _shake(sock: socket.socket, dtls: Dtls, check: bytes) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    reached = False
    sock.send(check)
    while dtls.srtp is None:
        if time.monotonic() > deadline:
            raise DtlsError("no handshake in time")
        try:
            data = sock.recv(2048)
        except (TimeoutError, ConnectionRefusedError):
            sock.send(check)
            answers = dtls.poll() if reached else []
        else:
            answers = []
            if data[:2] == b"\x01\x01":
                if not reached:
                    answers = dtls.start()
                reached = True
            elif data[0] < 4:
                answer_check(sock, data)
            else:
                answers = dtls.feed(data)
        for datagram in answers:
            sock.send(datagram)


def answer_check(sock: socket.socket, data: bytes) -> None:
    """A server that is no ICE-lite agent checks where we are."""
    request = stun.parse_request(data)
    if request is not None:
        host, port = sock.getsockname()
        sock.send(stun.write_success(request.transaction, host, port, PASSWORD))


def _is_key(payload: bytes) -> bool:
    kind = payload[0] & 0x1F if payload else 0
    if kind == _FU_A and len(payload) > 1:
        return payload[1] & 0x1F == _IDR
    if kind != _STAP_A:
        return kind == _IDR
    at = 1
    while at + 2 < len(payload):
        if payload[at + 2] & 0x1F == _IDR:
            return True
        at += 2 + int.from_bytes(payload[at : at + 2])
    return False


def _value(text: str, pattern: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise ConnectionError(f"the answer has no {pattern}")
    return found[1]
