"""`push` as MPEG-TS: to a group, by RTP, at a constant rate, and the service that it names."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.file_server import FileServer, serving
from tests.support.ports import free_port
from tests.support.streamer import Streamer, ffprobe, until

from .pushing import TS_PACKET, grows, is_continuous, push_is, pushes

DATAGRAM = 7 * TS_PACKET


@pytest.fixture
def streamer(lent_streamer: Streamer) -> Streamer:
    return lent_streamer


@pytest.fixture
async def file_server() -> AsyncIterator[FileServer]:
    async with serving() as made:
        yield made


async def test_udp_to_a_multicast_group(streamer: Streamer) -> None:
    """Whole packets, seven a datagram where there are so many, by the interface that is named."""
    port = free_port(socket.SOCK_DGRAM)
    group = "239.255.31.7"
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receiver.bind((group, port))
        membership = struct.pack("4s4s", socket.inet_aton(group), socket.inet_aton("127.0.0.1"))
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        receiver.setblocking(False)
        url = f"udp://127.0.0.1@{group}:{port}?ttl=0"
        streamer.write(
            f"stream live {{ input fake://fake; push {url} multicast_loop=true vb=5000; }}"
        )
        await streamer.serve()
        warnings = (await streamer.stream("live"))["warnings"]
        assert warnings == ["vb of udp:// pushes has no effect without bitrate"]
        loop = asyncio.get_running_loop()
        received, full = b"", 0
        async with asyncio.timeout(30):
            while len(received) < 200 * DATAGRAM:
                datagram = await loop.sock_recv(receiver, 65536)
                assert len(datagram) <= DATAGRAM
                assert len(datagram) % TS_PACKET == 0
                full += len(datagram) == DATAGRAM
                received += datagram
        assert full > 100
    assert all(received[at] == 0x47 for at in range(0, len(received), TS_PACKET))
    assert is_continuous(received)


async def test_a_push_stands_by_while_another_sends(streamer: Streamer) -> None:
    """It begins when the other one falls silent, and steps back when it is there again."""
    port = free_port(socket.SOCK_DGRAM)
    group, here = "239.255.31.8", "127.0.0.1"

    async def send(other: socket.socket) -> None:
        while True:
            other.send(bytes(DATAGRAM))
            await asyncio.sleep(0.05)

    async def stands(how: str) -> bool:
        return bool((await pushes(streamer))[0].get("standby_status") == how)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(here))
        other.connect((group, port))
        sending = asyncio.create_task(send(other))
        url = f"udp://{here}@{group}:{port}?ttl=0"
        streamer.write(
            f"stream live {{ input fake://fake; push {url} multicast_loop=true standby=true;"
            f" push udp://{here}:{port} standby=true; }}"
        )
        await streamer.serve()
        assert not (await streamer.stream("live")).get("warnings")
        assert "multicast" in (await push_is(streamer, "error", index=1))["error"]
        await until(lambda: stands("waiting"), "it stands by")
        assert (await pushes(streamer))[0]["bytes"] == 0
        sending.cancel()
        await push_is(streamer, "running")
        assert await stands("active")
        await grows(streamer)
        sending = asyncio.create_task(send(other))
        await until(lambda: stands("waiting"), "it steps back")
        assert (await push_is(streamer, "pending")).get("retries") == 0
        sending.cancel()


async def programs(url: str, *options: str) -> list[dict[str, Any]]:
    """What FFmpeg finds in a transport stream."""
    process = await asyncio.create_subprocess_exec(
        *("ffprobe", "-v", "error", "-of", "json", "-show_programs", *options, url),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        printed, _ = await process.communicate()
    found: list[dict[str, Any]] = json.loads(printed)["programs"]
    return found


async def test_the_service_that_a_push_names(streamer: Streamer, file_server: FileServer) -> None:
    """Program number, PIDs, the service's name and provider, as FFmpeg reads them; by datagrams at
    a constant rate, to an HTTP server and in segments."""
    port = free_port(socket.SOCK_DGRAM)
    received = bytearray()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while size := int(await reader.readline() or b"0", 16):
                received.extend(await reader.readexactly(size))
                await reader.readexactly(2)
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    names = 'service "One & two" ; provider Канал ; pnr 7 ; pmt 200 ;'
    pids = """
      pids {
        pcr 510; sdt 17;
        media { content video; track 1; pid 501; }
        media { content audio; track 1; pid 502; codec aac; }
      }
    """
    http = server.sockets[0].getsockname()[1]
    streamer.write(
        f"""
