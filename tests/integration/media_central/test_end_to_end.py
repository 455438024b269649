"""The trial as a person starts it: Central, its streamer, and a player that decodes the streams."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.support.ports import streamer_ports, trial_environment

CURL = {
    "headers": {
        "Authorization": "Basic YWRtaW46YWRtaW4=",
        "Content-Type": "application/json",
    },
    "data": '{"name": "STREAM_NAME", "inputs": [{"url": "fake://fake"}]}',
}


def processes_naming(text: str) -> list[int]:
    """Processes whose command line or working files name `text`, but for this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if text.encode() in command:
                found.append(int(entry.name))
    return found


async def probe(url: str) -> list[dict]:
    """The streams that ffprobe decodes of a URL; raises if there are none within 40 s."""
    process = await asyncio.create_subprocess_exec(
        "ffprobe", "-v", "error", "-show_streams", "-of", "json", url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(40):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    streams: list[dict] = json.loads(output)["streams"]
    return streams


@pytest.fixture(params=["embedded", "external"])
def database_environ(request) -> dict[str, str]:
    if request.param == "embedded":
        return {}
    return {"DATABASE_URL": request.getfixturevalue("new_database_url"), "LOCAL_STREAMER": "true"}


@pytest.fixture
async def trial(database_environ, tmp_path, free_port):
    """(process, port of Central, port of the streamer, data directory)"""
    central, ports = free_port(), streamer_ports()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DATA_DIR": str(tmp_path / "data"),
        "HTTP_PORT": str(central),
        **trial_environment(ports),
        **database_environ,
    }
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "media_central", env=environ, cwd=tmp_path,
            stdout=log, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield process, central, ports["http"], tmp_path / "data"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_documented_curl_gives_a_stream_that_plays(trial, tmp_path, eventually):
    process, central_port, streamer_port, data = trial
    api = f"http://127.0.0.1:{central_port}/streamer/api/v3"

    async with aiohttp.ClientSession() as http:

        async def put():
            assert process.returncode is None, (tmp_path / "log").read_text()
            try:
                async with http.put(f"{api}/streams/STREAM_NAME", **CURL) as answer:
                    # The answer comes once the stream is placed.
                    return answer.status == 200 and "layout" in await answer.json()
            except aiohttp.ClientConnectionError:
                return False

        await eventually(put, within=60)

        async def playing():
            headers = {"Authorization": CURL["headers"]["Authorization"]}
            async with http.get(f"{api}/streams/STREAM_NAME", headers=headers) as answer:
                stream = await answer.json()
            return stream if stream["stats"]["status"] == "running" else None

        stream = await eventually(playing, within=60)
    urls = {item["title"]: item["url"] for item in stream["stats"]["play_urls"]}
    assert urls["HLS"] == f"http://127.0.0.1:{streamer_port}/STREAM_NAME/index.m3u8"
    for title in ("HTTP MPEG-TS", "HLS", "RTMP"):
        codecs = {item["codec_name"] for item in await probe(urls[title])}
        assert codecs == {"h264", "aac"}, title
    demo = urls["HTTP MPEG-TS"].replace("STREAM_NAME", "demo")
    assert {item["codec_name"] for item in await probe(demo)} == {"h264", "aac"}

    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(40):
        assert await process.wait() == 0
    await eventually(lambda: not processes_naming(str(data)))
    text = (tmp_path / "log").read_text()
    assert "media_central/" not in text, "no traceback goes through Central"
    key = json.loads((data / "keys.json").read_text())
    assert key["api_key"] not in text
    assert key["cluster_key"] not in text


async def test_nothing_outlives_a_killed_central(trial, tmp_path, eventually):
    process, _, streamer_port, data = trial

    async def up():
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", streamer_port)
        except OSError:
            assert process.returncode is None, (tmp_path / "log").read_text()
            return False
        writer.close()
        return True

    await eventually(up, within=60)
    process.kill()
    await process.wait()
    await eventually(lambda: not processes_naming(str(data)), within=30)
