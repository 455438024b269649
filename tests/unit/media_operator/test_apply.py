"""What becomes of writes that are refused; a server on loopback refuses them."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration
from media_kube.client import KubeClient
from media_operator.apply import HOLD_SECONDS, Writer
from media_operator.planner.actions import Plan, WriteStatus

PLAN = Plan(statuses=[WriteStatus("Stream", "ns", "s", {"streamer": "pod-0"})])


class Server:
    """Answers all with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.asked = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response({"code": self.status, "reason": "R"}, status=self.status)


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def writer(server: Server) -> AsyncIterator[Writer]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
    configuration.retries = None
    client = KubeClient(configuration)
    yield Writer(client)
    await client.close()
    await runner.cleanup()


async def test_what_is_gone_is_looked_at_again_soon(server: Server, writer: Writer) -> None:
    """The watch tells that it was deleted; where it was not, nothing else would ask again."""
    server.status = 404
    for _ in range(3):
        outcome = await writer.carry_out(PLAN)
        assert (outcome.done, outcome.failed, outcome.held) == (0, 0, 0)
        assert outcome.held_seconds == HOLD_SECONDS[0]
    assert server.asked == 3, "it is not held back"


@pytest.mark.parametrize(("status", "steps"), [(409, (5, 5, 5)), (422, (5, 30, 120))])
async def test_a_conflict_is_no_reason_to_wait_longer_each_time(
    server: Server,
    writer: Writer,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    steps: tuple[int, ...],
) -> None:
    server.status = status
    now = 1000.0
    monkeypatch.setattr("media_operator.apply.time.monotonic", lambda: now)
    for seconds in steps:
        outcome = await writer.carry_out(PLAN)
        assert (outcome.failed, outcome.held, outcome.held_seconds) == (0, 1, seconds)
        now += seconds
    server.status = 200
    assert (await writer.carry_out(PLAN)).done == 1
