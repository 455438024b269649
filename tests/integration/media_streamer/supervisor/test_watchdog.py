"""A source that takes all memory, and one that stops the event loop, end their own stream alone."""

import os
import time
from pathlib import Path

import pytest

import tests.support.greedy_protocol as greedy

from .conftest import Streamer, until

GOOD = "stream good { input fake://fake; }\n"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("grow", "MiB of memory, at most"),
        pytest.param("hang", "the event loop hangs", marks=pytest.mark.long),
    ],
)
async def test_the_offender_is_held_and_the_others_go_on(
    streamer: Streamer, how: str, words: str
) -> None:
    streamer.write(GOOD)
    paths = [str(Path(greedy.__file__).parent), os.environ.get("PYTHONPATH", "")]
    await streamer.serve(
        PYTHONPATH=os.pathsep.join(filter(None, paths)), STREAMER_MEDIA_MEMORY="300"
    )
    await streamer.running("good")
    opened = time.monotonic()

    async def is_no_suspect() -> bool:
        return time.monotonic() - opened > 11

    await until(is_no_suspect, "the good one opened its input long ago")
    async with streamer.session.get(f"{streamer.base}/good/mpegts") as viewer:
        assert await viewer.content.readexactly(188)
        body = {"inputs": [{"url": f"greedy://{how}"}]}
        assert (await streamer.api("PUT", "/streams/bad", json=body))[0] == 200

        async def held() -> bool:
            if (stats := (await streamer.stream("bad")).get("stats")) is None:
                return False
            return bool(stats.get("source_error") == "input crashed the media worker")

        await until(held, "the offender is held", 60)
        assert await viewer.content.readexactly(188 * 100), "the viewer is still there"
        await streamer.running("good")
    ended = [line for line in streamer.log.splitlines() if "this worker ends itself" in line]
    assert len(ended) == 2, "once among others, once alone"
    assert all(words in line for line in ended)
    died = [line for line in streamer.log.splitlines() if "media worker 0 died" in line]
    assert len(died) == 1
    assert "suspects of a crash: bad" in streamer.log
