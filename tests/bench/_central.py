"""The Central of a benchmark: a process of its own, on a free port, asked by HTTP."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.ports import free_port

KEY = "bench-key"
START_SECONDS = 120.0
STOP_SECONDS = 30.0
Call = Callable[..., Awaitable[bytes]]
"""`await call(METHOD, PATH, …)`: the body of a good answer; others are an AssertionError."""


@contextlib.asynccontextmanager
async def central(
    directory: Path, database_url: str, **environment: str
) -> AsyncIterator[tuple[Call, int]]:
    """What calls it, and its process id; it answers already."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "media_central"),
        env={
            **os.environ,
            "DATABASE_URL": database_url,
            "DATA_DIR": str(directory / "central"),
            "API_KEY": KEY,
            "EDIT_AUTH": "admin secret",
            "HTTP_ADDRESS": "127.0.0.1",
            "HTTP_PORT": str(port),
            "API_URL": url,
            "LOG_LEVEL": "warning",
            **environment,
        },
    )
    try:
        headers = {"Authorization": f"Bearer {KEY}"}
        timeout = aiohttp.ClientTimeout(total=START_SECONDS)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http:

            async def call(method: str, path: str, **options: Any) -> bytes:
                where = f"{url}/streamer/api/v3{path}"
                async with http.request(method, where, **options) as response:
                    body = await response.read()
                    said = f"{method} {path}: {response.status} {body[:500]!r}"
                    assert response.status < 300, said
                    return body

            async with asyncio.timeout(START_SECONDS):
                while not await _answers(call):
                    assert process.returncode is None, "Central ended"
                    await asyncio.sleep(0.2)
            yield call, process.pid
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), STOP_SECONDS)


async def _answers(call: Call) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        await call("GET", "/streamers")
        return True
    return False
