"""A viewer by WHEP that takes packets and decrypts none: connecting, and nothing else."""

import http.client
import os
import re
import socket

from media_streamer.protocols.webrtc import stun
from media_streamer.protocols.webrtc.dtls import Dtls, Identity

from tests.support.webrtc_offers import FINGERPRINT, browser

TIMEOUT_SECONDS = 20.0
HEADERS = {"Content-Type": "application/sdp"}
RECEIVE_BYTES = 1 << 20
_identity: list[Identity] = []


def connect(host: str, port: int, name: str) -> socket.socket:
    """The socket of a viewer whose media is on its way; it has to be read within 30 s, which is as
    long as its consent lasts."""
    if not _identity:
        _identity.append(Identity())
    (own,) = _identity
    server = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    offer = browser().replace(FINGERPRINT, own.fingerprint)
    server.request("POST", f"/{name}/whep", offer, HEADERS)
    answer = server.getresponse()
    text = answer.read().decode()
    server.close()
    if answer.status != 201:
        raise ConnectionError(f"{answer.status} {text}")
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    sock.settimeout(TIMEOUT_SECONDS)
    sock.connect((host, int(_value(text, r"^m=\w+ (\d+) "))))
    ufrag, password = _value(text, r"^a=ice-ufrag:(\S+)"), _value(text, r"^a=ice-pwd:(\S+)")
    sock.send(stun.write_request(os.urandom(12), f"{ufrag}:4Zcd", password, nominates=True))
    sock.recv(2048)
    dtls = Dtls(own, _value(text, r"^a=fingerprint:(.+?)\r?$"), is_client=True)
    datagrams = dtls.start()
    while True:
        for datagram in datagrams:
            sock.send(datagram)
        if dtls.srtp is not None:
            return sock
        datagrams = dtls.feed(sock.recv(2048))


def _value(text: str, pattern: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise ConnectionError(f"the answer has no {pattern}")
    return found[1]
