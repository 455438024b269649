"""The RTMP handshake, server side (Adobe RTMP 1.0, section 5.2).

The simple form is answered: C1 comes back as S2. Clients that sign C1 (the undocumented "complex"
handshake) check the answer only in Flash Player; ffmpeg, OBS, VLC and librtmp take an unsigned one.
"""

import os
import struct
import time

VERSION = 3
PACKET_BYTES = 1536
_REFUSED_VERSIONS = {6: "RTMPE", 8: "RTMPE", 9: "RTMPE"}


class HandshakeError(Exception):
    """The peer does not speak RTMP."""


class Handshake:
    """Fed with what the client sends until `done`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._answered = False
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the client, return bytes to send. Raises HandshakeError.

        Once `done`, `rest()` gives what the client sent behind its handshake.
        """
        self._buffer += data
        answer = b""
        if not self._answered:
            if self._buffer:
                _check_version(self._buffer)
            if len(self._buffer) < 1 + PACKET_BYTES:
                return b""
            c1 = bytes(self._buffer[1 : 1 + PACKET_BYTES])
            del self._buffer[: 1 + PACKET_BYTES]
            answer = _answer(c1)
            self._answered = True
        if len(self._buffer) >= PACKET_BYTES:
            del self._buffer[:PACKET_BYTES]  # C2 echoes S1; clients that do not are let in
            self.done = True
        return answer

    def rest(self) -> bytes:
        """Bytes behind the handshake."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data


def _check_version(buffer: bytearray) -> None:
    version = buffer[0]
    if version in _REFUSED_VERSIONS:
        raise HandshakeError(f"{_REFUSED_VERSIONS[version]} (version {version}) is not supported")
    # 32 and above are printable: some text protocol, such as HTTP (section 5.2.2).
    if version < VERSION or version >= 32:
        raise HandshakeError(f"no RTMP: first byte is {version}")


def _answer(c1: bytes) -> bytes:
    """S0, S1 and S2 (sections 5.2.2 to 5.2.4)."""
    now = int(time.monotonic() * 1000) & 0xFFFFFFFF
    s1 = struct.pack(">II", now, 0) + os.urandom(PACKET_BYTES - 8)
    s2 = c1[:4] + struct.pack(">I", now) + c1[8:]
    return bytes([VERSION]) + s1 + s2
