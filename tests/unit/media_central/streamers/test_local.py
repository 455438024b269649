import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from media_central.setting_values import Login
from media_central.streamers.local import LocalOptions, LocalStreamer, config_text, record


@pytest.fixture
def options(tmp_path: Path) -> LocalOptions:
    return LocalOptions(
        directory=tmp_path,
        ports={"http": 8080, "rtmp": 1935},
        address="127.0.0.1",
        cluster_key="hidden-key",
        external_url="http://key@127.0.0.1:9019/streamer/api/v3/streamers/local",
        login=Login("admin", "a b;c"),
    )


def test_the_file_has_ports_keys_and_quoted_words(options):
    lines = config_text(options).splitlines()[1:]
    assert lines == [
        "listeners {",
        "  http 127.0.0.1:8080;",
        "  rtmp 127.0.0.1:1935;",
        "}",
        "cluster_key hidden-key;",
        'edit_auth admin "a b;c";',
        "config_external http://key@127.0.0.1:9019/streamer/api/v3/streamers/local;",
    ]
    assert "http 8080;" in config_text(replace(options, address=None))


def test_the_record_is_reached_where_the_streamer_listens(options):
    assert record(options)["api_url"] == "http://127.0.0.1:8080"
    assert record(replace(options, address=None))["api_url"] == "http://127.0.0.1:8080"
    assert record(replace(options, address="::1"))["api_url"] == "http://[::1]:8080"


def test_viewers_are_told_the_ports_outside_of_the_container(options):
    told = record(options)
    assert (told["public_payload_url"], told["public_ports"]) == (None, None)
    outside = replace(options, public_url="http://live.example", public_ports={"rtmp": 1936})
    told = record(replace(outside, ports={**options.ports, "rtsp": 8554}))
    assert told["public_payload_url"] == "http://live.example"
    assert told["public_ports"] == {"rtmp": 1936, "rtsp": 8554}
    assert told["api_url"] == "http://127.0.0.1:8080", "Central itself is inside"


def pids_in(file: Path) -> list[int]:
    return [int(word) for word in file.read_text().split()] if file.exists() else []


def mode_of(file: Path) -> int:
    return file.stat().st_mode


async def test_it_is_started_again_and_ended(options, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("media_central.streamers.local.BACKOFF_MIN_SECONDS", 0.01)
    starts = tmp_path / "starts"
    script = (
        "import os, sys, time\n"
        f"open({str(starts)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        f"if len(open({str(starts)!r}).readlines()) < 3: sys.exit(7)\n"
        "time.sleep(600)\n"
    )
    streamer = LocalStreamer(options, [sys.executable, "-c", script])
    await streamer.start()
    async with asyncio.timeout(20):
        while len(pids_in(starts)) < 3:  # noqa: ASYNC110 - another process writes the file
            await asyncio.sleep(0.01)
    assert mode_of(tmp_path / "streamer.conf") & 0o077 == 0, "it holds keys"
    await streamer.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pids_in(starts)[-1], 0)
    assert "ended with status 7" in caplog.text
    assert "hidden-key" not in caplog.text
