"""The configuration file on a disk that is full."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.small_disk import mounted

from .conftest import Streamer


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    with mounted(tmp_path / "small", "256k") as place:
        yield place


async def test_a_configuration_on_a_full_disk(streamer: Streamer, small_disk: Path) -> None:
    """The change is refused in words, the file stays whole; with room it is done."""
    streamer.config = small_disk / "flussonic.conf"
    streamer.write("stream demo { input fake://fake; }\n")
    await streamer.serve()
    await streamer.running("demo")
    before, filler = streamer.config.read_text(), small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    body = {"inputs": [{"url": "fake://fake"}]}
    status, error = await streamer.api("PUT", "/streams/new", json=body)
    assert (status, error["error"]) == (500, "config_not_writable")
    assert streamer.config.read_text() == before
    assert (await streamer.api("GET", "/streams/new"))[0] == 404
    assert (await streamer.stream("demo"))["stats"]["alive"]
    filler.unlink()
    assert (await streamer.api("PUT", "/streams/new", json=body))[0] == 200
    await streamer.running("new")
    assert "stream new" in streamer.config.read_text()
