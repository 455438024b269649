"""An RTSP server that behaves as a test wants: a camera with H.264, whose packets the test sends.

It answers DESCRIBE, SETUP, PLAY and whatever keeps a session alive; `answer` takes a request over
where the camera is odd. Requests are kept.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable

from media_streamer.protocols.rtsp import transport
from media_streamer.protocols.rtsp.message import (
    Interleaved,
    MessageReader,
    Request,
    write_interleaved,
    write_response,
)
from media_streamer.rtp import packet

SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\na=control:*\r\na=range:npt=0-\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;"
    "sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==\r\na=control:trackID=0\r\n"
)
SSRC = 0x1234
SECONDS = 30.0
"""For what happens at once on a machine with nothing else to do."""
Answer = Callable[[Request], bytes | None]
Address = tuple[str, int]


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for what happens soon."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.01)


class Camera:
    """Serves any number of connections one after the other."""

    def __init__(self, sdp: str = SDP, tls: ssl.SSLContext | None = None) -> None:
        self.sdp = sdp
        self._tls = tls
        self.answer: Answer = lambda _: None
        """Instead of the usual answer; None: that one."""
        self.refused: set[str] = set()
        """`tcp`, `udp`: ways that SETUP answers 461."""
        self.mute: set[str] = set()
        """Ways by which nothing is sent."""
        self.requests: list[Request] = []
        self.controls: list[bytes] = []
        """RTCP of the client."""
        self.playing = asyncio.Event()
        self.port = 0
        self._way = ""
        self._to: dict[int, tuple[int, int]] = {}
        """Ports or channels of the client, by track."""
        self._places: dict[str, int] = {}
        """Tracks by the URL of their SETUP."""
        self._writer: asyncio.StreamWriter
        self._udp: list[socket.socket] = []
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        scheme = "rtsps" if self._tls else "rtsp"
        return f"{scheme}://127.0.0.1:{self.port}/live?channel=1"

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    async def __aenter__(self) -> "Camera":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        for _ in range(2):
            port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            port.bind(("127.0.0.1", 0))
            port.setblocking(False)
            self._udp.append(port)
        asyncio.get_running_loop().add_reader(self._udp[1], self._hear_control)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        asyncio.get_running_loop().remove_reader(self._udp[1])
        for port in self._udp:
            port.close()
        for task, writer in list(self._open.items()):
            writer.transport.abort()
            await asyncio.wait_for(task, SECONDS)

    # What the test does

    def picture(
        self, sequence: int, timestamp: int, key: bool = False, ssrc: int = SSRC, track: int = 0
    ) -> None:
        """One picture in a packet."""
        unit = b"\x65key" if key else b"\x41not"
        self.send(track, packet.write(96, True, sequence, timestamp, ssrc, unit))

    def send(self, track: int, data: bytes, control: bool = False) -> None:
        """A packet of media, or of RTCP."""
        if self._way in self.mute:
            return
        to = self._to[track][control]
        if self._way == "udp":
            self._udp[control].sendto(data, ("127.0.0.1", to))
        else:
            self._writer.write(write_interleaved(to, data))

    def hang_up(self) -> None:
        self._writer.transport.abort()

    # The server

    def _hear_control(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.controls.append(self._udp[1].recv(2048))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._writer = self._open[task] = writer
        messages = MessageReader()
        try:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(65536):
                    for message in messages.feed(data):
                        if isinstance(message, Request):
                            self.requests.append(message)
                            writer.write(self.answer(message) or self._usual(message))
                        elif isinstance(message, Interleaved):
                            self.controls.append(message.data)
        finally:
            del self._open[task]
            writer.transport.abort()

    def _usual(self, request: Request) -> bytes:
        headers: dict[str, str | list[str]] = {"Session": "camera1;timeout=2"}
        body = b""
        match request.method:
            case "OPTIONS":
                headers["Public"] = "DESCRIBE, SETUP, PLAY, GET_PARAMETER"
            case "DESCRIBE":
                base = request.url.partition("?")[0]
                headers |= {"Content-Base": f"{base}/", "Content-Type": "application/sdp"}
                body = self.sdp.encode()
            case "SETUP":
                wanted = next(transport.parse(request.headers.text("transport")))
                if wanted.kind in self.refused:
                    return write_response(461, request.cseq)
                self._way = wanted.kind
                pair = wanted.channels or wanted.client_ports
                assert pair is not None
                self._to[self._places.setdefault(request.url, len(self._places))] = pair
                ports = tuple(port.getsockname()[1] for port in self._udp)
                told = f";server_port={ports[0]}-{ports[1]}" if wanted.kind == "udp" else ""
                headers["Transport"] = request.headers.text("transport") + told
            case "PLAY":
                self.playing.set()
        return write_response(200, request.cseq, headers, body)
