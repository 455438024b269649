"""api.sock without descriptors: who comes waits, the log has one line, and all are served then."""

import asyncio
import os
import resource
import socket
from pathlib import Path
from typing import cast

import pytest
from media_streamer.api import server as module
from media_streamer.api.port import Server
from media_streamer.api.server import ApiServer

from tests.support.streamer import until

CLIENTS = 10
REQUEST = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def test_who_comes_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "ACCEPT_PAUSE_SECONDS", 0.02)
    path = tmp_path / "api.sock"
    api = ApiServer(cast(Server, object()), path, lambda pid: pid == os.getpid())
    await api.start()
    clients = [socket.socket(socket.AF_UNIX) for _ in range(CLIENTS)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    gaps = [number for number in range(highest) if not _is_open(number)]
    fill = [os.open("/dev/null", os.O_RDONLY) for _ in gaps]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
        for client in clients:
            client.connect(str(path))
            client.sendall(REQUEST)

        async def is_said() -> bool:
            return any("api.sock" in one for one in caplog.messages)

        await until(is_said, "it is said", 10)
        await asyncio.sleep(10 * module.ACCEPT_PAUSE_SECONDS)  # it tries, and fails, again
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for number in fill:
            os.close(number)
    # A descriptor that something else closed may have let one client in, whose request fails here.
    lines = [one for one in caplog.records if "api.sock" in one.getMessage()]
    assert len(lines) == 1, caplog.text
    assert "Too many open files" in lines[0].getMessage()
    assert lines[0].exc_info is None
    for client in clients:
        client.settimeout(10)
        with client:
            assert (await asyncio.to_thread(client.recv, 64)).startswith(b"HTTP/1.1 ")
    await api.close()


def _is_open(number: int) -> bool:
    return os.path.exists(f"/proc/self/fd/{number}")