stream live {{
  input fake://fake; segment_duration 1; segment_count 3;
  push udp://127.0.0.1:{port} bitrate=2M {{ {names} {pids} }}
  push tshttp://127.0.0.1:{http}/x {{ {names} {pids} }}
  push hls://me:pa55word@127.0.0.1:{file_server.port}/out/index.m3u8 {{ {names} }}
  push srt://127.0.0.1:1 {{ pmt 200; pids {{ media {{ content video; track 1; pid 200; }} }} }}
}}
"""
    )
    try:
        await streamer.serve()
        assert not (await streamer.stream("live")).get("warnings")
        assert "PID 200 is given twice" in (await push_is(streamer, "error", index=3))["error"]
        await push_is(streamer, "running", index=2)

        async def came() -> bool:
            return len(received) > 1000 * TS_PACKET

        await until(came, "the body of the POST")
        file = streamer.directory / "body.ts"
        file.write_bytes(received[: len(received) // TS_PACKET * TS_PACKET])
        by_udp = await programs(f"udp://127.0.0.1:{port}?timeout=30000000")
        by_http = await programs(str(file))
        by_hls = await programs(f"http://127.0.0.1:{file_server.port}/out/index.m3u8")
        for found in (by_udp, by_http):
            assert (found[0]["program_num"], found[0]["pmt_pid"]) == (7, 200)
            assert found[0]["pcr_pid"] == 510
            assert found[0]["tags"] == {
                "service_name": "One & two", "service_provider": "Канал",
            }  # fmt: skip
            assert [one["id"] for one in found[0]["streams"]] == ["0x1f5", "0x1f6"]
        assert is_continuous(file.read_bytes())
        segments = [body for name, body in file_server.files.items() if name.endswith(".ts")]
        assert all(b"One & two" in body for body in segments)
        assert by_hls  # it plays; FFmpeg tells no service of HLS
        for index in (0, 1, 2):
            stats = (await pushes(streamer))[index]
            assert stats["frames"] > 25
            assert index == 0 or "error" not in stats  # nobody listens to the datagrams any more
    finally:
        server.close()
        streamer.write("")
        await streamer.serve()


async def test_udp_at_a_constant_rate(streamer: Streamer) -> None:
    """Padded with null packets; the clock stands where its bytes are."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        port = receiver.getsockname()[1]
        push = f"push udp://127.0.0.1:{port} bitrate=2M vb=1500K"
        streamer.write(f"stream live {{ input fake://fake; {push}; }}")
        await streamer.serve()
        loop, received = asyncio.get_running_loop(), b""
        async with asyncio.timeout(60):
            while len(received) < 400 * DATAGRAM:
                received += await loop.sock_recv(receiver, 65536)
    assert is_continuous(received)
    packets = [received[at : at + TS_PACKET] for at in range(0, len(received), TS_PACKET)]
    padding = sum(packet[1:3] == b"\x1f\xff" for packet in packets)
    assert 0.2 * len(packets) < padding < len(packets)
    clocks = [(n, clock) for n, one in enumerate(packets) if (clock := _clock(one)) is not None]
    first_at, first = clocks[0]
    for at, clock in clocks:
        exact = (at - first_at) * TS_PACKET * 8 * 27_000_000 / 2_000_000
        assert abs(clock - first - exact) < 14  # 500 ns (ISO 13818-1, 2.4.2.2)


async def test_rtp_is_taken_by_a_source(streamer: Streamer) -> None:
    """As it comes and at a constant rate; nothing is lost on the way."""
    plain, steady = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    streamer.write(
        f"stream a {{ input rtp://127.0.0.1:{plain}; }}\n"
        f"stream b {{ input rtp://127.0.0.1:{steady}; }}\n"
        f"stream live {{ input fake://fake; push rtp://127.0.0.1:{plain};"
        f" push rtp://127.0.0.1:{steady} bitrate=2M; }}\n"
    )
    await streamer.serve()
    assert not (await streamer.stream("live")).get("warnings")
    for index, name in enumerate(("a", "b")):
        await streamer.running(name)
        await push_is(streamer, "running", index=index)
        found = (await streamer.stream(name))["stats"]
        assert found["input"]["errors_lost_packets"] == 0
        codecs = sorted(track["codec"] for track in found["media_info"]["tracks"])
        assert codecs == ["aac", "h264"]


def _clock(packet: bytes) -> int | None:
    """PCR of a packet in ticks of 27 MHz."""
    if not (packet[3] & 0x20 and packet[4] and packet[5] & 0x10):
        return None
    field = int.from_bytes(packet[6:12], "big")
    return (field >> 15) * 300 + (field & 0x1FF)


@pytest.mark.long
async def test_udp_to_ffmpeg(streamer: Streamer) -> None:
    port = free_port(socket.SOCK_DGRAM)
    streamer.write(f"stream live {{ input fake://fake; push udp://127.0.0.1:{port}; }}")
    await streamer.serve()
    await push_is(streamer, "running")
    assert await ffprobe(f"udp://127.0.0.1:{port}?timeout=20000000") == ["aac", "h264"]
