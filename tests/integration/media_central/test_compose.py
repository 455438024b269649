"""What docker-compose.yml starts, without containers: its files, with addresses of this machine.

The streamer is made known by the compose file's own script, and a real Prometheus reads its
configuration, raises its alarms and answers every query of the dashboards.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from media_central.setting_values import Login

from tests.integration.media_central.conftest import API_KEY, RunningCentral
from tests.support.ports import free_port
from tests.support.streamer import Streamer, until

pytestmark = [
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="Debian's prometheus is missing"),
]

ROOT = Path(__file__).parents[3]
FILES = ROOT / "packaging" / "compose"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SECONDS = 50.0
VARIABLES = {"$__rate_interval": "1m", "$stream": ".*", "$server": ".*"}
NOT_HERE = ("gpu_", "media_cache_", "media_operator_", "transcoder_")
"""Series of devices and programs that this installation has not."""


@pytest.fixture
async def streamer(tmp_path: Path) -> AsyncIterator[Streamer]:
    directory = tmp_path / "streamer"
    directory.mkdir()
    running = Streamer(directory)
    running.write("cluster_key KEY;\nstream copied { input publish://; }\n")
    try:
        await running.serve(STREAMER_HOSTNAME="s1")
        yield running
    finally:
        await running.close()


async def join(central: RunningCentral, streamer: Streamer) -> None:
    """As the service `join` does."""
    here = {
        "CENTRAL": central.url,
        "API_KEY": API_KEY,
        "STREAMER": streamer.base,
        "PUBLIC": streamer.base,
        "CLUSTER_KEY": "KEY",
    }
    service = COMPOSE["services"]["join"]["environment"]
    assert here.keys() <= service.keys()
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(FILES / "join.py"), env={**os.environ, **service, **here}
    )
    assert await asyncio.wait_for(process.wait(), SECONDS) == 0


@dataclass
class Prometheus:
    http: aiohttp.ClientSession
    base: str

    async def firing(self) -> set[str]:
        """Alarms that ring."""
        alerts = (await self("alerts"))["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}

    async def __call__(self, path: str, **parameters: str) -> Any:
        async with self.http.get(f"{self.base}/api/v1/{path}", params=parameters) as answer:
            body = await answer.json()
        assert body["status"] == "success", body
        return body["data"]

    async def value(self, query: str) -> float | None:
        found = (await self("query", query=query))["result"]
        return float(found[0]["value"][1]) if found else None

    async def ready(self) -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            async with self.http.get(f"{self.base}/-/ready") as answer:
                return answer.status == 200
        return False


@contextlib.asynccontextmanager
async def prometheus(directory: Path, addresses: dict[str, str]) -> AsyncIterator[Prometheus]:
    """With the compose file's configuration, read each second, of these addresses."""
    text = (FILES / "prometheus.yaml").read_text()
    (directory / "password").write_text("look")
    replaced = {
        **addresses,
        "/run/secrets/view_password": str(directory / "password"),
        "interval: 15s": "interval: 1s",
    }
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    (directory / "prometheus.yaml").write_text(text)
    alarms = (FILES / "alarms.yaml").read_text()
    (directory / "alarms.yaml").write_text(re.sub(r"\bfor: \w+", "for: 2s", alarms))
    address = f"127.0.0.1:{free_port()}"
    with (directory / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={directory / 'prometheus.yaml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={address}",
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession() as http:
            reader = Prometheus(http, f"http://{address}")
            await until(reader.ready, "Prometheus is ready", SECONDS)
            yield reader
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), SECONDS)


def queries() -> list[str]:
    found = set()
    for path in (ROOT / "manifests/components/monitoring/dashboards").glob("*.json"):
        for text in re.findall(r'"expr": ("(?:[^"\\]|\\.)*")', path.read_text()):
            query = json.loads(text)
            for name, value in VARIABLES.items():
                query = query.replace(name, value)
            found.add(query)
    assert len(found) > 30
    return sorted(found)


async def test_prometheus_reads_what_the_services_tell(
    start_central: Callable[..., Awaitable[RunningCentral]], streamer: Streamer, tmp_path: Path
) -> None:
    central = await start_central(view_auth=Login("viewer", "look"))
    await join(central, streamer)
    works = {"inputs": [{"url": "fake://fake"}]}
    target = streamer.base.replace("http", "tshttp")
    demo = {
        **works,
        "dvr": {"root": str(tmp_path / "archive")},
        "pushes": [{"url": f"{target}/copied/mpegts"}],
    }
    dead = {"inputs": [{"url": f"tshttp://127.0.0.1:{free_port()}/x", "max_retry_timeout": 1}]}
    for name, stream in (("demo", demo), ("dead", dead)):
        assert (await central.api("PUT", f"/streams/{name}", stream))[0] == 200
    addresses = {
        "streamer:8080": streamer.base.removeprefix("http://"),
        "central:9019": central.url.removeprefix("http://"),
    }
    async with prometheus(tmp_path, addresses) as ask:

        async def told_of_by_both() -> bool:
            return await ask.value('count(stream_alive{name="demo"} == 1)') == 2

        await until(told_of_by_both, "the stream is told of by streamer and Central", SECONDS)

        async def all_read() -> bool:
            targets = (await ask("targets"))["activeTargets"]
            return len(targets) == 5 and all(one["health"] == "up" for one in targets)

        await until(all_read, "all that Prometheus shall read is read", SECONDS)
        assert await ask.value("max(partition_usage)") is not None
        rules = [rule for group in (await ask("rules"))["groups"] for rule in group["rules"]]
        assert {rule["type"] for rule in rules} == {"alerting"}
        assert len(rules) > 15
        assert not [one for one in rules if one.get("lastError")]
        await has_data(ask)

        async def rings() -> bool:
            return "MediaStreamsDown" in await ask.firing()

        async def is_quiet() -> bool:
            return not {"MediaStreamsDown", "MediaStreamerDown"} & await ask.firing()

        await until(rings, "the alarm rings for a stream without a source", SECONDS)
        assert (await central.api("PUT", "/streams/dead", works))[0] == 200
        await until(is_quiet, "the alarm ends once there are frames", SECONDS)

        async def counted() -> bool:
            # Not how many are operational: a busy machine is "degradated".
            servers = await ask.value("max(streamer_total_count)")
            return servers == 1 and bool(await ask.value('max(stream_bitrate{name="demo"})'))

        await until(counted, "the streamer is counted and the stream has a bit rate", SECONDS)
        assert await streamer.stop() == 0

        async def is_missed() -> bool:
            return {"MediaStreamerDown", "MediaStreamersDown"} <= await ask.firing()

        await until(is_missed, "Prometheus and Central both miss a streamer that ended", SECONDS)


async def has_data(ask: Prometheus) -> None:
    """Each query of the dashboards is taken, and gives something of what is here, apart from what
    it filters away at its end (`> 0`)."""

    async def gives(query: str) -> bool:
        if (await ask("query", query=query))["result"]:
            return True
        text = re.sub(r" (?:> \d+|== \d)(?=\)?$)", "", query)
        return text != query and bool((await ask("query", query=text))["result"])

    for query in queries():
        if any(series in query for series in NOT_HERE):
            await ask("query", query=query)
        else:
            await until(partial(gives, query), f"there is data for {query}", SECONDS)


def test_files_that_compose_mounts_are_there() -> None:
    mounts = [
        mount.split(":")[0]
        for service in COMPOSE["services"].values()
        for mount in service.get("volumes", [])
        if mount.startswith("./")
    ]
    assert len(mounts) > 5
    assert [mount for mount in mounts if not (ROOT / mount).exists()] == []
