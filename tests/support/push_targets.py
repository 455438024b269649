"""`python -m tests.support.push_targets KIND=COUNT …`: takes pushes and counts their bytes.

KIND is rtmp, http, udp or srt. Prints the URLs as a JSON list, in the order of the kinds; a line
on standard input begins the measurement, its end stops it: prints what each target got.

How late a target is: all targets of a kind are sent the very same bytes, so who has got less than
another one since the beginning is behind by that much. Both may have begun within a write of each
other, so some tenths of a second are none.
"""

import asyncio
import contextlib
import functools
import json
import socket
import sys
import time
from dataclasses import dataclass, field

from media_streamer.protocols.rtmp.chunks import OUT_CHUNK_BYTES, SET_CHUNK_SIZE, ChunkReader
from media_streamer.protocols.rtmp.chunks import write_control as control
from media_streamer.protocols.rtmp.commands import (
    connect_answer,
    read_command,
    write_command,
    write_status,
)
from media_streamer.protocols.rtmp.handshake import Handshake
from media_streamer.protocols.srt.engine import SrtEngine
from media_streamer.protocols.srt.libsrt import ERR, IN, SrtSocket, set_hook

SAMPLE_SECONDS = 0.05
READ_BYTES = 1 << 18
SOCKET_BYTES = 4 << 20
LISTEN = "127.0.0.1"


@dataclass(slots=True)
class Target:
    kind: str
    url: str = ""
    bytes: int = 0
    began: int = 0
    """Bytes at the beginning of the measurement."""
    heard_at: float = 0.0
    silence: float = 0.0
    """The longest time without a byte, seconds."""
    behind: list[int] = field(default_factory=list)
    """Bytes less than the furthest of its kind, at each sample."""

    def got(self, size: int) -> None:
        now = time.monotonic()
        self.silence = max(self.silence, now - self.heard_at)
        self.heard_at = now
        self.bytes += size


class _Server(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, target: Target) -> None:
        self.target = target

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.target.got(len(data))


class HttpTarget(_Server):
    """Takes an endless POST."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._invited = False

    def data_received(self, data: bytes) -> None:
        if not self._invited:
            self._invited = True
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        super().data_received(data)


class RtmpTarget(_Server):
    """Takes a publisher; what comes after its leave is counted and nothing else."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._handshake = Handshake()
        self._reader = ChunkReader(1 << 24)
        self._publishes = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._publishes:
            return
        if not self._handshake.done:
            self.transport.write(self._handshake.feed(data))
            data = self._handshake.rest() if self._handshake.done else b""
        for message in self._reader.feed(data):
            command = read_command(message) if message.kind == 20 else None
            match command.name if command else "":
                case "connect":
                    assert command is not None
                    answer = control(SET_CHUNK_SIZE, OUT_CHUNK_BYTES) + connect_answer(command)
                    self.transport.write(answer)
                case "createStream":
                    assert command is not None
                    answer = write_command("_result", command.transaction, None, 1.0)
                    self.transport.write(answer)
                case "publish":
                    code = "NetStream.Publish.Start"
                    self.transport.write(write_status(code, "publishing", stream=1))
                    self._publishes = True


class SrtTarget:
    """Takes one caller (`srt.engine.Owner`)."""

    def __init__(self, target: Target, engine: SrtEngine) -> None:
        self.target = target
        self._engine = engine
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((LISTEN, 0))
        target.url = f"srt://{LISTEN}:{udp.getsockname()[1]}"
        self._listener = SrtSocket()
        self._listener.use(udp)
        self._hook = set_hook(self._listener, lambda *_: 0)
        self._listener.listen()
        engine.add(self._listener, self, IN | ERR, reads=False)

    def on_event(self, events: int) -> None:
        if events & IN and (taken := self._listener.accept(0)) is not None:
            caller = SrtSocket(taken.number)
            self._engine.add(caller, self, IN | ERR, reads=True)

    def on_messages(self, messages: list[bytes]) -> None:
        self.target.got(sum(map(len, messages)))


class UdpTarget(asyncio.DatagramProtocol):
    def __init__(self, target: Target) -> None:
        self.target = target

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.target.got(len(data))


async def _listen(kind: str, targets: list[Target]) -> None:
    loop = asyncio.get_running_loop()
    if kind == "srt":
        engine = SrtEngine()
        for target in targets:
            SrtTarget(target, engine)
        return
    for number, target in enumerate(targets):
        if kind == "udp":
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
            sock.bind((LISTEN, 0))
            make = functools.partial(UdpTarget, target)
            await loop.create_datagram_endpoint(make, sock=sock)
            target.url = f"udp://{LISTEN}:{sock.getsockname()[1]}"
        else:
            taken = RtmpTarget if kind == "rtmp" else HttpTarget
            server = await loop.create_server(functools.partial(taken, target), LISTEN, 0)
            port = server.sockets[0].getsockname()[1]
            scheme = "rtmp" if kind == "rtmp" else "tshttp"
            target.url = f"{scheme}://{LISTEN}:{port}/app/key{number}"


async def _sample(targets: list[Target]) -> None:
    kinds = {target.kind for target in targets}
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        for kind in kinds:
            those = [target for target in targets if target.kind == kind]
            furthest = max(target.bytes - target.began for target in those)
            for target in those:
                target.behind.append(furthest - target.bytes + target.began)


async def main(wanted: dict[str, int]) -> None:
    targets = [Target(kind) for kind, count in wanted.items() for _ in range(count)]
    for kind in wanted:
        await _listen(kind, [target for target in targets if target.kind == kind])
    print(json.dumps([target.url for target in targets]), flush=True)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.readline)
    began = time.monotonic()
    for target in targets:
        target.began, target.heard_at, target.silence = target.bytes, began, 0.0
    sampling = asyncio.create_task(_sample(targets))
    await loop.run_in_executor(None, sys.stdin.readline)
    seconds = time.monotonic() - began
    sampling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sampling
    told = [
        {
            "kind": target.kind,
            "rate": (target.bytes - target.began) * 8 / seconds,
            "silence": max(target.silence, time.monotonic() - target.heard_at),
            "behind": sorted(target.behind),
        }
        for target in targets
    ]
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    asked = (argument.partition("=") for argument in sys.argv[1:])
    asyncio.run(main({kind: int(count) for kind, _, count in asked}))
