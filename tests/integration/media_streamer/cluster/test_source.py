"""`source`: the streams of another server, under local names, pulled when somebody asks."""

import asyncio
import re

from tests.support.ports import free_port
from tests.support.streamer import Streamer, ffprobe, until

from .conftest import Cluster


async def names(streamer: Streamer) -> list[str]:
    _, answer = await streamer.api("GET", "/streams")
    return sorted(one["name"] for one in answer["streams"])


async def listed(streamer: Streamer, *wanted: str) -> None:
    async def check() -> bool:
        return await names(streamer) == sorted(wanted)

    await until(check, f"{wanted} are listed")


async def alerts(streamer: Streamer) -> dict[str, str]:
    _, stats = await streamer.api("GET", "/config/stats")
    found: dict[str, str] = stats.get("text_alerts", {})
    return found


async def numbered(streamer: Streamer, stream: str) -> dict[int, str]:
    """Media sequence number -> file, of the playlist of the stream's multiplex."""
    url = f"{streamer.base}/{stream}/tracks-v1a1/mono.m3u8"
    async with streamer.session.get(url) as answer:
        assert answer.status == 200, await answer.text()
        lines = (await answer.text()).splitlines()
    first = next(int(one.rpartition(":")[2]) for one in lines if "MEDIA-SEQUENCE" in one)
    files = [one.partition("?")[0] for one in lines if one[:1] != "#"]
    return dict(enumerate(files, first))


async def test_streams_of_another_server_play_by_local_names(cluster: Cluster) -> None:
    origin, edge, rtmp = cluster.streamer(), cluster.streamer(), free_port()
    options = 'segment_duration 1; title "Demo"; groups news; on_play false;'
    demo = f"stream demo {{ input fake://fake; {options} }}\n"
    other = (
        "stream other { input fake://fake; static false; }\nstream waits { input publish://; }\n"
    )
    await cluster.serve(origin, demo + other)
    await origin.running("demo")
    archive = str(edge.directory / "archive")
    group = f"group news {{ dvr {archive}; }}"
    source = (
        f"source 127.0.0.1:{origin.http_port}/far {{ only demo other waits; except other; {group}"
        f" comment theirs; provider Works; meta channel 5; labels {{ town Ulm; }} segment_count 2;"
        " protocols hls rtmp api jpeg; thumbnails; }\n"
    )
    await cluster.serve(edge, f"rtmp 127.0.0.1:{rtmp};\n{source}")
    await listed(edge, "far/demo")
    state = await edge.stream("far/demo")
    assert (state["named_by"], state["title"], state["static"]) == ("remote", "Demo", False)
    assert state["dvr"]["root"] == archive
    assert (state["comment"], state["meta"]) == ("theirs", {"channel": "5"})
    assert state["labels"] == {"town": "Ulm"}
    assert (state["stats"]["remote"], state["stats"]["status"]) == (True, "waiting")
    assert "config_on_disk" not in state
    # Nothing is pulled for a list.
    _, sessions = await origin.api("GET", "/sessions")
    assert sessions["sessions"] == []
    for url in (f"{edge.base}/far/demo/index.m3u8", f"rtmp://127.0.0.1:{rtmp}/static/far/demo"):
        assert await ffprobe(url) == ["aac", "h264"], url
    await its_options_hold(edge)
    _, sessions = await origin.api("GET", "/sessions")
    assert [one["proto"] for one in sessions["sessions"]] == ["m4f"]
    async with origin.session.get(f"{origin.base}/demo/m4f") as answer:
        assert answer.status == 403, "frames are for servers of the cluster"

    opened = await origin.api("PUT", "/streams/demo", json={"on_play": None})
    assert opened[0] == 200

    async def agree() -> bool:
        """A segment has one name and one number on both; the first one here began in its midst."""
        there, here = await numbered(origin, "demo"), await numbered(edge, "far/demo")
        return any(there.get(number) == name for number, name in here.items())

    await until(agree, "both number segments alike")
    async with edge.session.get(f"{edge.base}/other/index.m3u8") as answer:
        assert answer.status == 404
    _, sources = await edge.api("GET", "/cluster/sources")
    assert sources["sources"][0]["stats"]["stream_count"] == 1
    # What is configured here wins the name, and what is taken from the source goes.
    body = {"inputs": [{"url": "fake://fake"}]}
    status, state = await edge.api("PUT", "/streams/far%2Fdemo", json=body)
    assert (status, state["named_by"]) == (200, "config")
    path = f"/cluster/sources/127.0.0.1:{origin.http_port}%2Ffar"
    assert (await edge.api("DELETE", path))[0] == 204
    await listed(edge, "far/demo")
    assert (await edge.stream("far/demo"))["named_by"] == "config"


