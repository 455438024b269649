"""What a streamer records is copied to a real S3 server, and played from there."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.s3_server import S3Server, s3_server
from tests.support.streamer import until

from .conftest import Recorder, decode

pytestmark = pytest.mark.timeout(900)  # the server of the test is built the first time


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path / "s3") as server:
        server.bucket("archive")
        yield server


@pytest.fixture
async def copying(recorder: Recorder, s3: S3Server) -> Recorder:
    """The stream `live` has one finished file, and one that is written to."""
    configure(recorder, s3.url("archive/of-us?rate=200K"))
    await recorder.serve()
    await recorder.recorded(4)
    victim = recorder.worker("media")
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    await until(lambda: files(recorder, 2), "another file is begun", 60)
    os.kill(recorder.supervisor, signal.SIGKILL)  # the next one looks at the disk at once
    return recorder


def configure(recorder: Recorder, url: str) -> None:
    recorder.write(
        "stream live { input fake://fake bitrate=2000; segment_duration 1;"
        f" dvr {recorder.archive} 1d copy={url}; }}\n"
    )


async def files(recorder: Recorder, count: int) -> list[Path] | None:
    found = sorted((recorder.archive / "live").rglob("*.mp4"))
    return found if len(found) >= count else None


async def copies(recorder: Recorder) -> dict[str, Any]:
    status, found = await recorder.api("GET", "/streams/live")
    stats: dict[str, Any] = found["stats"] if status == 200 else {}
    return stats.get("dvr_copy") or {}


def in_bucket(s3: S3Server) -> list[Path]:
    return sorted((s3.directory / "archive/of-us").rglob("*.mp4"))


async def test_kill_9_while_it_is_copied(copying: Recorder, s3: S3Server) -> None:
    first = (await files(copying, 2) or [])[0]

    async def is_under_way() -> bool:
        return bool(list((s3.directory / "archive/of-us").rglob("*.idx")))

    await until(is_under_way, "a file is being copied", 90)
    assert not in_bucket(s3)  # it appears whole, or not at all
    configure(copying, s3.url("archive/of-us"))
    os.kill(copying.supervisor, signal.SIGKILL)

    async def is_copied() -> bool:
        return (await copies(copying)).get("stored_files", 0) >= 1

    await until(is_copied, "it is copied after all", 90)
    copied = in_bucket(s3)
    assert copied[0].name == first.name  # the oldest goes first
    for copy in copied:
        original = copying.archive / copy.relative_to(s3.directory / "archive/of-us")
        assert copy.read_bytes() == original.read_bytes()
    stats = await copies(copying)
    assert "error" not in stats
    assert stats["lost_files"] == 0
    await played_from_the_bucket(copying, s3, first)
    for name in ("se/cr", "se%2Fcr"):
        assert name not in copying.log


def forget(first: Path) -> None:
    """Its disk has the file no more."""
    first.unlink()
    first.with_suffix(".idx").unlink()


async def played_from_the_bucket(recorder: Recorder, s3: S3Server, first: Path) -> None:
    start = int((await recorder.api("GET", "/streams/live/dvr/ranges"))[1]["ranges"][0]["from"])
    listed = f"live/tracks-v1/archive-{start - 2}-6.fmp4.m3u8"
    _, text = await recorder.get(listed)
    uris = [line for line in text.decode().splitlines() if line.endswith(".m4s")]
    near = [await recorder.get(f"live/tracks-v1/{uri}") for uri in uris]
    film = f"live/archive-{start - 2}-4.mp4"
    whole = await recorder.get(film)
    forget(first)
    assert (await recorder.get(listed))[1] == text
    assert [await recorder.get(f"live/tracks-v1/{uri}") for uri in uris] == near
    assert await recorder.get(film) == whole
    status, part = await recorder.get(film, headers={"Range": "bytes=1000-200000"})
    assert (status, part) == (206, whole[1][1000:200_001])
    for form in ("m3u8", "mpd", "ts"):
        await decode(f"{recorder.base}/live/archive-{start - 2}-4.{form}")
    assert (await recorder.get(f"live/{start + 1}.jpg"))[0] == 200
    before = (await recorder.stats())["dvr_write"]["segments"]
    s3.suspend(signal.SIGSTOP)
    try:
        hung = asyncio.create_task(recorder.get(f"live/tracks-v1/{uris[0]}"))
        await recorder.recorded(before + 3)
        assert (await recorder.get("live/index.m3u8"))[0] == 200
    finally:
        s3.suspend(signal.SIGCONT)
    assert (await hung)[0] in (200, 503)
