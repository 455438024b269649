"""Sessions at their end, written beside the loop."""

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from media_streamer.supervisor.session_log import MAX_WAITING, SessionLog, SessionLogUnavailable

NOW = int(time.time() * 1000)
DAY = 86_400_000


def wanted(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda one: one["name"] == name


async def test_what_is_added_is_found_at_once_and_holds_no_secret(tmp_path: Path) -> None:
    log = SessionLog()
    log.add({"name": "before", "opened_at": NOW})
    log.use(str(tmp_path / "log"))
    fields = {"name": "a", "opened_at": NOW - 500, "closed_at": NOW, "token": "SECRET", "ip": ""}
    log.add(dict(fields))
    log.add({**fields, "name": "b"})
    found, complete = await log.search(NOW - DAY, NOW + DAY, wanted("a"))
    assert complete
    [one] = found
    assert (one["duration"], one["closed_at"]) == (500, NOW)
    assert "ip" not in one
    [file] = (tmp_path / "log").iterdir()
    text = file.read_text()
    assert "SECRET" not in text
    assert [json.loads(line)["name"] for line in text.splitlines()] == ["a", "b"]


async def test_it_is_written_each_second_and_at_the_end(tmp_path: Path) -> None:
    log = SessionLog()
    log.use(str(tmp_path))
    task = asyncio.create_task(log.run())
    log.add({"name": "a", "closed_at": NOW})
    async with asyncio.timeout(60):
        while not os.listdir(tmp_path):  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.05)
    log.add({"name": "b", "closed_at": NOW})
    task.cancel()
    await log.close()
    [name] = os.listdir(tmp_path)
    assert len((tmp_path / name).read_text().splitlines()) == 2


async def test_a_disk_that_cannot_be_written_is_an_alert(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no directory")
    log = SessionLog()
    log.use(str(tmp_path / "file"))
    for _ in range(3):
        log.add({"name": "a", "closed_at": NOW})
        await log.close()
    assert "cannot be written" in log.alerts()["session_log"]
    assert caplog.text.count("cannot be written") == 1
    log.use(str(tmp_path / "other"))
    log.add({"name": "a", "closed_at": NOW})
    await log.close()
    assert log.alerts() == {}


async def test_what_waits_is_bounded(tmp_path: Path) -> None:
    log = SessionLog()
    log.use(str(tmp_path))
    for _ in range(MAX_WAITING + 5):
        log.add({"closed_at": NOW})
    assert len(log._lines) == MAX_WAITING
    assert log._dropped == 5


async def test_without_a_directory_there_are_none() -> None:
    with pytest.raises(SessionLogUnavailable, match="session_log"):
        await SessionLog().search(0, NOW, wanted("a"))
