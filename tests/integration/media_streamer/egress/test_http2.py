"""HTTP/2 on an https port: curl as it comes, and clients that break or bend the rules."""

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event, ResponseReceived, StreamEnded, StreamReset

from tests.support.ports import free_port
from tests.support.process import end
from tests.support.streamer import ADMIN, Lender, Streamer, until


class Site:
    """A streamer with an https port."""

    def __init__(self, streamer: Streamer) -> None:
        self.streamer = streamer
        self.port = free_port()
        self.base = f"https://127.0.0.1:{self.port}"

    async def curl(self, path: str, *options: str, seconds: int = 30) -> tuple[str, bytes]:
        """What `-w` says and the body."""
        process = await asyncio.create_subprocess_exec(
            *("curl", "-sSk", "--http2", "-w", "%{stderr}%{http_version} %{http_code}"),
            *("-m", str(seconds), *options, self.base + path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        body, said = await asyncio.wait_for(process.communicate(), seconds + 10)
        return said.decode(), body


def make_certificate(directory: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=localhost", "-days", "2"),
            *("-keyout", str(directory / "own.key"), "-out", str(directory / "own.crt")),
        ],
        check=True,
        capture_output=True,
        timeout=20,
    )


@pytest.fixture
async def site(lender: Lender) -> AsyncIterator[Site]:
    async with lender.lend() as streamer:
        made = Site(streamer)
        make_certificate(streamer.directory)
        streamer.write(
            f"https 127.0.0.1:{made.port} {{ certificate own.crt; certificate_key own.key; }}\n"
            "stream live { input fake://fake; segment_duration 1; }\n"
            "stream pub { input publish://; segment_duration 1; }\n"
        )
        await streamer.serve()
        await streamer.running("live")
        yield made


PLAYBACK_HEADERS = """
  playback_headers {
    headers { X-Of list; cache-control max-age=7; Access-Control-Allow-Origin https://a.example; }
    segment_headers { X-Of segment; }
  }
  playback_headers { protocols dash; headers { X-Dash yes; } }
  playback_headers { playback dvr; headers { X-Dvr yes; } }
"""


async def test_headers_that_a_stream_adds(site: Site) -> None:
    """`playback_headers` in every form, by both versions, in place of what the server says."""
    streamer = site.streamer
    text = "https" + streamer.config.read_text().partition("\nhttps")[2] + "\n"
    streamer.write(
        text + f"stream own {{ input fake://fake; segment_duration 1; {PLAYBACK_HEADERS} }}"
    )
    await streamer.serve()
    await streamer.running("own")
    assert not (await streamer.stream("own")).get("warnings")

    async def heads(path: str, *options: str) -> dict[str, list[str]]:
        _, told = await site.curl(path, "-D", "-", "-o", "/dev/null", *options)
        found: dict[str, list[str]] = {}
        for line in told.decode().splitlines()[1:]:
            name, _, value = line.partition(":")
            found.setdefault(name.lower(), []).append(value.strip())
        return found

    _, listed = await site.curl("/own/tracks-v1a1/mono.m3u8")
    segment = next(one for one in listed.decode().splitlines() if one and one[0] != "#")
    _, dash = await site.curl("/own/index.mpd")
    for version in ("--http1.1", "--http2"):
        for path in ("index.m3u8", "tracks-v1a1/mono.m3u8", "index.ll.m3u8", "index.mpd"):
            found = await heads(f"/own/{path}", version)
            assert found["x-of"] == ["list"], path
            assert found["cache-control"] == ["max-age=7"]
            assert found["access-control-allow-origin"] == ["https://a.example"]
            assert ("x-dash" in found) == path.endswith("mpd")
            assert "x-dvr" not in found
        found = await heads(f"/own/tracks-v1a1/{segment}", version)
        assert found["x-of"] == ["segment"]
        assert found["cache-control"] == ["public, max-age=3600, immutable"]
    found = await heads("/own/mpegts", "-m", "3", "--http1.1")
    assert (found["x-of"], found["cache-control"]) == (["list"], ["max-age=7"])
    assert (await heads("/own/index.m3u8", "-X", "OPTIONS"))["access-control-allow-origin"] == ["*"]
    # One connection that asks the same again, which no handler sees.
    url = f"{site.base}/own/index.m3u8"
    _, told = await site.curl("/own/index.m3u8", "--http1.1", "-D", "-", url, url)
    assert told.lower().count(b"x-of: list") == 3
    assert b"#EXTM3U" in told
    assert b"<MPD" in dash


async def test_all_that_http_serves(site: Site, tmp_path: Path) -> None:
    """Playlists, segments whole and in part, the API, refusals, HEAD: as by HTTP/1.1."""
    said, playlist = await site.curl("/live/index.fmp4.m3u8")
    assert (said, playlist[:7]) == ("2 200", b"#EXTM3U")
    said, ll = await site.curl("/live/index.ll.m3u8?_HLS_msn=0")
    assert said in ("2 200", "2 400"), ll
    said, media = await site.curl("/live/tracks-v1/index.fmp4.m3u8")
    assert said == "2 200"
    segment = [line for line in media.decode().splitlines() if line and line[0] != "#"][-1]
    path = segment if segment.startswith("/") else f"/live/tracks-v1/{segment}"
    said, by_two = await site.curl(path)
    assert said == "2 200"
    _, by_one = await site.curl(path, "--http1.1")
    assert by_two == by_one
    said, part = await site.curl(path, "-r", "100-199")
    assert (said, part) == ("2 206", by_one[100:200])
    assert await site.curl(path, "-I") != ("2 200", b"")  # the head is printed
    said, _ = await site.curl("/none/index.m3u8")
    assert said == "2 404"
    login = f"Authorization: {ADMIN['Authorization']}"
    body = '{"inputs": [{"url": "fake://fake"}], "static": false}'
    options = ("-X", "PUT", "-H", login, "-H", "Content-Type: application/json", "-d", body)
    said, answer = await site.curl("/streamer/api/v3/streams/made", *options)
    assert said == "2 200", answer
    assert (await site.streamer.stream("made"))["static"] is False


async def test_what_has_no_end(site: Site, tmp_path: Path) -> None:
    """A stream to a viewer, and one from a publisher, beside each other."""
    film = tmp_path / "film.ts"
    said, body = await site.curl("/live/mpegts", "-m", "3")
    film.write_bytes(body)
    assert "2 200" in said
    assert len(body) > 100_000
    assert body[::188].count(b"\x47"[0]) == -(-len(body) // 188)
    pipe = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(film), "-c", "copy"),
        *("-f", "mpegts", "pipe:1"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert pipe.stdout is not None
    sender = await asyncio.create_subprocess_exec(
        *("curl", "-sSk", "--http2", "-T", "-", "-o", "/dev/null", f"{site.base}/pub/mpegts"),
        stdin=asyncio.subprocess.PIPE,
    )
    assert sender.stdin is not None

    async def carry() -> None:
        assert pipe.stdout is not None
        assert sender.stdin is not None
        with contextlib.suppress(ConnectionError):
            while data := await pipe.stdout.read(65536):
                sender.stdin.write(data)
                await sender.stdin.drain()

    carrying = asyncio.create_task(carry())
    try:
        await site.streamer.running("pub")
        said, body = await site.curl("/pub/mpegts", "-m", "4")
        assert "2 200" in said
        assert body
    finally:
        for process in (pipe, sender):
            await end(process)
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)


class Client:
    """Frames by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(
            H2Configuration(client_side=True, validate_outbound_headers=False,
                            normalize_outbound_headers=False)
        )  # fmt: skip
        self.h2.initiate_connection()

    def get(self, path: str, *headers: tuple[str, str], method: str = "GET") -> int:
        stream = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":path", path), (":scheme", "https"), (":authority", "h")]
        self.h2.send_headers(stream, [*pseudo, *headers], end_stream=True)
        return stream

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    async def events(self) -> AsyncIterator[Event]:
        """Until the server ends the connection."""
        self.flush()
        async with asyncio.timeout(30):
            with contextlib.suppress(ConnectionError):
                while data := await self.reader.read(65536):
                    for event in self.h2.receive_data(data):
                        yield event
                    self.flush()


@contextlib.asynccontextmanager
async def connected(site: Site) -> AsyncIterator[Client]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=context)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_many_at_once_on_one_connection(site: Site) -> None:
    async with connected(site) as client:
        wanted = {client.get("/live/index.m3u8") for _ in range(40)}
        wanted |= {client.get("/none/index.m3u8")}
        statuses: dict[int, bytes | str] = {}
        async for event in client.events():
            if isinstance(event, ResponseReceived):
                statuses[event.stream_id] = dict(event.headers)[b":status"]
            if isinstance(event, StreamEnded):
                wanted.discard(event.stream_id)
            if not wanted:
                break
        assert sorted(map(bytes, statuses.values())) == [b"200"] * 40 + [b"404"]  # type: ignore[arg-type]


async def test_the_api_many_times_on_one_connection(site: Site) -> None:
    """What is asked once more on a lane goes to the API without a handler."""
    login = ("authorization", ADMIN["Authorization"])
    async with connected(site) as client:
        wanted, left, seen = set[int](), 60, []
        for _ in range(6):
            wanted.add(client.get("/streamer/api/v3/streams?select=name", login))
        async for event in client.events():
            if isinstance(event, ResponseReceived):
                seen.append(dict(event.headers)[b":status"])
            if isinstance(event, StreamEnded):
                wanted.remove(event.stream_id)
                left -= 1
                if left:
                    wanted.add(client.get("/streamer/api/v3/streams?select=name", login))
                    client.flush()
            if left <= 0:
                break
        assert seen[:60] == [b"200"] * 60  # type: ignore[comparison-overlap]


async def test_a_header_cannot_become_another(site: Site) -> None:
    async with connected(site) as client:
        streams = {
            client.get("/live/index.m3u8", ("x-a", "b\r\nx-evil: 1")),
            client.get("/live/index.m3u8 HTTP/1.1\r\nx: y"),
            client.get("/streamer/api/v3/streams", method="CONNECT"),
        }
        async for event in client.events():
            if isinstance(event, ResponseReceived):
                assert dict(event.headers)[b":status"] == b"400"
            if isinstance(event, StreamReset | StreamEnded):
                streams.discard(event.stream_id)
            if isinstance(event, ConnectionTerminated) or not streams:
                break


@pytest.mark.parametrize("attack", ["rapid-reset", "pings", "garbage", "too-many"])
async def test_who_makes_work_only_is_let_go(site: Site, attack: str) -> None:
    """And the server serves on."""
    ended = False
    async with connected(site) as client:
        if attack == "garbage":
            client.writer.write(b"GET / HTTP/1.1\r\n\r\n" * 10)
            async for _ in client.events():
                pass
            ended = True
        elif attack == "too-many":
            for _ in range(200):
                client.get("/live/mpegts")
            async for event in client.events():
                ended |= isinstance(event, ConnectionTerminated)
        else:
            for number in range(4000):
                if attack == "pings":
                    client.h2.ping(number.to_bytes(8, "big"))
                else:
                    client.h2.reset_stream(client.get("/live/index.m3u8"))
            async for event in client.events():
                ended |= isinstance(event, ConnectionTerminated)
    assert ended
    assert (await site.curl("/live/index.m3u8"))[0] == "2 200"

    async def left() -> bool:
        _, found = await site.streamer.api("GET", "/sessions")
        return all(session["proto"] != "mpegts" for session in found["sessions"])

    await until(left, "no exchange is left behind")
