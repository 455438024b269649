"""Who is called silent: pods that answered once and no more, never all of them, never for our own
lateness."""

import asyncio

import pytest
from aiohttp import web
from media_central.store.kubernetes import heartbeat
from media_central.store.kubernetes.heartbeat import (
    BEAT_SECONDS,
    LATE_SECONDS,
    SILENT_SECONDS,
    Heartbeats,
    ReadyPod,
    Silence,
    by_pool,
)

POOL = "ns", "pool"


def pod(name: str, url: str = "", pool: tuple[str, str] = POOL) -> ReadyPod:
    return ReadyPod(pool, name, "node-1", f"ip-{name}", url)


def beats(silence: Silence, hears: set[str], all_: set[str], begin: float, seconds: float) -> float:
    """Looks each second, as `hears` answer; the time then."""
    now = begin
    while now < begin + seconds:
        now += BEAT_SECONDS
        silence.look(all_, now)
        for one in hears:
            silence.heard(one, now)
    return now


def test_who_answers_no_more_is_silent_after_some_seconds():
    silence = Silence(0.0)
    now = beats(silence, {"a", "b"}, {"a", "b"}, 0.0, 10)
    now = beats(silence, {"b"}, {"a", "b"}, now, SILENT_SECONDS - 1)
    assert silence.look({"a", "b"}, now + 0.5) == frozenset()
    now = beats(silence, {"b"}, {"a", "b"}, now, 2)
    assert silence.look({"a", "b"}, now) == {"a"}
    silence.heard("a", now)
    assert silence.look({"a", "b"}, now + 1) == frozenset()


def test_where_none_answers_nothing_is_known():
    silence = Silence(0.0)
    now = beats(silence, set(), {"a", "b"}, 0.0, 2 * SILENT_SECONDS)
    assert silence.look({"a", "b"}, now) is None
    assert Silence(0.0).look(set(), 1.0) == frozenset()


def test_a_look_that_comes_late_blames_nobody():
    silence = Silence(0.0)
    now = beats(silence, {"b"}, {"a", "b"}, 0.0, SILENT_SECONDS)
    assert silence.look({"a", "b"}, now + LATE_SECONDS + 0.1) == frozenset()
    assert not silence.answered, "nor does it take back what was said of who is silent"


def test_who_looks_anew_takes_nothing_back():
    """Another Central leads, as that of a dead node is gone: the pods of the node are still silent,
    though nobody knows yet."""
    silence, pods = Silence(0.0), [pod("a"), pod("b")]
    all_ = {one.address for one in pods}
    told = []
    now = 0.0
    while now < 2 * SILENT_SECONDS:
        now += BEAT_SECONDS
        silent = silence.look(all_, now)
        assert silent is not None
        told.append(by_pool(pods, silent, silence.answered).get(POOL))
        silence.heard("ip-b", now)
    assert (told[0], told[-1]) == (None, [pods[0]])
    assert [] not in told, "that all answer is not said"


def test_a_new_pod_of_the_same_address_begins_anew():
    silence = Silence(0.0)
    now = beats(silence, {"b"}, {"a", "b"}, 0.0, 2 * SILENT_SECONDS)
    assert silence.look({"b"}, now) == frozenset(), "Kubernetes calls it ready no more"
    assert silence.look({"a", "b"}, now) == frozenset()


def test_pools_are_told_of_each():
    others = "ns", "others"
    pods = [pod("b"), pod("a"), pod("c", pool=others)]
    silent = {"ip-a", "ip-b"}
    assert by_pool(pods, silent, {"ip-c"}) == {POOL: [pods[1], pods[0]], others: []}
    assert by_pool(pods, silent, ()) == {POOL: [pods[1], pods[0]]}, "of others nothing is known"
    assert by_pool(pods, {"ip-a"}, {"ip-c"}) == {others: []}


async def test_real_servers_are_heard_and_missed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "SILENT_SECONDS", 0.5)
    caplog.set_level("INFO", heartbeat.__name__)
    monkeypatch.setattr(heartbeat, "TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(heartbeat, "LATE_SECONDS", 30.0)
    asked: list[str] = []
    hangs = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=503)  # an answer all the same

    async def hang(_: web.Request) -> web.Response:
        await hangs.wait()
        return web.Response()

    urls = []
    runners = []
    for handler in (answer, hang):
        app = web.Application()
        app.router.add_get(heartbeat.PATH, handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        runners.append(runner)
    pods = [pod("good", urls[0]), pod("mute", urls[1]), pod("refuses", "http://127.0.0.1:1")]
    told = []
    beats = Heartbeats(lambda: pods, lambda known, ready: told.append(known) if ready else None)
    task = asyncio.create_task(beats.run())
    try:
        async with asyncio.timeout(30):
            while not told or told[-1] != {POOL: [pods[1], pods[2]]}:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            hangs.set()
            while told[-1] != {POOL: [pods[2]]}:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for runner in runners:
            await runner.cleanup()
    assert told[0] == {}, "nothing is known at first"
    assert {POOL: []} not in told, "who was never heard does not answer"
    assert set(asked) == {heartbeat.PATH}
    lines = [
        (one.levelname, str(one.args)) for one in caplog.records if one.name == heartbeat.__name__
    ]
    assert [level for level, _ in lines] == ["WARNING", "WARNING", "INFO"], "once each"
    assert "mute" in lines[2][1]
