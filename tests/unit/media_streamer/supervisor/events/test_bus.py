"""What an event is made of, and which sinks get it; the sinks are files, read back."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from media_api.events import EventSinkConfig
from media_streamer.supervisor.events.bus import EventBus

from tests.support.streamer import until


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EventBus]:
    async with aiohttp.ClientSession() as http:
        one = EventBus(lambda: "host1", tmp_path)
        one.start(http)
        yield one
        await one.close()


def sink(path: Path, **options: Any) -> EventSinkConfig:
    return EventSinkConfig.model_validate(
        {"name": path.stem, "url": f"jsonlog://{path}", **options}
    )


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def test_an_event_is_stamped_and_hides_secrets_in_files(
    bus: EventBus, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "all.json"
    bus.apply([sink(path)])
    bus.emit("source_opened", media="a", url="rtsp://u:hidden@cam/1", token="hidden", ip=None)
    bus.emit("play_opened", media="a")
    await bus.close()
    first, second = read(path)
    assert first["url"] == "rtsp://***@cam/1"
    assert (first["event"], first["server"], first["media"]) == ("source_opened", "host1", "a")
    assert first["token"] == "***"
    assert "ip" not in first
    assert second["event_id"] == first["event_id"] + 1 < 2**53
    assert first["utc_ms"] > 1_700_000_000_000


async def test_filters_and_levels(bus: EventBus, tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{name}.json" for name in ("only", "except", "loud", "none")}
    bus.apply([
        sink(paths["only"], only=[{"event": ["play_*"], "media": ["a"]}, {"event": "source_lost"}]),
        sink(paths["except"], **{"except": [{"media": "a"}]}),
        sink(paths["loud"], level="warning"),
        sink(paths["none"], level="none"),
    ])  # fmt: skip
    for event, media in (("play_opened", "a"), ("play_opened", "b"), ("source_lost", "b")):
        bus.emit(event, media=media)
    await bus.close()
    seen = {n: [(e["event"], e["media"]) for e in read(path)] for n, path in paths.items()}
    assert seen == {
        "only": [("play_opened", "a"), ("source_lost", "b")],
        "except": [("play_opened", "b"), ("source_lost", "b")],
        "loud": [("source_lost", "b")],
        "none": [],
    }


async def test_a_changed_sink_takes_over_what_waits(bus: EventBus, tmp_path: Path) -> None:
    old, new = tmp_path / "x" / "s.json", tmp_path / "y" / "s.json"
    (tmp_path / "x").write_text("in the way of the directory")
    bus.apply([sink(old)])
    bus.emit("one")
    bus.apply([sink(new)])
    bus.emit("two")
    await bus.close()
    assert [event["event"] for event in read(new)] == ["one", "two"]


async def test_files_are_rotated(bus: EventBus, tmp_path: Path) -> None:
    path = tmp_path / "s.log"
    config = {"name": "s", "url": f"log://{path}", "max_size": 100, "max_depth": 2}
    for number in range(5):
        bus.apply([EventSinkConfig.model_validate({**config})])
        bus.emit("stream_opened", media=f"name with blank {number}")
        await bus.close()
    assert sorted(os.listdir(tmp_path)) == ["s.log", "s.log.1", "s.log.2"]
    assert 'media="name with blank 4"' in path.read_text()
    assert 'media="name with blank 3"' in (tmp_path / "s.log.1").read_text()


async def test_what_is_no_script_is_no_sink(bus: EventBus) -> None:
    bus.apply([EventSinkConfig.model_validate({"name": "s", "url": "/etc/events.sh"})])
    bus.emit("one")
    assert bus.alerts() == {}
    assert bus.stats() == {"resent_events": 0, "dropped_events": 0}


async def test_a_script_that_is_not_there_is_an_alert(bus: EventBus, tmp_path: Path) -> None:
    url = str(tmp_path / "none.lua")
    bus.apply([EventSinkConfig.model_validate({"name": "s", "url": url})])
    bus.emit("one")

    async def told() -> bool:
        return "No such file" in bus.alerts().get("event_sink_s", "")

    await until(told, "the alert", 60)
    assert [one["event"] for one in bus.recent("s")] == ["one"]
    await bus.close()


async def test_a_file_elsewhere_is_an_alert_and_is_not_written(
    bus: EventBus, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    (tmp_path / "out").symlink_to(other)
    (other / "kept").write_text("")
    (tmp_path / "link.json").symlink_to(other / "kept")
    bus.apply(
        [sink(other / "a.json"), sink(tmp_path / "out" / "b.json"), sink(tmp_path / "link.json")]
    )
    bus.emit("one")
    await bus.close()
    assert "STREAMER_LOG_DIR" in bus.alerts()["event_sink_a"]
    assert os.listdir(other) == ["kept"]
    assert (other / "kept").read_text() == ""
