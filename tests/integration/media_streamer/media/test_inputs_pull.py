"""Sources that are connected to, served by FFmpeg: HTTP, RTMP, UDP, HLS, RTSP."""

import asyncio
import functools
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest


def source(ffmpeg: str, bunny: Path, *output: str, loop: str = "-1") -> list[str]:
    """FFmpeg sending the footage in real time; its own clock and B-frames as they are."""
    return [
        ffmpeg, "-v", "error", "-nostdin", "-re", "-stream_loop", loop, "-i", str(bunny),
        "-c", "copy", *output,
    ]  # fmt: skip


async def flows(worker, name: str) -> None:
    """Frames arrive with video and audio, and go on arriving."""
    await worker.running(name)

    def both() -> bool:  # a source without a demuxer begins before its first key frame is there
        tracks = worker.stats[name]["inputs"][0]["media_info"]["tracks"]
        return [track["codec"] for track in tracks] == ["h264", "aac"]

    await worker.until(both)
    stats = worker.stats[name]
    tracks = stats["inputs"][0]["media_info"]["tracks"]
    assert (tracks[0]["width"], tracks[0]["height"]) == (1280, 720)
    assert tracks[1]["channels"] == 6
    before = stats["input"]["frames"]
    await worker.until(lambda: worker.stats[name]["input"]["frames"] > before + 60)
    assert worker.stats[name]["input"]["resync_count_jump"] == 0


async def test_mpegts_over_http(worker, launch, ffmpeg, bunny, free_port) -> None:
    url = f"127.0.0.1:{free_port()}/live"
    await launch(*source(ffmpeg, bunny, "-f", "mpegts", "-listen", "1", f"http://{url}"))
    await worker.apply("http", f"tshttp://{url}", max_retry_timeout=1)
    await flows(worker, "http")


async def test_rtmp(worker, launch, ffmpeg, bunny, free_port) -> None:
    url = f"rtmp://127.0.0.1:{free_port()}/live/name"
    await launch(*source(ffmpeg, bunny, "-f", "flv", "-listen", "1", url))
    await worker.apply("rtmp", url, max_retry_timeout=1)
    await flows(worker, "rtmp")


async def test_udp_unicast(worker, launch, ffmpeg, bunny, free_port) -> None:
    port = free_port(socket.SOCK_DGRAM)
    await worker.apply("udp", f"udp://127.0.0.1:{port}")
    await launch(*source(ffmpeg, bunny, "-f", "mpegts", f"udp://127.0.0.1:{port}?pkt_size=1316"))
    await flows(worker, "udp")


async def test_packets_of_192_bytes(worker, launch, ffmpeg, bunny, free_port) -> None:
    """As recorders and BDAV have them, seven to a datagram; they are no loss of synchronisation."""
    port = free_port(socket.SOCK_DGRAM)
    await worker.apply("bdav", f"udp://127.0.0.1:{port}")
    m2ts = ("-c:a", "ac3", "-f", "mpegts", "-mpegts_m2ts_mode", "1")
    await launch(*source(ffmpeg, bunny, *m2ts, f"udp://127.0.0.1:{port}?pkt_size=1344"))
    await worker.running("bdav")

    def both() -> bool:
        tracks = worker.stats["bdav"]["inputs"][0]["media_info"]["tracks"]
        return [track["codec"] for track in tracks] == ["h264", "ac3"]

    await worker.until(both)
    before = worker.stats["bdav"]["input"]["frames"]
    await worker.until(lambda: worker.stats["bdav"]["input"]["frames"] > before + 60)
    assert not worker.stats["bdav"]["input"].get("errors_desync")


async def test_udp_multicast(worker, launch, ffmpeg, bunny, free_port) -> None:
    port = free_port(socket.SOCK_DGRAM)
    await worker.apply("multicast", f"udp://239.255.77.1:{port}/127.0.0.1")
    target = f"udp://239.255.77.1:{port}?pkt_size=1316&localaddr=127.0.0.1&ttl=0"
    await launch(*source(ffmpeg, bunny, "-f", "mpegts", target))
    await flows(worker, "multicast")


