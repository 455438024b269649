"""Requests, answers and notices between a supervisor's end and a worker's."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from media_api.stream import StreamConfig
from media_streamer.wire.channel import Channel, ChannelClosed, listen
from media_streamer.wire.control import (
    SUPERVISOR_SIDE,
    WORKER_SIDE,
    AccessRequest,
    ApplyStream,
    Heartbeat,
    Listen,
    ListenerSpec,
    Recycle,
    Refusal,
    StartStream,
)
from media_streamer.wire.peer import CallFailed, Peer
from media_streamer.wire.stream_config import apply_stream, stream_of


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[tuple[Peer, Peer]]:
    """(supervisor's, worker's)."""
    supervisor = Peer("worker")

    def accept():  # type: ignore[no-untyped-def]
        supervisor.channel = Channel(SUPERVISOR_SIDE, supervisor)
        return supervisor.channel

    server = await listen(tmp_path / "s", accept)
    worker = await Peer.connect(tmp_path / "s", WORKER_SIDE, "supervisor")
    tasks = [asyncio.create_task(one.run()) for one in (supervisor, worker)]
    connected = asyncio.Event()
    supervisor.take(Heartbeat, lambda _: connected.set())
    worker.notify(Heartbeat())
    await asyncio.wait_for(connected.wait(), 5)
    yield supervisor, worker
    await worker.channel.close()
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    server.close()


async def test_calls_are_answered_in_their_type(peers: tuple[Peer, Peer]) -> None:
    supervisor, worker = peers

    async def decide(request: AccessRequest) -> Refusal:
        return Refusal(403, "denied", request.name)

    async def listen(request: Listen) -> list[str]:
        return [f"{item.protocol} {item.port}" for item in request.listeners]

    async def start(request: StartStream) -> None:
        if request.name != "live":
            raise LookupError(f"no stream {request.name}")

    supervisor.answer(AccessRequest, decide)
    worker.answer(Listen, listen)
    worker.answer(StartStream, start)
    answer = await worker.call(AccessRequest("live", "hls", "play", "::1"))
    assert answer == Refusal(403, "denied", "live")
    assert await supervisor.call(Listen([ListenerSpec("http", "", 80)])) == ["http 80"]
    await supervisor.call(StartStream("live"))
    with pytest.raises(CallFailed, match="LookupError: no stream x"):
        await supervisor.call(StartStream("x"))


async def test_a_request_that_nobody_answers_fails(peers: tuple[Peer, Peer]) -> None:
    with pytest.raises(CallFailed, match="nobody answers StartStream"):
        await peers[0].call(StartStream("live"))


async def test_an_answer_of_another_type_fails_the_call(peers: tuple[Peer, Peer]) -> None:
    async def wrong(request: Listen) -> int:
        return 1

    peers[1].answer(Listen, wrong)
    with pytest.raises(CallFailed, match="answered wrongly"):
        await peers[0].call(Listen([]))


async def test_notices_keep_their_order(peers: tuple[Peer, Peer]) -> None:
    supervisor, worker = peers
    seen: list[str] = []
    done = asyncio.Event()

    def take(notice: Recycle) -> None:
        seen.append(notice.reason)
        if notice.reason == "99":
            done.set()

    supervisor.take(Recycle, take)
    for number in range(100):
        worker.notify(Recycle(str(number)))
    await asyncio.wait_for(done.wait(), 5)
    assert seen == [str(number) for number in range(100)]


async def test_a_notice_that_nobody_takes_is_a_line_in_the_log(
    peers: tuple[Peer, Peer], caplog: pytest.LogCaptureFixture
) -> None:
    supervisor, worker = peers
    got = asyncio.Event()
    supervisor.take(Heartbeat, lambda _: got.set())
    worker.notify(Recycle("x"))
    worker.notify(Heartbeat())
    await asyncio.wait_for(got.wait(), 5)
    assert "nobody takes Recycle" in caplog.text


async def test_a_call_fails_when_the_peer_goes(peers: tuple[Peer, Peer]) -> None:
    supervisor, worker = peers
    under_way = asyncio.Event()

    async def never(request: StartStream) -> None:
        under_way.set()
        await asyncio.Event().wait()

    worker.answer(StartStream, never)
    call = asyncio.create_task(supervisor.call(StartStream("live")))
    await asyncio.wait_for(under_way.wait(), 5)
    await worker.channel.close()
    with pytest.raises(ChannelClosed):
        await call


async def test_a_call_has_a_time_out(peers: tuple[Peer, Peer]) -> None:
    supervisor, worker = peers

    async def never(request: StartStream) -> None:
        await asyncio.Event().wait()

    worker.answer(StartStream, never)
    with pytest.raises(TimeoutError):
        await supervisor.call(StartStream("live"), timeout_seconds=0.05)


def test_a_stream_crosses_with_what_was_set() -> None:
    saved = {"name": "live/a", "inputs": [{"url": "publish://"}], "segment_duration": 3000}
    config = StreamConfig.model_validate(saved)
    sent = apply_stream(config, {"vod": ["/media"]})
    assert sent.name == "live/a"
    assert stream_of(sent) == config
    assert stream_of(sent).explicit() == config.explicit()
    with pytest.raises(ValueError, match="valid"):
        stream_of(ApplyStream("x", b'{"name": 1', {}))
