"""Scripts in processes: real ones."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from media_streamer.lua import host as host_module
from media_streamer.lua.host import ScriptFailed, ScriptHost

SECONDS = 60.0


@pytest.fixture
async def host(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptHost]:
    monkeypatch.setattr(host_module, "START_PAUSE_SECONDS", 0.0)
    one = ScriptHost()
    yield one
    await one.close()


def script(tmp_path: Path, source: str) -> Path:
    path = tmp_path / "test.lua"
    path.write_text(source)
    return path


async def test_runs_beside_each_other_and_the_file_is_read_anew(
    host: ScriptHost, tmp_path: Path
) -> None:
    path = script(tmp_path, "return n * 2")
    found = await asyncio.gather(*(host.run(path, {"n": n}, SECONDS) for n in range(40)))
    assert found == [[2 * n] for n in range(40)]
    script(tmp_path, "return n * 3")
    assert await host.run(path, {"n": 1}, SECONDS) == [3]


async def test_a_script_that_is_replaced_is_read_by_another_process(
    host: ScriptHost, tmp_path: Path
) -> None:
    """Its process is confined to the file that it began with."""
    path = script(tmp_path, "return 1")
    assert await host.run(path, {}, SECONDS) == [1]
    other = tmp_path / "other.lua"
    other.write_text("return 2")
    other.replace(path)
    found = await asyncio.gather(*(host.run(path, {}, SECONDS) for _ in range(5)))
    assert found == [[2]] * 5
    assert await host.run(path, {}, SECONDS) == [2]


async def test_a_script_asks_a_server(host: ScriptHost, tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        text = f"{request.method} {request.query_string} {await request.text()}"
        return web.Response(status=201, text=text, headers={"X-Said": "yes"})

    app = web.Application()
    app.router.add_route("*", "/", answer)
    async with TestServer(app) as server:
        path = script(
            tmp_path,
            "local a = http.get(url .. '?' .. http.qs_encode({a = 'x y'}))\n"
            "local b = http.post(url, {1, 2})\n"
            "return a.code, a.headers['x-said'], a.body, b.body",
        )
        found = await host.run(path, {"url": str(server.make_url("/"))}, SECONDS)
    assert found == [201, "yes", "GET a=x y ", "POST  [1, 2]"]


async def test_a_script_that_hangs_is_killed_and_started_again(
    host: ScriptHost, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hang = "while true do pcall(function() while true do end end) end"
    path = script(tmp_path, f"if hang then {hang} end return 1")
    assert await host.run(path, {}, SECONDS) == [1]
    with pytest.raises(ScriptFailed, match="within 2 s"):
        await host.run(path, {"hang": True}, 2.0)
    assert "is killed" in caplog.text
    await host.close()
    # That of asyncio, where somebody else has asked how the process ended.
    assert "Unknown child process" not in caplog.text
    assert await host.run(path, {}, SECONDS) == [1]


async def test_other_scripts_go_on_meanwhile(host: ScriptHost, tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.lua", tmp_path / "good.lua"
    bad.write_text("while true do pcall(function() while true do end end) end")
    good.write_text("return 1")
    hanging = asyncio.create_task(host.run(bad, {}, 600.0))
    assert await host.run(good, {}, SECONDS) == [1]
    assert not hanging.done()
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging


async def test_what_fails_is_told(host: ScriptHost, tmp_path: Path) -> None:
    with pytest.raises(ScriptFailed, match="boom"):
        await host.run(script(tmp_path, "error('boom')"), {}, SECONDS)
    with pytest.raises(ScriptFailed, match="No such file"):
        await host.run(tmp_path / "none.lua", {}, SECONDS)
    with pytest.raises(ScriptFailed, match="no JSON"):
        await host.run(script(tmp_path, "return 0/0"), {}, SECONDS)
    os.mkfifo(tmp_path / "pipe.lua")
    with pytest.raises(ScriptFailed):
        await host.run(tmp_path / "pipe.lua", {}, 2.0)


async def test_it_writes_no_file_and_sees_no_secret(
    host: ScriptHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMER_EDIT_AUTH", "admin secret")
    path = script(tmp_path, "return true")
    assert await host.run(path, {}, SECONDS) == [True]
    [one] = host._scripts.values()
    assert one._process is not None
    proc = Path("/proc", str(one._process.pid))
    assert b"secret" not in await asyncio.to_thread((proc / "environ").read_bytes)
    limits = await asyncio.to_thread((proc / "limits").read_text)
    assert "Max file size             0 " in limits


async def test_one_that_nobody_needs_is_ended(
    host: ScriptHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await host.run(script(tmp_path, "return 1"), {}, SECONDS)
    await host.sweep()
    assert len(host._scripts) == 1
    monkeypatch.setattr(host_module, "IDLE_SECONDS", -1.0)
    await host.sweep()
    assert not host._scripts


async def test_there_are_not_too_many(
    host: ScriptHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_module, "MAX_SCRIPTS", 1)
    for name in ("a.lua", "b.lua"):
        (tmp_path / name).write_text("return 1")
        assert await host.run(tmp_path / name, {}, SECONDS) == [1]
    assert len(host._scripts) == 1
