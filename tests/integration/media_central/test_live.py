"""Changes told as they happen."""

import asyncio
import json

import pytest
from media_central.rest import live

FAKE = {"inputs": [{"url": "fake://fake"}]}


class Reader:
    """Reads events; `until` waits for a name."""

    def __init__(self, answer) -> None:
        self.answer = answer

    async def next(self):
        """(kind, data) of the next event."""
        kind = ""
        while True:
            line = (await asyncio.wait_for(self.answer.content.readline(), 10)).decode().rstrip()
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                return kind, json.loads(line.removeprefix("data: "))

    async def until(self, collection, name):
        while True:
            kind, data = await self.next()
            if data["collection"] == collection and name in data["names"]:
                return kind


@pytest.fixture
async def read(central):
    opened = []

    async def read(key="test-api-key", query=""):
        answer = await central.api.http.get(
            central.api.base + "/changes" + query, headers={"Authorization": f"Bearer {key}"}
        )
        opened.append(answer)
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        return Reader(answer)

    yield read
    for answer in opened:
        answer.close()


async def test_changes_come_as_they_happen(central, read, start_streamer):
    reader = await read()
    await central.api("PUT", "/streams/a", FAKE)
    assert await reader.until("streams", "a") == "changed"
    streamer = await start_streamer("s1")
    await central.api(
        "PUT", "/streamers/s1", {"api_url": streamer.url, "cluster_key": streamer.cluster_key}
    )
    assert await reader.until("streamers", "s1") == "changed"
    assert await reader.until("observed", "s1") == "observed"
    await central.api("DELETE", "/streams/a")
    assert await reader.until("streams", "a") == "changed"


async def test_a_reader_is_told_what_it_may_see_and_asked_for(central, read):
    permissions = [{"scopes": ["streams/sport*"], "list": True}]
    _, token = await central.api("PUT", "/api_tokens/t", {"permissions": permissions})
    _, both = await central.api("PUT", "/api_tokens/u", {"role": "viewer"})
    reader = await read(both["key"], "?collections=load-balancers")
    await central.api("PUT", "/streams/news", FAKE)
    await central.api("PUT", "/load-balancers/lb", {})
    assert (await reader.next())[1] == {"collection": "load-balancers", "names": ["lb"]}
    async with central.api.http.get(
        central.api.base + "/changes", headers={"Authorization": f"Bearer {token['key']}"}
    ) as answer:
        assert answer.status == 403, "changes are a collection of their own"


async def test_readers_are_bounded_and_go(central, read, monkeypatch, eventually):
    monkeypatch.setattr(live, "MAX_READERS", 2)
    first, _second = await read(), await read()
    status, error = await central.api("GET", "/changes")
    assert (status, error["error"]) == (503, "too_many_readers")
    first.answer.close()
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.05)
    await central.api("PUT", "/streams/a", FAKE)

    async def free():
        try:
            await read()
        except AssertionError:
            return False
        return True

    await eventually(free)


@pytest.fixture
async def kept():
    """Answers that are read to the end of the test's Central, and then closed."""
    answers = []
    yield answers
    for answer in answers:
        answer.close()


async def test_central_stops_while_they_read(kept, start_central, eventually):
    central = await start_central()
    answer = await central.api.http.get(
        central.api.base + "/changes", headers={"Authorization": "Bearer test-api-key"}
    )
    kept.append(answer)
    assert answer.status == 200
    # The fixture stops Central now; it must not wait for its reader.
