"""RTSP cameras: RTP within the connection and over UDP, good and bad ones.

The camera is a small RTSP server (RFC 2326) in front of FFmpeg, which makes the SDP and the RTP
packets, so the payload is that of an independent implementation.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

Sender = Callable[[bytes], None]


class Camera:
    """Serves one RTP session to any number of clients."""

    def __init__(self, sdp: str, *, password: str | None = None) -> None:
        self.sdp = sdp
        self.password = password
        self.transports: list[str] = []
        """Transport headers that clients asked for."""
        self._senders: list[tuple[int, Sender]] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self._udp.close()

    def deliver(self, track: int, packet: bytes) -> None:
        for number, send in self._senders:
            if number == track:
                send(packet)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        setup: list[tuple[int, Sender]] = []
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first = await reader.readexactly(1)
                if first == b"$":  # RTCP of the client within the connection
                    head = await reader.readexactly(3)
                    await reader.readexactly(int.from_bytes(head[1:], "big"))
                    continue
                request = (first + await reader.readuntil(b"\r\n\r\n")).decode()
                self._answer(request, writer, setup)
        self._senders = [item for item in self._senders if item not in setup]

    def _answer(
        self, request: str, writer: asyncio.StreamWriter, setup: list[tuple[int, Sender]]
    ) -> None:
        method = request.split(" ", 1)[0]
        lines = [f"CSeq: {re.search('CSeq: *(.*)', request)[1].strip()}", "Session: 1"]
        status, body = "200 OK", ""
        if self.password and "Authorization: Basic" not in request:
            status = "401 Unauthorized"
            lines.append('WWW-Authenticate: Basic realm="camera"')
        elif method == "DESCRIBE":
            body = self.sdp
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            track = int(re.search(r"track=(\d)", request)[1])
            transport = re.search("Transport: *(.*)", request)[1].strip()
            self.transports.append(transport)
            setup.append((track, self._sender(transport, writer)))
            lines.append(f"Transport: {transport};server_port=7000-7001;ssrc=00000000")
        elif method == "PLAY":
            self._senders += setup
        writer.write(("\r\n".join([f"RTSP/1.0 {status}", *lines]) + f"\r\n\r\n{body}").encode())

    def _sender(self, transport: str, writer: asyncio.StreamWriter) -> Sender:
        if match := re.search(r"interleaved=(\d+)", transport):
            channel = int(match[1])

            def interleaved(packet: bytes) -> None:
                if not writer.is_closing():
                    writer.write(bytes((0x24, channel)) + len(packet).to_bytes(2, "big") + packet)

            return interleaved
        port = int(re.search(r"client_port=(\d+)", transport)[1])
        return lambda packet: self._udp.sendto(packet, ("127.0.0.1", port)) and None


def content(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def written(sdp: Path) -> str:
    """The SDP once FFmpeg has written both tracks."""
    for _ in range(400):
        if (text := content(sdp)).count("m=") == 2:
            return text
        await asyncio.sleep(0.05)
    raise AssertionError("FFmpeg wrote no SDP")


@pytest.fixture
async def rtp(launch, ffmpeg, bunny: Path, tmp_path: Path) -> AsyncIterator[tuple[str, list]]:
    """FFmpeg's RTP of the footage: the SDP with a control address a track, and the sockets."""
    sockets = []
    for _ in range(2):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**21)
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        sockets.append(receiver)
    ports = [item.getsockname()[1] for item in sockets]
    sdp = tmp_path / "sdp"
    await launch(
        ffmpeg, "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", str(bunny),
        "-map", "0:v", "-c", "copy", "-f", "rtp", f"rtp://127.0.0.1:{ports[0]}?pkt_size=1200",
        "-map", "0:a", "-c", "copy", "-f", "rtp", f"rtp://127.0.0.1:{ports[1]}?pkt_size=1200",
        "-sdp_file", str(sdp),
    )  # fmt: skip
    text = await written(sdp)
    for number, port in enumerate(ports):
        text = re.sub(rf"m=(\w+) {port} (.*)", rf"m=\1 0 \2\r\na=control:track={number}", text)
    yield text.replace("\r\n", "\n").replace("\n", "\r\n"), sockets
    for item in sockets:
        item.close()


@pytest.fixture
async def camera(rtp) -> AsyncIterator[tuple[Camera, int]]:
    """A playing camera and its port."""
    sdp, sockets = rtp
    serving = Camera(sdp)
    port = await serving.start()
    loop = asyncio.get_running_loop()
    for number, item in enumerate(sockets):
        loop.add_reader(item, lambda n=number, s=item: serving.deliver(n, s.recv(2048)))
    yield serving, port
    for item in sockets:
        loop.remove_reader(item)
    await serving.stop()


async def flows(worker, name: str) -> None:
    stats = await worker.running(name)
    tracks = stats["inputs"][0]["media_info"]["tracks"]
    assert [track["codec"] for track in tracks] == ["h264", "aac"]
    frames = stats["input"]["frames"]
    await worker.until(lambda: worker.stats[name]["input"]["frames"] > frames + 72)


@pytest.mark.parametrize(
    ("scheme", "options", "transport"),
    [
        ("rtsp", {}, "RTP/AVP/TCP;"),
        ("rtsp-udp", {}, "RTP/AVP;"),
    ],
)
async def test_a_camera_is_shown(worker, camera, scheme, options, transport) -> None:
    serving, port = camera
    url = f"{scheme}://127.0.0.1:{port}/ch0"
    await worker.apply("cam", {"url": url, **options}, source_timeout=20)
    await flows(worker, "cam")
    assert all(transport in item for item in serving.transports), serving.transports


async def test_a_camera_that_wants_a_password(worker, camera) -> None:
    serving, port = camera
    serving.password = "pw"
    await worker.apply("locked", f"rtsp://127.0.0.1:{port}/ch0")
    await worker.until(lambda: worker.stats.get("locked", {}).get("source_error"))
    assert "401" in worker.stats["locked"]["source_error"]
    await worker.apply("locked", f"rtsp://admin:pw@127.0.0.1:{port}/ch0")
    await flows(worker, "locked")
    assert "admin:pw" not in worker.log


async def test_a_camera_that_hangs_up_is_called_again(worker, camera) -> None:
    serving, port = camera
    await worker.apply("cam", f"rtsp://127.0.0.1:{port}/ch0")
    await flows(worker, "cam")
    for writer in list(serving._writers):
        writer.transport.abort()
    await worker.until(lambda: worker.stats["cam"]["retry_count"] >= 1)
    await flows(worker, "cam")
