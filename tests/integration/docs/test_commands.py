"""What the pages tell people to type works, against a streamer that is started for it.

A block of a page is marked by the words behind its language: `sh tested` is run and must succeed,
`sh background` runs until the page ends, `conf tested` is a configuration that `--check` finds
nothing wrong with. Ports and login of the pages are those of the server of this test.
"""

import asyncio
import contextlib
import io
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from media_streamer.config.check import check

from tests.support.ports import free_port
from tests.support.streamer import Lender, Streamer

DOCS = Path(__file__).resolve().parents[3] / "docs"
BLOCK = re.compile(r"^```(sh|conf) (tested|background)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CAMERA = "10.0.0.5:554/stream1"
SECONDS = 50.0
"""A block of commands on a machine that is busy."""
SESSION = '{"name": "sports", "ip": "192.0.2.7", "duration": 61000, "bytes": 15000000}\n'
CONFIG = """
stream demo { input fake://fake; }
stream studio { input publish://; password KEY; }
vod movies { storage FILMS; }
"""


@dataclass(frozen=True)
class Block:
    language: str
    mark: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(page.read_text(encoding="utf-8"))]


PAGES = {
    str(page.relative_to(DOCS)): found
    for page in sorted(DOCS.rglob("*.md"))
    if (found := blocks(page))
}
COMMANDS = [name for name, found in PAGES.items() if any(one.language == "sh" for one in found)]


@dataclass
class Server:
    streamer: Streamer
    rtmp_port: int
    rtsp_port: int

    def adapt(self, text: str) -> str:
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self.streamer.http_port}")
        text = text.replace("127.0.0.1:1935", f"127.0.0.1:{self.rtmp_port}")
        return text.replace(CAMERA, f"127.0.0.1:{self.rtsp_port}/demo")


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    """Of RTMP and RTSP."""
    return free_port(), free_port()


@pytest_asyncio.fixture
async def server(lender: Lender, ports: tuple[int, int]) -> AsyncIterator[Server]:
    async with lender.lend() as streamer:
        films = streamer.directory / "films"
        films.mkdir(exist_ok=True)
        listeners = "rtmp 127.0.0.1:{};\nrtsp 127.0.0.1:{};\n".format(*ports)
        streamer.write(listeners + CONFIG.replace("FILMS", str(films)))
        await streamer.serve()
        await streamer.running("demo")
        yield Server(streamer, *ports)


async def start(text: str, directory: Path) -> asyncio.subprocess.Process:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        "-c",
        text,
        cwd=directory,
        env={**os.environ, "PATH": path},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )


async def end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def run(text: str, directory: Path) -> None:
    process = await start(text, directory)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        await end(process)
    assert process.returncode == 0, f"{text}\n{output.decode(errors='replace')}"


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not here")
@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not here")
@pytest.mark.parametrize("page", COMMANDS)
async def test_commands_of_a_page_work(page: str, server: Server, tmp_path: Path) -> None:
    shutil.copy(server.streamer.config, tmp_path / "flussonic.conf")
    (tmp_path / "a.mp4").write_bytes(b"what a film is made of")
    (tmp_path / "sessions-2026-01-31.jsonl").write_text(SESSION)
    behind = []
    try:
        for block in PAGES[page]:
            if block.language != "sh":
                continue
            text = server.adapt(block.text)
            if block.mark == "background":
                behind.append(await start(text, tmp_path))
            else:
                await run(text, tmp_path)
    finally:
        for process in behind:
            await end(process)


@pytest.mark.parametrize("page", sorted(PAGES))
def test_configurations_of_a_page_are_right(page: str, tmp_path: Path) -> None:
    for number, block in enumerate(one for one in PAGES[page] if one.language == "conf"):
        path = tmp_path / f"{number}.conf"
        path.write_text(block.text)
        out = io.StringIO()
        assert check(path, {}, out) == 0, out.getvalue()
        # A page names folders as they are on a server; here they are not.
        said = [line for line in out.getvalue().splitlines() if "[missing_file]" not in line]
        assert len(said) == 1, said


def test_pages_have_commands_to_try() -> None:
    assert len(COMMANDS) > 8
