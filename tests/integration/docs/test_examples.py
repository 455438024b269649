"""Every file of `examples` does what it says, on a streamer; so does nginx as a page sets it up."""

import asyncio
import contextlib
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.support.ports import free_port
from tests.support.streamer import Lender, Streamer, until

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
SECONDS = 50.0


@pytest_asyncio.fixture
async def streamer(lender: Lender) -> AsyncIterator[Streamer]:
    async with lender.lend() as streamer:
        yield streamer


async def started(*command: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


@contextlib.asynccontextmanager
async def running(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await started(*command)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), SECONDS)


async def output(*command: str, status: int = 0, **environment: str) -> str:
    process = await started(*command, **environment)
    said, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == status, said.decode()
    return said.decode()


async def answers(streamer: Streamer, path: str) -> int:
    async with streamer.session.get(f"{streamer.base}/{path}") as answer:
        return answer.status


async def test_configuration_backend_and_script(streamer: Streamer, tmp_path: Path) -> None:
    backend = free_port()
    text = (EXAMPLES / "flussonic.conf").read_text()
    script = EXAMPLES / "events.lua"
    text = re.sub(r"^(http|rtmp|edit_auth|view_auth) .*\n", "", text, flags=re.MULTILINE)
    for old, new in (("/etc/flussonic/events.lua", str(script)), (":8000", f":{backend}")):
        assert old in text
        text = text.replace(old, new)
    streamer.write(text)
    await streamer.serve()
    async with running(
        sys.executable, str(EXAMPLES / "auth_backend.py"), str(backend), "good=anna"
    ):
        await streamer.running("channel")
        await streamer.running("members")

        async def is_asked() -> bool:
            return await answers(streamer, "members/index.m3u8?token=good") == 200

        await until(is_asked, "the backend answers", SECONDS)
        assert await answers(streamer, "members/index.m3u8?token=bad") == 403
        assert await answers(streamer, "members/index.m3u8") == 403
        _, found = await streamer.api("GET", "/sessions")
        assert {one.get("user_id") for one in found["sessions"]} >= {"anna"}
        await until(
            lambda: _said(streamer, "source of channel is closed"), "the script is run", SECONDS
        )


async def _said(streamer: Streamer, words: str) -> bool:
    return words in streamer.log


async def test_clients_of_the_api(streamer: Streamer) -> None:
    streamer.write("")
    await streamer.serve()
    client = str(EXAMPLES / "api_client.py")
    said = await output(sys.executable, client, streamer.base, "admin:secret", "a/b", "fake://fake")
    assert f"{streamer.base}/a/b/index.m3u8" in said
    refused = await output(
        *(sys.executable, client, streamer.base, "admin:secret", "dead"),
        *("tshttp://127.0.0.1:9/x", "0.5"),
        status=1,
    )
    assert refused.strip()
    wrong = await output(
        sys.executable, client, streamer.base, "admin:no", "x", "fake://fake", status=1
    )
    assert re.search(r": 40[13] ", wrong)
    said = await output(
        *(str(EXAMPLES / "api_client.sh"), streamer.base, "shell", "fake://fake"),
        LOGIN="admin:secret",
    )
    assert said.strip() == f"{streamer.base}/shell/index.m3u8"


async def test_page_embeds_the_player(streamer: Streamer) -> None:
    streamer.write("stream STREAM { input fake://fake; }")
    await streamer.serve()
    await streamer.running("STREAM")
    page = (EXAMPLES / "embed.html").read_text()
    paths = re.findall(r'(?:src|href)="SERVER/([^"]+)"', page)
    assert len(paths) == 2
    for path in paths:
        assert await answers(streamer, path) == 200


NGINX = """
daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 100; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{ listen 127.0.0.1:{port}; {block} }}
}}
"""


@pytest.mark.skipif(shutil.which("nginx") is None, reason="Debian's nginx-light is not here")
async def test_nginx_as_the_page_sets_it_up(streamer: Streamer, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "tls.md").read_text()
    (block,) = re.findall(r"^```nginx tested\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    block = block.replace("127.0.0.1:8080", f"127.0.0.1:{streamer.http_port}")
    port = free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(directory=tmp_path, port=port, block=block))
    streamer.write("trusted_proxies 127.0.0.1;\nstream demo { input fake://fake; }")
    await streamer.serve()
    await streamer.running("demo")
    front = f"http://127.0.0.1:{port}"
    async with running("nginx", "-e", str(tmp_path / "error.log"), "-c", str(config)):

        async def plays() -> str:
            with contextlib.suppress(aiohttp.ClientError):
                async with streamer.session.get(f"{front}/demo/index.m3u8") as answer:
                    return await answer.text() if answer.status == 200 else ""
            return ""

        assert "#EXTM3U" in await until(plays, "nginx passes a playlist on", SECONDS)
        async with streamer.session.get(f"{front}/demo/mpegts") as answer:
            assert (await answer.content.readexactly(188))[:1] == b"\x47"
        # MSE answers over a WebSocket that nginx has upgraded.
        async with streamer.session.ws_connect(f"{front}/demo/mse_ld") as socket:
            assert (await socket.receive(SECONDS)).type in (
                aiohttp.WSMsgType.TEXT,
                aiohttp.WSMsgType.BINARY,
            )