async def test_udp_multicast_of_one_source(worker, launch, ffmpeg, bunny, free_port) -> None:
    """What others send to the group is not taken (RFC 4607); who asks for any source gets it."""
    port = free_port(socket.SOCK_DGRAM)
    group = f"232.77.1.1:{port}"
    await worker.apply("one", f"udp://127.0.0.1@{group}/127.0.0.1", max_retry_timeout=1)
    await worker.apply("any", f"udp://{group}/127.0.0.1", max_retry_timeout=1)
    target = f"udp://{group}?pkt_size=1316&ttl=0&localaddr="
    await launch(*source(ffmpeg, bunny, "-f", "mpegts", f"{target}127.0.0.2"))
    await flows(worker, "any")
    assert not worker.stats["one"]["alive"]
    await launch(*source(ffmpeg, bunny, "-f", "mpegts", f"{target}127.0.0.1"))
    await flows(worker, "one")


async def test_mpegts_over_tcp(worker, launch, ffmpeg, bunny, free_port) -> None:
    """A server that sends to whoever connects; where nobody listens that is said."""
    port = free_port()
    await worker.apply("nobody", f"tstcp://127.0.0.1:{free_port()}", max_retry_timeout=1)
    await worker.apply("nowhere", "tstcp://127.0.0.1", max_retry_timeout=1)
    await launch(*source(ffmpeg, bunny, "-f", "mpegts", f"tcp://127.0.0.1:{port}?listen=1"))
    await worker.apply("tcp", f"tstcp://127.0.0.1:{port}", max_retry_timeout=1)
    await flows(worker, "tcp")
    await worker.until(lambda: "refused" in (worker.stats["nobody"].get("source_error") or ""))
    assert "write tstcp://HOST:PORT" in worker.stats["nowhere"]["source_error"]


async def test_mpegts_in_rtp(worker, launch, ffmpeg, bunny, free_port) -> None:
    port = free_port(socket.SOCK_DGRAM)
    await worker.apply("rtp", f"rtp://127.0.0.1:{port}")
    target = f"rtp://127.0.0.1:{port}?pkt_size=1328"
    await launch(*source(ffmpeg, bunny, "-f", "rtp_mpegts", target))
    await flows(worker, "rtp")


async def test_rtp_as_a_description_says(
    worker, launch, ffmpeg, bunny, free_port, tmp_path
) -> None:
    worker.vods = {"descriptions": [str(tmp_path)]}
    description = tmp_path / "camera.sdp"
    picture, sound = (f"rtp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}" for _ in range(2))
    sent = ("-map", "0:v", "-c", "copy", "-f", "rtp", picture, "-map", "0:a", "-c", "copy")
    sender = source(ffmpeg, bunny, *sent, "-f", "rtp", sound, "-sdp_file", str(description))
    await launch(*sender)
    # Before the description is there the source fails, and is tried again.
    await worker.apply("described", "sdp://descriptions/camera.sdp", max_retry_timeout=1)
    await flows(worker, "described")


async def test_rtp_that_needs_a_description_says_so(worker, free_port) -> None:
    port = free_port(socket.SOCK_DGRAM)
    await worker.apply("dynamic", f"rtp://127.0.0.1:{port}", max_retry_timeout=1)
    packet = bytes((0x80, 96)) + bytes(10) + b"picture"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def told() -> bool:
            for _ in range(50):
                sender.sendto(packet, ("127.0.0.1", port))
            return "payload type 96" in (worker.stats.get("dynamic", {}).get("source_error") or "")

        await worker.until(told)


async def test_an_srt_source_that_calls(worker, launch, ffmpeg, bunny, free_port) -> None:
    port = free_port(socket.SOCK_DGRAM)
    url = f"srt://127.0.0.1:{port}?mode=listener&passphrase=a-long-secret"
    await worker.apply("called", url, max_retry_timeout=1)
    await worker.until(lambda: _is_bound(port))
    target = f"srt://127.0.0.1:{port}?pkt_size=1316&passphrase="
    wrong = await launch(*source(ffmpeg, bunny, "-f", "mpegts", f"{target}another-secret"))
    assert await wrong.wait() != 0
    first = await launch(*source(ffmpeg, bunny, "-f", "mpegts", f"{target}a-long-secret"))
    await flows(worker, "called")
    second = await launch(*source(ffmpeg, bunny, "-f", "mpegts", f"{target}a-long-secret"))
    assert await second.wait() != 0  # the port is taken, which it is told
    first.terminate()
    await worker.until(lambda: worker.stats["called"]["retry_count"] >= 1)
    # The port of the connection before is closed some time later: who calls, calls on.
    patient = f"{target}a-long-secret&connect_timeout=30000"
    await launch(*source(ffmpeg, bunny, "-f", "mpegts", patient))
    await flows(worker, "called")


