"""The whole streamer with two egress workers: what viewers see when a media worker is killed."""

import asyncio
import itertools
import os
import re
import signal
import sys
import time
from collections import Counter

import aiohttp
import pytest

from tests.support.hls_rules import broken_rules, broken_update_rules, parse

CONFIG = """
http {port};
stream live {{
  input fake://fake;
  segment_duration 1;
}}
"""
LAST_SEGMENT_SECONDS = 12


@pytest.fixture
async def streamer(tmp_path, new_port):
    """Base URL of a running streamer and a function for its log."""
    port = new_port()
    config, log = tmp_path / "a.conf", tmp_path / "log"
    config.write_text(CONFIG.format(port=port))
    environment = {
        **os.environ,
        "STREAMER_EGRESS_WORKERS": "2",
        "STREAMER_MEDIA_WORKERS": "1",
        "STREAMER_SEGMENTS_DIR": str(tmp_path / "segments"),
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "media_streamer.cli", "-c", str(config)),
            env=environment,
            stderr=output,
        )
    try:
        url = f"http://127.0.0.1:{port}/live"
        deadline = time.monotonic() + 30
        while not await answers(f"{url}/index.ll.m3u8"):
            assert process.returncode is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            await asyncio.sleep(0.2)
        yield url, log.read_text
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 60)
        sys.stderr.write(log.read_text())


async def answers(url: str) -> bool:
    try:
        return (await get(url))[0] == 200
    except aiohttp.ClientConnectionError:
        return False


async def get(url: str) -> tuple[int, str]:
    """Each request on a connection of its own, so that it may reach any egress worker."""
    async with aiohttp.request("GET", url) as response:
        return response.status, (await response.read()).decode(errors="replace")


async def watch(url: str, longest: dict[str, float]) -> None:
    """An endless viewer; notes the longest pause."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        last = time.monotonic()
        while await response.content.readany():
            now = time.monotonic()
            longest[url] = max(longest.get(url, 0.0), now - last)
            last = now
    longest[url] = float("inf")


async def test_viewers_outlive_a_killed_media_worker(streamer):
    base, log = streamer
    url = f"{base}/tracks-v1/index.ll.m3u8"
    pauses: dict[str, float] = {}
    viewers = [asyncio.create_task(watch(f"{base}{form}", pauses)) for form in (".flv", "/mpegts")]
    texts, statuses = [(await get(url))[1]], Counter[int]()
    started = time.monotonic()
    killed = False
    while time.monotonic() - started < LAST_SEGMENT_SECONDS:
        if not killed and time.monotonic() - started > 3:
            killed = True
            os.kill(int(re.findall(r"media worker 0 started, pid (\d+)", log())[-1]), 9)
        newest = parse(texts[-1])
        query = f"_HLS_msn={newest.next_msn}&_HLS_part={len(newest.open_parts)}"
        status, text = await get(f"{url}?{query}")
        statuses[status] += 1
        if status == 200:
            texts.append(text)
    broken = {rule for text in texts for rule in broken_rules(text)}
    for before, after in itertools.pairwise(texts):
        broken |= set(broken_update_rules(before, after))
    for viewer in viewers:
        viewer.cancel()
    await asyncio.gather(*viewers, return_exceptions=True)
    assert broken == set()
    assert set(statuses) <= {200, 503}, statuses
    assert parse(texts[-1]).next_msn > parse(texts[0]).next_msn + 3
    assert len(pauses) == 2
    assert all(pause < LAST_SEGMENT_SECONDS for pause in pauses.values()), pauses
    init = parse(texts[-1]).segments[-1].map
    assert {(await get(f"{base}/tracks-v1/{init}"))[0] for _ in range(8)} == {200}
