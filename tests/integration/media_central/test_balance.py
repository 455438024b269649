"""`/lb`: one address for players and publishers, whichever streamer runs the stream."""

import asyncio
import re
from urllib.parse import quote, urlsplit

import pytest
from media_central.rest import balance

FAKE = {"inputs": [{"url": "fake://fake"}]}


@pytest.fixture
async def cluster(central, start_streamer, eventually):
    """The stream `sport/one` on `origin`; `edge` plays it too and is idle, `full` is no edge."""
    started = {
        "origin": await start_streamer("origin", stats={"output_kbit": 900}),
        "edge": await start_streamer("edge", stats={"output_kbit": 100}),
        "idle": await start_streamer("idle", stats={"output_kbit": 0}),
    }
    for name, streamer in started.items():
        body = {
            "api_url": streamer.url,
            "cluster_key": streamer.cluster_key,
            "public_payload_url": f"https://{name}.example.com",
            "is_restreamer": name == "edge",
        }
        await central.api("PUT", f"/streamers/{name}", body)
    wanted = {**FAKE, "streamer": "origin"}
    await central.api("PUT", "/streams/sport%2Fone", wanted)

    async def all_are_online():
        _, listed = await central.api("GET", "/streamers")
        return all(item["stats"] for item in listed["streamers"])

    await eventually(all_are_online)
    await eventually(lambda: started["origin"].running == {"sport/one"})
    return started


async def ask(central, path, method="GET"):
    url = f"{central.api.base}/lb{path}"
    async with central.api.http.request(method, url, allow_redirects=False) as answer:
        return answer.status, answer.headers


async def test_a_player_is_sent_to_the_least_loaded_and_needs_no_credentials(central, cluster):
    status, headers = await ask(central, "/any/sport%2Fone/tracks-v1/index.m3u8?token=a%20b&x=1")
    assert status == 302
    assert headers["Location"] == (
        "https://edge.example.com/sport/one/tracks-v1/index.m3u8?token=a%20b&x=1"
    )
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert (await ask(central, "/any/sport%2Fone/index.m3u8", "HEAD"))[0] == 302


async def test_a_publisher_is_sent_to_the_streamer_that_captures(central, cluster):
    status, headers = await ask(central, "/any/sport%2Fone/mpegts", "POST")
    assert status == 307
    assert headers["Location"] == "https://origin.example.com/sport/one/mpegts"


async def test_an_edge_that_died_gets_nobody(central, cluster, eventually):
    await cluster["edge"].stop()

    async def sent_to_origin():
        _, headers = await ask(central, "/any/sport%2Fone/index.m3u8")
        return headers["Location"].startswith("https://origin.example.com/")

    await eventually(sent_to_origin)


async def test_what_cannot_be_played_is_said(central, cluster):
    assert (await ask(central, "/any/none/index.m3u8"))[0] == 404
    await central.api("PUT", "/streams/homeless", {**FAKE, "streamer": "nowhere"})
    status, headers = await ask(central, "/any/homeless/index.m3u8")
    assert (status, headers["Retry-After"]) == (503, "2")
    assert (await central.api("GET", "/lb", headers={}))[0] == 404
    assert (await ask(central, "/any/sport%2Fone/index.m3u8?scheme=javascript"))[0] == 400
    assert (await ask(central, "/unknown/sport%2Fone/index.m3u8"))[0] == 404


async def test_who_is_sent_on_cannot_choose_where_to(central, start_streamer, eventually):
    """What a stranger says of scheme and host is looked at before it stands in an address."""
    streamer = await start_streamer("near")
    body = {"api_url": streamer.url, "cluster_key": streamer.cluster_key}
    await central.api("PUT", "/streamers/near", body)
    await central.api("PUT", "/streams/cam", {**FAKE, "streamer": "near"})
    await eventually(lambda: streamer.running == {"cam"})
    here = re.compile(rf"http://[a-z0-9.-]+:{streamer.url.rpartition(':')[2]}/cam/index\.m3u8")
    for host in ("a<script>", "a/b", "a\\b", "a b", "[::1%25x]", "", "a:b:c"):
        head = await head_of(central, "/streamer/api/v3/lb/any/cam/index.m3u8", host)
        sent_to = [line.split(" ", 1)[1] for line in head if line.startswith("Location:")]
        assert all(here.fullmatch(place) for place in sent_to), (host, head)
    for scheme in ("javascript", "data", "HTTPS", "https://evil.example/x?", ""):
        status, headers = await ask(central, f"/any/cam/index.m3u8?scheme={quote(scheme, safe='')}")
        assert (status, headers.get("Location")) == (400, None), scheme
    status, headers = await ask(central, "/any/cam/index.m3u8?scheme=https")
    assert (status, headers["Location"].split(":")[0]) == (302, "https")
    assert headers["Cache-Control"] == "no-store", "nobody gets what another one's words made"


async def head_of(central, path, host):
    """Lines of the head that a request with this `Host` is answered by."""
    url = urlsplit(central.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        async with asyncio.timeout(60):
            return (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    finally:
        writer.close()


class Sleeper:
    """A waker whose stream gets a streamer when somebody asks for it."""

    def __init__(self, central) -> None:
        self._central = central
        self.asked: list[str] = []
        self.looks = 0

    def sleeps(self, name: str) -> bool:
        return name.startswith("nightly")

    def is_told(self, hostname: str) -> bool:
        """From the third look on: a pod answers before it is said where viewers reach it."""
        self.looks += hostname == "origin"
        return self.looks > 2

    async def wake(self, name: str) -> None:
        self.asked.append(name)
        await self._central.api("PUT", f"/streams/{name}", {"streamer": "origin"})


async def test_who_asks_for_a_stream_that_sleeps_waits_for_its_pool(central, cluster, monkeypatch):
    await central.api("PUT", "/streams/nightly", {**FAKE, "streamer": "gone"})
    assert (await ask(central, "/any/nightly/index.m3u8"))[0] == 503
    sleeper = Sleeper(central)
    object.__setattr__(central.central.context, "waker", sleeper)
    status, headers = await ask(central, "/any/nightly/index.m3u8")
    assert (status, sleeper.asked, sleeper.looks) == (302, ["nightly"], 3)
    assert headers["Location"].endswith("example.com/nightly/index.m3u8")
    sleeper.looks = 0  # it is placed and not reached yet: who comes then waits and wakes nobody
    monkeypatch.setattr(sleeper, "sleeps", lambda name: False)
    status, headers = await ask(central, "/any/nightly/index.m3u8")
    assert (status, sleeper.asked) == (302, ["nightly"])
    monkeypatch.undo()
    monkeypatch.setattr(balance, "MAX_WAITING", 0)
    await central.api("PUT", "/streams/nightly-2", {**FAKE, "streamer": "gone"})
    status, headers = await ask(central, "/any/nightly-2/index.m3u8")
    assert (status, headers["Retry-After"], len(sleeper.asked)) == (503, "2", 1)