async def its_options_hold(edge: Streamer) -> None:
    """What the source says of its streams, and its group of those in it, as viewers see them."""

    async def get(path: str) -> tuple[int, str]:
        async with edge.session.get(f"{edge.base}/far/demo/{path}") as answer:
            return answer.status, (await answer.read()).decode("latin-1")

    lists: dict[str, int] = {}

    async def has_slid() -> bool:
        _, text = await get("tracks-v1a1/mono.m3u8")
        if first := re.search(r"MEDIA-SEQUENCE:(\d+)", text):
            lists[first[1]] = text.count("#EXTINF")
        return len(lists) > 2

    await until(has_slid, "segments leave the playlist", 120)
    assert max(lists.values()) == 2, lists
    assert (await get("index.mpd"))[0] == 403
    assert '"provider": "Works"' in (await get("info.json"))[1]

    async def pictured() -> bool:
        return (await get("preview.jpg"))[0] == 200

    await until(pictured, "there is a picture")


async def test_sources_that_answer_nonsense_cost_nobody_anything(cluster: Cluster) -> None:
    """One that only knows its list, one that hangs, garbage, a ring of redirects, far too many."""
    edge, bad = cluster.streamer(), BadServers()
    await bad.start()
    try:
        lines = [f"source 127.0.0.1:{port} {{ {more} }}\n" for port, more in bad.sources()]
        await cluster.serve(edge, "stream own { input fake://fake; }\n" + "".join(lines))
        await edge.running("own")

        async def complaints() -> dict[str, str]:
            found = await alerts(edge)
            return found if len(found) == len(bad.words) else {}

        found = await until(complaints, "an alert for each")
        for port, word in bad.words.items():
            assert word in found[f"source 127.0.0.1:{port}"], found
        _, answer = await edge.api("GET", "/streams?limit=1")
        assert answer["estimated_count"] == 1 + 1 + 10_000
        assert (await edge.stream("plain"))["named_by"] == "remote"
    finally:
        await bad.close()


class BadServers:
    """Servers on loopback; `words`: what is said of each that is no good, by port."""

    def __init__(self) -> None:
        self.words: dict[int, str] = {}
        self._plain = 0
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        self._plain = await self._serve(_json(b'{"streams": [{"name": "plain"}]}'))
        many = b",".join(b'{"name": "many/%d"}' % number for number in range(20_000))
        for word, answer in (
            ("does not answer", None),
            ("no JSON", _json(b"\xff<html>")),
            ('no object with "streams"', _json(b'{"streams": 7}')),
            ("sends elsewhere", b"HTTP/1.1 302 x\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
            ("names that no stream", _json(b'{"streams": [{"name": "../x"}, 3]}')),
            ("more streams than the 10000", _json(b'{"streams": [' + many + b"]}")),
        ):
            self.words[await self._serve(answer)] = word

    def sources(self) -> list[tuple[int, str]]:
        return [(port, "") for port in (self._plain, *self.words)]

    async def close(self) -> None:
        for server in self._servers:
            server.close()

    async def _serve(self, answer: bytes | None) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while await reader.readuntil(b"\r\n\r\n"):
                    if answer is not None:
                        writer.write(answer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass  # the client has left
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])


def _json(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
