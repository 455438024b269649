"""Servers in this process: the public HTTP port with an API behind it, and the JSON API."""

import asyncio
import contextlib
import json
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.test_utils import TestClient, TestServer
from media_rest.credentials import basic_header
from media_streamer.api.server import make_app
from media_streamer.egress.context import Egress
from media_streamer.egress.http.app import HttpApp
from media_streamer.egress.http.connection import Call
from media_streamer.egress.http.proxy import ApiProxy
from media_streamer.egress.hub import Hub
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.supervisor import Supervisor

from tests.fuzz.engine import Target

SILENCE_SECONDS = 0.03
"""Answers of a loopback server that come at all come by then."""
CONFIG = "http 8080; edit_auth admin secret; stream a { input fake://fake; }"
HEAD = b"Host: localhost\r\n"
API = b"/streamer/api/v3/streams"


class Front:
    """The HTTP service of an egress worker, and an API that notes what reaches it."""

    def __init__(self, runtime: Path) -> None:
        self.forwarded: list[tuple[str, str]] = []
        """Method and path of what the front passes on."""
        self.reached: list[tuple[str, str]] = []
        self.port = 0
        self._runtime = runtime

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async def answer(request: web.BaseRequest) -> web.Response:
            self.reached.append((request.method, request.raw_path))
            with contextlib.suppress(ConnectionError):
                await request.read()
            return web.Response(text="{}")

        loop = asyncio.get_running_loop()
        behind = web.Server(answer, access_log=None)
        socket = await loop.create_unix_server(behind, self._runtime / "api.sock")
        proxy = ApiProxy(self._runtime / "api.sock")
        forward = proxy.forward

        async def noted(request: web.BaseRequest, ip: str) -> web.StreamResponse:
            self.forwarded.append((request.method, request.raw_path))
            return await forward(request, ip)

        proxy.forward = noted  # type: ignore[method-assign]
        begin = proxy.calls.begin

        def begun(request: RawRequestMessage, *arguments: Any, **more: Any) -> Call | None:
            call = begin(request, *arguments, **more)
            if call is not None:
                self.forwarded.append((request.method, request.path))
            return call

        proxy.calls.begin = begun  # type: ignore[method-assign]
        server = HttpApp(Egress(Hub(self._runtime)), proxy).server(api=True)
        listening = await loop.create_server(server, "127.0.0.1", 0)
        self.port = listening.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            listening.close()
            socket.close()
            await server.shutdown(0.5)
            await behind.shutdown(0.5)
            await proxy.close()

    async def ask(self, data: bytes) -> Hashable:
        """Send bytes and hear the answers; what reaches the API is what the front passed on.

        What begins with a control character is the seed of requests that are nearly right.
        """
        if data[:1] < b" ":
            data = nearly_requests(random.Random(data))
        self.forwarded.clear()
        self.reached.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        heard = b""
        try:
            writer.write(data)
            with contextlib.suppress(TimeoutError):
                while part := await asyncio.wait_for(reader.read(65_536), SILENCE_SECONDS):
                    heard += part
        finally:
            writer.transport.abort()
        statuses = [line.split()[1] for line in heard.split(b"\r\n") if line[:7] == b"HTTP/1."]
        assert b"500" not in statuses, heard[:300]
        assert set(self.reached) <= set(self.forwarded), (self.reached, self.forwarded)
        assert len(self.reached) <= len(self.forwarded), (self.reached, self.forwarded)
        return tuple(statuses[:4]), len(self.forwarded)


