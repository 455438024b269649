"""A port of libsrt in a process of its own, behind our guard: what peers send who were let in."""

import contextlib
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator

from media_streamer.protocols.srt.libsrt import (
    PAYLOAD_BYTES,
    Option,
    SrtError,
    SrtMissingError,
    SrtSocket,
    ffi,
    library,
)

from tests.fuzz.engine import Target
from tests.support import srt_packets as srt

ANSWER_SECONDS = 5.0
PACKETS = 100
"""On one connection; then another one is made."""
TOO_FEW = 16


class Port:
    """Restarted when it is gone."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None
        self._place = ("127.0.0.1", 0)
        self._peer: socket.socket | None = None
        self._number = 0
        self._left = 0

    def close(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def packet(self, data: bytes) -> None:
        """One of somebody who plays: a header without its last field, and what follows."""
        if len(data) < TOO_FEW:
            return
        if self._left <= 0 or self._peer is None:
            self._connect(srt.extensions())
        assert self._peer is not None
        self._left -= 1
        self._send(data[:12] + self._number.to_bytes(4) + data[16:])

    def extension(self, data: bytes) -> None:
        """What a handshake carries."""
        self._connect(data)

    def _send(self, data: bytes) -> None:
        assert self._peer is not None
        with contextlib.suppress(OSError):
            self._peer.send(data[:1456])
        self._look()

    def _connect(self, extension: bytes) -> None:
        self._look()
        if self._peer is not None:
            self._peer.close()
        peer = self._peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.connect(self._place)
        peer.settimeout(ANSWER_SECONDS)
        peer.send(srt.induction())
        cookie = srt.cookie_of(peer.recv(2048))
        peer.send(srt.conclusion(cookie, 1500, 8192, extension[:1400]))
        self._look()
        peer.setblocking(False)
        self._number, self._left = 0, PACKETS
        with contextlib.suppress(BlockingIOError):
            answer = peer.recv(2048)
            self._number = srt.number_of(answer) if len(answer) >= 64 else 0

    def _look(self) -> bytes:
        """The port answers; raises AssertionError if it does not."""
        if self._child is None:
            words = (sys.executable, "-m", "tests.fuzz.srt")
            self._child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
            assert self._child.stdout is not None
            self._place = ("127.0.0.1", int(self._child.stdout.readline()))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.connect(self._place)
            asker.settimeout(ANSWER_SECONDS)
            try:
                asker.send(srt.induction())
                return asker.recv(2048)
            except OSError:
                code = self._child.poll()
                self.close()
                how = "does not answer" if code is None else f"has ended: {code}"
                raise AssertionError(f"the port {how}") from None


def control(kind: int, subtype: int, information: int, body: bytes) -> bytes:
    return struct.pack(">HHIII", 0x8000 | kind, subtype, information, 0, 0) + body


def words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


PACKETS_OF_PEERS = [
    control(1, 0, 0, words(0)),
    control(2, 0, 1, words(1, 100_000, 50_000, 8192, 1000, 1000, 1_000_000)),
    control(3, 0, 0, words(0x80000001, 9, 12)),
    control(5, 0, 0, b""),
    control(6, 0, 1, b""),
    control(7, 0, 1, words(1, 1)),
    control(8, 0, 1, b""),
    control(0x7FFF, 1, 0, words(0x010500, 0xBF, 120 << 16 | 120)),
    control(0x7FFF, 3, 0, words(0x12202901, 0, 0x02000200, 0x00040404) + bytes(40)),
    struct.pack(">IIII", 1, 0xE0000001, 0, 0) + bytes(188),
]
EXTENSIONS = [srt.extensions(), srt.stream_id(srt.PLAY_DEMO), b""]


@contextlib.contextmanager
def targets() -> Iterator[list[Target]]:
    """Nothing where there is no libsrt."""
    try:
        library()
    except SrtMissingError:
        yield []
        return
    port = Port()
    numbers = [words(one) for one in (0, 1, 5, 1 << 31, (1 << 31) - 1, (1 << 32) - 1)]
    try:
        yield [
            Target("srt_packets", port.packet, PACKETS_OF_PEERS, (), numbers),
            Target("srt_extensions", port.extension, EXTENSIONS, (), numbers),
        ]
    finally:
        port.close()


def serve() -> None:
    """Take all who come, and send to them."""
    listener, udp = SrtSocket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    number = udp.getsockname()[1]
    listener.use(udp)
    library().srt_listen(listener.number, 128)
    print(number, flush=True)
    peers: list[SrtSocket] = []
    buffer = ffi.new("char[]", 1500)
    while True:
        with contextlib.suppress(SrtError):
            if (peer := listener.accept(1)) is not None:
                peer.set_flag(Option.RCVSYN, False)
                peers.append(peer)
        for one in list(peers):
            try:
                one.send_all([bytes(PAYLOAD_BYTES)])
                one.receive(buffer)
            except SrtError:
                one.close()
                peers.remove(one)
        if len(peers) > 8:
            peers.pop(0).close()
        time.sleep(0.002)


if __name__ == "__main__":
    serve()
