import asyncio
from typing import Any, cast

import pytest
from media_central.streamers.client import StreamerClient, StreamerError
from media_central.streamers.link import (
    KEEPS_SECONDS,
    LinkOptions,
    StreamerLink,
    _first_ports,
)
from media_central.streamers.provision import Wanted


@pytest.mark.parametrize(
    ("config", "port"),
    [
        ({"listeners": {"rtmp": [{"port": 1935}, {"port": 1936}]}}, 1935),
        ({"listeners": {"rtmp": []}}, None),
        ({"listeners": []}, None),
        ({}, None),
        ({"listeners": {"rtmp": [{"port": "many"}]}}, None),
    ],
)
def test_the_first_port_of_a_listener(config, port):
    assert _first_ports(config).get("rtmp") == port


CENTRAL = "http://central/streamer/api/v3/streamers/"


class Server:
    """A streamer that answers, as its client sees it; `up` False: it does not."""

    def __init__(self) -> None:
        self.started_at = 1
        self.config: dict[str, Any] = {}
        self.up = True

    async def get(self, path: str) -> dict[str, Any]:
        await asyncio.sleep(0)
        if not self.up:
            raise StreamerError("cannot reach it")
        stats = {"id": "x", "hostname": "h", "started_at": self.started_at}
        return dict(self.config) if path == "/config" else stats

    async def put(self, path: str, body: dict[str, Any]) -> None:
        self.config |= body

    async def collection(self, name: str, **query: str) -> list[dict[str, Any]]:
        await asyncio.sleep(0)
        return []

    def links(self, *names: str) -> list[StreamerLink]:
        """Of one that names it so each: as they are when Central starts."""
        options = LinkOptions(1.0, 3, 3, lambda config: Wanted(CENTRAL + config["hostname"]))
        found: list[StreamerLink] = []
        for name in names:
            client = cast("StreamerClient", self)
            link = StreamerLink({"hostname": name}, client, options, lambda _: None, lambda: found)
            found.append(link)
        return found


@pytest.fixture
def server() -> Server:
    return Server()


async def poll(*links: StreamerLink) -> None:
    """All at once; whether its configuration is to be looked at is asked, too."""
    for link in links:
        link.provision_soon()
    await asyncio.gather(*(link.poll() for link in links))


@pytest.mark.parametrize("restarted", ["central", "streamer", "network"])
@pytest.mark.parametrize("first", ["owner", "twin"])
async def test_a_server_of_two_names_keeps_the_first_over_a_restart(server, restarted, first):
    owner, twin = server.links("owner", "twin")
    await poll(owner)
    await poll(twin)
    if restarted == "central":
        owner, twin = server.links("owner", "twin")
    else:
        server.up = False
        await poll(owner, twin)
        for link in (owner, twin):
            link._heard -= 2 * KEEPS_SECONDS
            link._since -= 2 * KEEPS_SECONDS
        server.up = True
        server.started_at += restarted == "streamer"
    await poll(*((owner, twin) if first == "owner" else (twin, owner)))
    await poll(twin)
    assert server.config["config_external"] == CENTRAL + "owner"
    assert owner.provision_error is None
    assert "the streamer owner already" in twin.provision_error


async def test_a_server_is_not_kept_for_a_name_that_does_not_answer(server):
    _, twin = server.links("owner", "twin")
    server.config["config_external"] = CENTRAL + "owner"
    await poll(twin)
    assert "the streamer owner already" in twin.provision_error
    twin._since -= 2 * KEEPS_SECONDS
    await poll(twin)
    assert server.config["config_external"] == CENTRAL + "twin"
    assert twin.provision_error is None


async def test_a_server_is_not_kept_for_a_name_that_is_now_another_server(server):
    owner, twin = server.links("owner", "twin")
    server.config["config_external"] = CENTRAL + "owner"
    await poll(twin)
    owner.client = cast("StreamerClient", other := Server())
    other.started_at = 2
    await poll(owner)
    await poll(twin)
    assert server.config["config_external"] == CENTRAL + "twin"