class Api:
    """The API of a supervisor without workers."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._client: TestClient[Any, Any]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        path = self._directory / "flussonic.conf"
        path.write_text(CONFIG)
        place = self._directory
        settings = Settings(path, place, place, place, 1, 1, "host1")
        async with aiohttp.ClientSession() as http:
            server = Supervisor(settings, {}, http).facade
            await server.configuration.start()
            async with TestClient(TestServer(make_app(server))) as self._client:
                yield

    async def put(self, data: bytes) -> Hashable:
        """Any bytes as a document, or with every other first byte the seed of one."""
        paths = ("/streams/fuzz", "/config", "/templates/t", "/event_sinks/e", "/streams")
        first = data[0] if data else 0
        path = paths[first // 2 % len(paths)]
        if first & 1 and path != "/streams":
            value = nearly_document(random.Random(data), path == "/config")
            data = b"x" + json.dumps(value).encode()
        headers = {
            "Authorization": basic_header("admin", "secret"),
            "Content-Type": "application/json",
        }
        method = "GET" if path == "/streams" else "PUT"
        query = {"q": data[1:40].decode("latin-1")} if method == "GET" else {}
        body = data[1:] if method == "PUT" else None
        url = f"/streamer/api/v3{path}"
        async with self._client.request(
            method, url, params=query, data=body, headers=headers
        ) as answer:
            text = await answer.text()
            assert answer.status < 500, text
            if answer.status >= 400:
                errors = json.loads(text)["errors"]
                return answer.status, tuple(str(one.get("code")) for one in errors[:2])
        if path == "/streams/fuzz":
            await self._client.delete(url, headers=headers)
        return answer.status


def nearly_requests(random_: random.Random) -> bytes:
    """Some requests, of parts that are right or a little wrong."""
    parts = []
    for _ in range(random_.choice((1, 1, 2, 3))):
        method = random_.choice((b"GET", b"PUT", b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"get"))
        target = random_.choice(
            (API, API + b"/x", API + b"/%2e%2e/x", b"/a/index.m3u8", b"/ui/", b"*",
             b"http://h/" + API,
             API + b"?q=%00", b"//" + API, API + b"/\xff", b"/", b"/streamer/api/v3/../v3/config")
        )  # fmt: skip
        version = random_.choice((b"HTTP/1.1",) * 4 + (b"HTTP/1.0", b"HTTP/2.0", b"http/1.1"))
        body = random_.choice((b"", b"{}", b"5\r\nabcde\r\n0\r\n\r\n", REQUESTS[-1]))
        lines = [method + b" " + target + b" " + version, b"Host: localhost"]
        length = str(len(body)).encode()
        chosen = random_.choices(FIELDS, k=random_.choice((0, 0, 1, 1, 2)))
        lines += [field.replace(b"LENGTH", length) for field in chosen]
        end = random_.choice((b"\r\n",) * 8 + (b"\n", b"\r", b" \r\n"))
        parts.append(end.join(lines) + end + end + body)
    return b"".join(parts)


def nearly_document(random_: random.Random, whole: bool) -> Any:
    """A document of fields that there are, and of values that may be wrong."""

    def value(depth: int) -> Any:
        kind = random_.randrange(12 if depth < 4 else 8)
        if kind < 4:
            return random_.choice(VALUES)
        if kind < 6:
            return random_.choice((-1, 0, 1, 3.5, 2**63, 1e308, True, None))
        if kind < 8:
            return "".join(chr(random_.choice((0, 9, 10, 34, 37, 92, 97, 0x202E, 0xD800, 0x1F600)))
                           for _ in range(random_.randrange(6)))  # fmt: skip
        if kind < 9:
            return [value(depth + 1) for _ in range(random_.randrange(4))]
        return {random_.choice(KEYS): value(depth + 1) for _ in range(random_.randrange(6))}

    if random_.random() < 0.1:
        return value(0)
    keys = ("streams", "templates", "vods", "event_sinks", "auth_backends") if whole else KEYS
    return {random_.choice(keys): value(1) for _ in range(random_.randrange(1, 6))}


REQUESTS = (
    *(bytes([number]) for number in range(8)),
    b"GET " + API + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"PUT " + API + b"/x HTTP/1.1\r\n" + HEAD + b"Content-Length: 2\r\n\r\n{}",
    b"POST " + API + b"/x HTTP/1.1\r\n" + HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"GET /a/index.m3u8?token=x HTTP/1.1\r\n" + HEAD + b"Range: bytes=0-1\r\n\r\n",
    b"PUT " + API + b"/x HTTP/1.1\r\n" + HEAD + b"Content-Length: 60\r\n\r\n"
    + b"GET " + API + b"/smuggled HTTP/1.1\r\n" + HEAD + b"\r\n",
)  # fmt: skip
WORDS = (
    b"Content-Length: 0\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n", b"Transfer-Encoding: identity, chunked\r\n", b"\n", b"\r",
    b"Connection: Content-Length\r\n", b"Upgrade: h2c\r\n", b"Expect: 100-continue\r\n",
    b"0\r\n\r\n",
    b"CONNECT ", b"GET ", API, b" HTTP/1.0\r\n", b"%2f", b"%00", b"X-Real-IP: 127.0.0.1\r\n", b"..",
    b"GET " + API + b"/smuggled HTTP/1.1\r\n" + HEAD + b"\r\n", b"5;x=y\r\nabcde\r\n",
)  # fmt: skip
FIELDS = (
    b"Content-Length: LENGTH", b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: +5",
    b"Content-Length: 1, 1", b"Transfer-Encoding: chunked", b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding : chunked", b"Transfer-Encoding: identity, chunked", b"Connection: close",
    b"Connection: keep-alive, Content-Length", b"Upgrade: websocket", b"Expect: 100-continue",
    b"Content-Type: application/json", b"X-Real-IP: 127.0.0.1", b"Trailer: x", b"Host: evil",
    b"Authorization: Basic \xff", b" folded: line", b"X: " + b"y" * 9000, b"Range: bytes=5-1",
    b"Accept-Encoding: gzip, *", b"If-None-Match: \"", b"Cookie: a=\x00", b"X-Forwarded-For: ::1%x",
)  # fmt: skip
KEYS = (
    "name", "inputs", "url", "title", "labels", "priority", "on_play", "on_publish", "template",
    "protocols", "hls", "whitelist", "transcoder", "video", "audio", "dvr", "root", "pushes", "drm",
    "static", "disabled", "position", "backup", "thumbnails", "password", "segment_duration",
    "segment_count", "prefixes", "stats", "$reset", "source_timeout", "programs", "pids", "only",
    "event", "except", "allow", "deny", "countries", "session_keys", "max_sessions", "mosaic",
)  # fmt: skip
VALUES = (
    "fake://fake", "publish://", "rtsp://u:p@[::1]:x/", "hls://h/\r\nX: y", "file://vod/../x", "",
    "udp://239.0.0.1:1234", "tshttp://h/%s", "%s", "a/b", "..", "5s", "1d", "10G", "true", "*", "#",
    "log:///etc/passwd", "http://169.254.169.254/", "\u202e", "x" * 300, "{", ";", "uuid", "1080p",
)  # fmt: skip
DOCUMENTS = (
    b'\0{"inputs": [{"url": "fake://fake"}], "title": "x", "labels": {"a": "b"}}',
    b'\0{"inputs": [{"url": "rtsp://u:p@h/x", "priority": 1}], "on_play": {"url": "http://h/"}}',
    b'\2{"streams": [{"name": "a", "inputs": []}], "listeners": {"http": [{"port": 80}]}}',
    b'\4{"prefixes": ["x"], "inputs": [{"url": "publish://"}], "protocols": {"hls": false}}',
    b'\6{"url": "http://h/", "only": [{"event": ["stream_opened"]}]}',
    b"\x08a.b&c",
    b"\1",
    b"\3",
    b"\5",
    b"\7",
)
DOCUMENT_WORDS = (
    b"null", b"{}", b"[]", b'"$reset"', b"1e400", b"-1", b'"\\ud800"', b"true", b'"stats"', b":",
    b",",
    b'"dvr"', b'"transcoder"', b'"pushes"', b'"url"', b'"name"', b"NaN", b'"%s"',
)  # fmt: skip


@contextlib.contextmanager
def targets() -> Iterator[list[Target]]:
    """Running until the block ends."""
    with (
        asyncio.Runner() as runner,
        tempfile.TemporaryDirectory(prefix="fuzz-") as first,
        tempfile.TemporaryDirectory(prefix="fuzz-") as second,
    ):
        front, api = Front(Path(first)), Api(Path(second))
        stack = contextlib.AsyncExitStack()

        def of(
            call: Callable[[bytes], Coroutine[Any, Any, Hashable]],
        ) -> Callable[[bytes], Hashable]:
            return lambda data: runner.run(call(data))

        runner.run(stack.enter_async_context(front.running()))
        runner.run(stack.enter_async_context(api.running()))
        try:
            yield [
                Target("http_front", of(front.ask), REQUESTS, (), WORDS),
                Target("json_api", of(api.put), DOCUMENTS, (), DOCUMENT_WORDS),
            ]
        finally:
            runner.run(stack.aclose())