def _is_bound(port: int) -> bool:
    """Read from the kernel: who tried to bind it would now and then take it from the worker."""
    local = f":{port:04X} "
    return any(local in line for line in Path("/proc/net/udp").read_text().splitlines())


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server: its address and its directory."""
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", tmp_path
        server.shutdown()
        thread.join()


async def test_hls_flows_in_real_time(worker, launch, ffmpeg, bunny, web) -> None:
    address, directory = web
    options = [
        "-f",
        "hls",
        "-hls_time",
        "1",
        "-hls_list_size",
        "6",
        "-hls_flags",
        "delete_segments",
    ]
    await launch(*source(ffmpeg, bunny, *options, str(directory / "index.m3u8")))
    await worker.apply("hls", f"hls://{address}/index.m3u8", max_retry_timeout=1)
    await flows(worker, "hls")
    loop = asyncio.get_running_loop()
    started, frames = loop.time(), worker.stats["hls"]["input"]["frames"]
    await worker.until(lambda: worker.stats["hls"]["input"]["frames"] > frames + 288)
    # 288 frames are four seconds of footage; a source that is not paced sends them in one piece.
    assert loop.time() - started > 2


async def test_a_plain_file_over_http_is_taken_again(worker, ffmpeg, bunny, web, launch) -> None:
    address, directory = web
    made = await launch(
        ffmpeg, "-v", "error", "-i", str(bunny), "-c", "copy", str(directory / "short.ts")
    )
    assert await made.wait() == 0
    await worker.apply("file", f"tshttp://{address}/short.ts", max_retry_timeout=1)
    await worker.until(lambda: worker.stats.get("file", {}).get("retry_count", 0) >= 2)
    await worker.until(lambda: "the source ended" in worker.log)


@pytest.mark.parametrize("scheme", ["tshttp", "hls"])
async def test_an_http_error_is_told(worker, web, scheme) -> None:
    address, _ = web
    await worker.apply("missing", f"{scheme}://user:secret@{address}/missing?token=hidden")
    await worker.until(lambda: worker.stats.get("missing", {}).get("source_error"))
    stats = worker.stats["missing"]
    assert "404" in stats["source_error"]
    assert stats["status"] == "error"
    assert f"missing: input {scheme}://***@{address}/missing?token=***" in worker.log
    for secret in ("secret", "hidden"):
        assert secret not in worker.log
        assert secret not in str(stats)
        assert secret not in str(worker.events)


async def test_a_page_instead_of_a_stream_is_told(worker, web) -> None:
    address, directory = web
    (directory / "page.html").write_text("<html>" + "no stream here " * 10_000)
    await worker.apply("page", f"tshttp://{address}/page.html")
    await worker.until(lambda: worker.stats.get("page", {}).get("source_error"))
    assert worker.stats["page"]["status"] == "error"


async def test_nobody_listens(worker, free_port) -> None:
    await worker.apply("nobody", f"rtmp://127.0.0.1:{free_port()}/live/x")
    await worker.until(lambda: worker.stats.get("nobody", {}).get("source_error"))
    assert worker.stats["nobody"]["source_error"] == "connection refused"
    await worker.until(lambda: worker.stats["nobody"]["retry_count"] >= 2)


async def test_a_server_that_says_nothing_times_out(worker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # connects, but nobody ever answers
        port = server.getsockname()[1]
        await worker.apply("mute", f"tshttp://127.0.0.1:{port}/x", source_timeout=1)
        await worker.until(lambda: worker.stats.get("mute", {}).get("retry_count", 0) >= 1)
    error = worker.stats["mute"]["inputs"][0]["error"]
    assert "timed out" in error or "source_timeout" in error


async def test_an_unknown_scheme_is_told(worker) -> None:
    await worker.apply("card", "ndi://host")
    await worker.until(lambda: worker.stats.get("card", {}).get("source_error"))
    assert "ndi:// inputs are not served" in worker.stats["card"]["source_error"]
