"""What kopf's session makes of what an API server sends; a server on loopback sends it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from media_operator.watch import session as module
from media_operator.watch.flow import Change, Flow
from media_operator.watch.session import Feed

PATH = "/apis/media.flussonic.com/v1alpha1/streams"


class Api:
    """Answers lists and watches with what the test says; counts what the session tells."""

    def __init__(self) -> None:
        self.watch: bytes = b""
        self.items: list[Any] = []
        self.more = ""
        self.status = 200
        self.hangs = False
        self.garbage: bytes | None = None
        self.told: list[Change] = []
        self.lived = self.was_away = 0
        self.flow = Flow("Stream", self.told.append)
        self.feed = Feed({PATH: self.flow}, self)

    def alive(self) -> None:
        self.lived += 1

    def away(self) -> None:
        self.was_away += 1

    async def answer(self, request: web.Request) -> web.Response:
        if self.hangs:
            await asyncio.Event().wait()
        if "watch" in request.query:
            return web.Response(body=self.watch)
        if self.garbage is not None:
            kind = "text/html" if self.garbage.startswith(b"<") else "application/json"
            return web.Response(body=self.garbage, content_type=kind)
        metadata = {"resourceVersion": "1", "continue": self.more}
        return web.json_response({"items": self.items, "metadata": metadata}, status=self.status)

    async def lines(self) -> list[dict[str, Any]]:
        """What kopf reads of a watch. Raises ClientPayloadError."""
        async with self.session.get(f"{self.url}{PATH}?watch=true") as response:
            found = [part async for part in response.content.iter_chunked(2**20)]
        assert all(part.count(b"\n") == 1 and part.endswith(b"\n") for part in found)
        return [json.loads(part) for part in found]

    async def list(self, query: str = "") -> Any:
        async with self.session.get(f"{self.url}{PATH}{query}") as response:
            return await response.json()

    session: aiohttp.ClientSession
    url: str


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setattr(module, "RETRY_SECONDS", (0.0,))
    one = Api()
    app = web.Application()
    app.router.add_get("/{path:.*}", one.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession(
        response_class=one.feed.response_class(), trace_configs=[one.feed.tracing()]
    ) as one.session:
        yield one
    await runner.cleanup()


def event(type_: str, **fields: Any) -> bytes:
    return json.dumps({"type": type_, "object": fields}).encode() + b"\n"


GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}


async def test_whole_lines_pass(api: Api) -> None:
    api.watch = event("ADDED", text="x" * 300_000) + event("BOOKMARK", metadata={})
    assert [line["type"] for line in await api.lines()] == ["ADDED", "BOOKMARK"]
    assert api.lived > 0


@pytest.mark.parametrize(
    "line",
    [
        event("ERROR", code=500, message="etcd is away"),
        event("ERROR", code=410),
        b'{"object": {"code": 500}, "type": "ERROR"}\n',
        b'{"type":"ERROR","object":"nothing"}\n',
        b"<html>502 Bad Gateway</html>\n",
        b'"a string"\n',
        b"[]\n",
        b'\xff\xfe{"type":"ADDED"}\n',
    ],
)
async def test_errors_and_garbage_become_410(api: Api, line: bytes) -> None:
    api.watch = line
    assert await api.lines() == [GONE]
    assert api.was_away > 0


@pytest.mark.parametrize("cut", [1, 20, 60])
async def test_half_a_line_is_a_broken_connection(api: Api, cut: int) -> None:
    api.watch = event("ADDED", metadata={"name": "a"}) + event("ADDED", name="x" * 80)[:cut]
    with pytest.raises(aiohttp.ClientPayloadError, match="half an event"):
        await api.lines()


async def test_a_list_is_followed_to_its_end(api: Api) -> None:
    api.items, api.more = [{"metadata": {"namespace": "ns", "name": "a"}}], "token"
    await api.list("?limit=1")
    api.flow.came_out(None, api.items[0])
    api.items, api.more = [], ""
    await api.list("?limit=1&continue=token")
    assert [change.type for change in api.told] == ["begin", "put", "end"]


async def test_a_refused_list_says_nothing_about_objects(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    api.status = 503
    for _ in range(5):
        await api.list()
    assert api.told == []
    assert api.was_away == 5
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        f"{PATH}: 503 Service Unavailable, {times} times now" for times in (1, 2, 4)
    ]


@pytest.mark.parametrize(
    "garbage", [b"\x1f\x8b\x08", b"", b"[]", b"{}", b'{"items": [{}], "metadata": {}}', b"<html>"]
)
async def test_what_is_no_list_is_one_that_broke_off(
    api: Api, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """kopf asks again; anything else would end it."""
    api.garbage = garbage
    with pytest.raises(aiohttp.ClientPayloadError, match="no list"):
        await api.list()
    assert api.told == []
    assert api.was_away == 1
    assert "the answer is no list" in caplog.text


async def test_other_requests_pass_untouched(api: Api) -> None:
    async with api.session.get(f"{api.url}/apis?watch=true") as response:
        assert await response.read() == b""
    assert api.told == []


async def test_a_server_that_nobody_hears_is_told(api: Api, unused_port: int) -> None:
    with pytest.raises(aiohttp.ClientConnectionError):
        await api.session.get(f"http://127.0.0.1:{unused_port}{PATH}")
    assert api.was_away == 1


async def test_a_server_that_takes_a_watch_and_says_nothing_is_asked_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUEST_TIMEOUT_SECONDS", 0.2)
    api.hangs = True
    with pytest.raises(TimeoutError):
        await api.lines()
    assert api.was_away == 1
    api.hangs, api.watch = False, event("BOOKMARK", metadata={})
    assert len(await api.lines()) == 1


async def test_a_kind_that_is_asked_for_in_vain_is_not_silent(api: Api) -> None:
    api.flow.heard = 0.0
    api.feed.trouble("/apis/apps/v1/statefulsets", "503")
    assert api.flow.heard > 0, "nobody knows what is served"
    api.flow.heard = 0.0
    api.status = 503
    await api.list()
    assert api.flow.heard > 0


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
