"""Servers that ask each other, within one process: real HTTP, no workers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from media_api.balancing import Candidate
from media_api.server import ServerConfig
from media_streamer.api.streams import summary_state
from media_streamer.supervisor.catalog import Catalog, Changes
from media_streamer.supervisor.cluster.directing import Director
from media_streamer.supervisor.cluster.servers import OtherServers
from media_streamer.supervisor.tasks import Tasks
from media_streamer.wire.control import AccessRequest

WAIT_SECONDS = 30.0


class Node:
    """A server as others see it: a list of its streams, and what it does."""

    def __init__(
        self, name: str, http: aiohttp.ClientSession, tasks: Tasks, refresh_seconds: float = 0.05
    ) -> None:
        self.name = name
        self.catalog = Catalog()
        self.alerts: dict[str, str] = {}
        self.stats: dict[str, Any] = {"output_kbit": 100, "total_clients": 1}
        self.others = OtherServers(
            http,
            self,
            self.alerts.__setitem__,
            tasks,
            lambda: name,
            refresh_seconds=refresh_seconds,
        )
        self.asked = 0
        app = web.Application()
        app.router.add_get("/streamer/api/v3/streams", self._list)
        app.router.add_get("/streamer/api/v3/config/stats", self._stats)
        self.server = TestServer(app)
        load = Candidate(name, output_kbit=1000, clients=10)
        self.director = Director(self.others, self.catalog, lambda: load)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def apply(self, changes: Changes) -> None:
        """There is nobody to bring them to."""

    def use(self, *streams: str, **config: Any) -> None:
        found = ServerConfig.model_validate(
            {"streams": [{"name": one, "static": False} for one in streams], **config}
        )
        self.catalog.set_config(found)
        self.others.use(found)

    def names(self) -> set[str]:
        return set(self.catalog.streams)

    async def _list(self, _: web.Request) -> web.Response:
        self.asked += 1
        streams = [summary_state(one) for one in self.catalog.streams.values()]
        return web.json_response({"streams": streams, "instance": self.others.instance})

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response(self.stats)


@pytest.fixture
async def nodes() -> AsyncIterator[list[Node]]:
    tasks = Tasks()
    async with aiohttp.ClientSession() as http:
        found = [Node(name, http, tasks) for name in ("a", "b", "c")]
        for node in found:
            await node.server.start_server()
        yield found
        await tasks.close()
        for node in found:
            await node.server.close()


async def until(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            if found := condition():
                return found
            await asyncio.sleep(0.01)


def sources(*nodes: Node) -> list[dict[str, str]]:
    return [{"url": node.place} for node in nodes]


async def test_a_ring_and_itself(nodes: list[Node]) -> None:
    """Each has the streams of all, none takes back its own, and what is gone is gone for all."""
    one, two, three = nodes
    one.use("a", sources=sources(two, one))
    two.use("b", sources=sources(three))
    three.use("c", sources=sources(one))
    for node in nodes:
        await until(lambda node=node: node.names() == {"a", "b", "c"})
        assert node.catalog.streams[node.name].named_by == "config"
    far = one.catalog.streams["c"]
    assert far.elsewhere is not None
    assert far.elsewhere.via == (two.others.instance, three.others.instance)
    assert "this server itself" in one.alerts[f"source {one.place}"]
    three.use(sources=sources(one))
    for node in nodes:
        await until(lambda node=node: node.names() == {"a", "b"})


async def test_a_source_that_fails_keeps_what_it_had(nodes: list[Node]) -> None:
    one, two, _ = nodes
    one.use(sources=sources(two))
    two.use("b")
    await until(lambda: one.names() == {"b"})
    place = two.place
    await two.server.close()
    await until(lambda: one.alerts.get(f"source {place}"))
    assert one.names() == {"b"}
    one.use()
    await until(lambda: not one.names())
    assert not any(one.alerts.values())


async def test_peers_are_where_viewers_are_sent(nodes: list[Node]) -> None:
    one, two, _ = nodes
    public = "https://public.example/"
    peer = {"hostname": "b", "api_url": f"http://{two.place}", "public_payload_url": public}
    one.use("own", peers=[peer, {"hostname": "a"}], sources=[])
    two.use("b/c")
    stream = await until(lambda: one.catalog.streams.get("b/c"))
    request = AccessRequest(
        "b/c", "hls", "play", "10.0.0.1", qs="token=x&a=%20", path="/b/c/tracks-v1/mono.m3u8"
    )
    sent = one.director.send_on(stream, request)
    assert sent is not None
    assert sent.status == 302
    assert sent.location == "https://public.example/b/c/tracks-v1/mono.m3u8?token=x&a=%20"
    # By other protocols nobody can be sent away: he is fed from there.
    assert one.director.send_on(stream, AccessRequest("b/c", "rtmp", "play", "10.0.0.1")) is None
    assert one.director.send_on(one.catalog.streams["own"], request) is None


async def test_a_peer_is_asked_as_often_as_is_said(nodes: list[Node]) -> None:
    peer = nodes[1]
    tasks = Tasks()
    async with aiohttp.ClientSession() as http:
        patient = Node("d", http, tasks, refresh_seconds=3600)
        url = f"http://{peer.place}"
        patient.use(peers=[{"hostname": "b", "api_url": url, "fetch_timeout": 20}])
        await until(lambda: peer.asked > 3)
        await tasks.close()


async def test_peers_agree_who_captures(nodes: list[Node]) -> None:
    stream = {"name": "s", "inputs": [{"url": "fake://fake"}], "dvr": {"root": "/d"}}
    shared = {**stream, "cluster_ingest": {"capture_at": "b"}}

    def configure(node: Node) -> None:
        peers = [
            {"hostname": one.name, "api_url": f"http://{one.place}", "stale_timeout": 1}
            for one in nodes
        ]
        config = ServerConfig.model_validate({"streams": [shared], "peers": peers})
        node.catalog.set_config(config)
        node.others.use(config)

    for node in nodes:
        configure(node)

    def captures() -> list[str]:
        return [n.name for n in nodes if n.catalog.streams["s"].elsewhere is None]

    await until(lambda: captures() == ["b"])
    one, two, three = nodes
    pulled = one.catalog.streams["s"]
    assert pulled.config.inputs[0].url == f"tshttp://{two.place}/s/mpegts", "there is no key"
    assert (pulled.config.static, pulled.config.dvr, pulled.named_by) == (False, None, "config")
    assert pulled.elsewhere is not None
    assert pulled.elsewhere.captured
    # The one that captures is gone: one of the others does, and gives back when it lives again.
    await two.server.close()
    await until(lambda: len({"a", "c"} & set(captures())) == 1)
    back = one if one.catalog.streams["s"].elsewhere is None else three
    assert back.catalog.streams["s"].config.dvr is not None


async def test_balancers(nodes: list[Node]) -> None:
    one, two, three = nodes
    peers = [{"hostname": node.name, "api_url": f"http://{node.place}"} for node in (two, three)]
    balancer = {"name": "lb", "servers": [{"name": n} for n in ("a", "b", "c", "nowhere")]}
    one.use("mine", peers=peers, balancers=[balancer])
    two.use("s", "mine")
    three.use("s", "t")
    two.stats, three.stats = {"output_kbit": 500}, {"output_kbit": 300, "total_clients": 1}
    request = AccessRequest("lb/s", "hls", "play", "10.0.0.1", path="/lb/s/index.m3u8")

    def ask(name: str, **changes: str) -> Any:
        path = changes.pop("path", f"/lb/{name}/index.m3u8")
        asked = AccessRequest(f"lb/{name}", "hls", "play", "10.0.0.1", path=path)
        return one.director.balance(asked, lambda ip: "")

    await until(lambda: {"s", "t"} <= one.names())
    await until(lambda: all(one.others.living_peer(n) for n in "bc"))
    first = ask("s")
    assert first.location == f"http://{three.place}/s/index.m3u8"
    # Who was sent there counts before it says so itself.
    await until(lambda: ask("s").location.startswith(f"http://{two.place}"))
    for _ in range(20):  # never by this server, which would send on as well
        assert ask("t").location.startswith(f"http://{three.place}")
    assert ask("mine").location == "/mine/index.m3u8" or ask("mine").location.startswith(
        f"http://{two.place}"
    )
    assert ask("unknown").status == 302, "a template may make it"
    assert one.director.balance(AccessRequest("s", "hls", "play", ""), lambda ip: "") is None
    by_rtmp = AccessRequest("lb/s", "rtmp", "play", "10.0.0.1")
    found = one.director.balance(by_rtmp, lambda ip: "")
    assert found is not None
    assert found.status == 404
    assert request.name == "lb/s"


async def test_limits_of_peers(nodes: list[Node]) -> None:
    one, two, _ = nodes
    balancer = {"name": "lb", "servers": [{"name": "b"}]}

    async def ask(kind: Any = "play", **limits: int) -> int:
        peer = {"hostname": "b", "api_url": f"http://{two.place}", **limits}
        one.use(peers=[peer], balancers=[balancer])
        await until(lambda: one.others.living_peer("b"))
        asked = AccessRequest("lb/new", "webrtc", kind, "10.0.0.1", path="/lb/new/whip")
        found = one.director.balance(asked, lambda ip: "")
        assert found is not None
        return found.status

    two.stats = {"output_kbit": 500, "cpu_usage": 80, "online_streams": 7, "total_clients": 1}
    assert await ask() == 302
    assert await ask(cpu_limit=90, channel_limit=7, max_bitrate=1_000_000) == 302
    assert await ask(cpu_limit=80) == 503
    assert await ask(max_bitrate=500_000) == 503
    assert await ask("publish", channel_limit=8) == 302
    assert await ask("publish", channel_limit=7) == 503
