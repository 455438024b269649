"""Events of a whole streamer as a real HTTP receiver gets them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from .conftest import Streamer, ffprobe, free_port, until


class Receiver:
    """Keeps the events of every batch that it took."""

    def __init__(self) -> None:
        self.port = free_port()
        self.events: list[dict[str, Any]] = []
        self.status = 200
        self.refused = 0
        self.authorization: str | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/events", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.Response:
        if self.status != 200:
            self.refused += 1
            return web.Response(status=self.status)
        batch = await request.json()
        assert isinstance(batch, list)
        assert len(batch) <= 100
        self.authorization = request.headers.get("Authorization")
        self.events += batch
        return web.Response()

    def of(self, media: str | None = None) -> list[str]:
        return [item["event"] for item in self.events if item.get("media") == media]

    async def has(self, event: str, media: str | None = None) -> dict[str, Any]:
        async def found() -> dict[str, Any] | None:
            return next(
                (e for e in self.events if e["event"] == event and e.get("media") == media), None
            )

        return await until(found, f"event {event} of {media}")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    one = Receiver()
    await one.start()
    try:
        yield one
    finally:
        await one.close()


async def test_the_life_of_a_stream_and_of_a_viewer(streamer: Streamer, receiver: Receiver) -> None:
    streamer.write(
        f"event_sink web {{ url http://u:PASSWORD@127.0.0.1:{receiver.port}/events; }}\n"
        "stream demo { input fake://fake; }\n"
    )
    await streamer.serve()
    await streamer.running("demo")
    assert await ffprobe(f"{streamer.base}/demo/mpegts") == ["aac", "h264"]
    closed = await receiver.has("play_closed", "demo")
    assert closed["bytes"] > 0
    assert (closed["proto"], closed["ip"], closed["type"]) == ("tshttp", "127.0.0.1", "play")
    assert closed["closed_at"] >= closed["started_at"] >= closed["opened_at"]
    assert (await streamer.api("DELETE", "/streams/demo"))[0] == 204
    ended = await receiver.has("stream_closed", "demo")
    assert ended["bytes_out"] >= closed["bytes"]
    await receiver.has("server_started")
    # When the source of a stream that was deleted closes is its worker's business.
    assert [event for event in receiver.of("demo") if event != "source_closed"] == [
        "stream_opened", "source_opened", "source_started",
        "play_opened", "play_started", "play_closed", "stream_closed",
    ]  # fmt: skip
    numbers = [item["event_id"] for item in receiver.events]
    assert numbers == sorted(set(numbers))
    assert {item["server"] for item in receiver.events} == {"host1"}
    assert receiver.authorization is not None
    assert "PASSWORD" not in streamer.log


async def test_a_receiver_that_is_away_misses_nothing(
    streamer: Streamer, receiver: Receiver
) -> None:
    receiver.status = 503
    streamer.write(
        f"notify web {{ sink http://127.0.0.1:{receiver.port}/events; resend_timeout 1; }}\n"
        "stream demo { input fake://fake; }\n"
    )
    await streamer.serve()
    await streamer.running("demo")

    async def alert() -> str | None:
        _, stats = await streamer.api("GET", "/config/stats")
        text: str | None = stats.get("text_alerts", {}).get("event_sink_web")
        return text

    assert "answered 503" in await until(alert, "the alert")
    assert receiver.refused >= 1

    async def on_disk() -> bool:
        files = streamer.directory.glob("state/events/web/*.jsonl")
        return any("source_started" in file.read_text() for file in files)

    await until(on_disk, "the events are kept")
    assert await streamer.stop() == 0
    assert "events wait for the next start" in streamer.log
    await streamer.serve()
    await receiver.close()
    receiver.status = 200
    await receiver.start()
    await receiver.has("source_started", "demo")
    first = ["stream_opened", "source_opened", "source_started"]
    assert receiver.of("demo")[:3] == first

    async def of_both_runs() -> bool:
        return len([e for e in receiver.events if e["event"] == "server_started"]) >= 2

    await until(of_both_runs, "the events of both runs")
    ids = [item["event_id"] for item in receiver.events]
    assert ids == sorted(set(ids)), "in order, none twice"

    async def calm() -> bool:
        return await alert() is None

    await until(calm, "no alert")
    _, stats = await streamer.api("GET", "/config/stats")
    assert stats["events"]["resent_events"] > 0
    assert stats["events"]["dropped_events"] == 0


async def test_a_sink_by_the_api_and_a_receiver_that_never_answers(streamer: Streamer) -> None:
    held = asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    streamer.write("stream demo { input fake://fake; }\n")
    await streamer.serve()
    body = {"url": f"http://127.0.0.1:{port}/"}
    assert (await streamer.api("PUT", "/event_sinks/hook", json=body))[0] == 200
    assert "event_sink hook" in streamer.config.read_text()
    assert await ffprobe(f"{streamer.base}/demo/mpegts") == ["aac", "h264"]
    assert await streamer.stop() == 0, "it does not wait for the receiver"
    held.set()
    server.close()
    assert "events wait for the next start" in streamer.log
    assert "Traceback" not in streamer.log
