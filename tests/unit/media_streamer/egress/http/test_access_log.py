"""The log of requests: lines as web tools read them, in a file that may be rotated."""

import asyncio
import re
from pathlib import Path

import pytest
from aiohttp import HttpVersion11, hdrs
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Response
from media_streamer.egress.http.access_log import MAX_WAITING, AccessLog, line
from media_streamer.egress.http.prepared import Ready
from media_streamer.egress.http.request import IP

COMBINED = re.compile(
    r'(\S+) - - \[[^]]+\] "(\S+) (\S+) HTTP/1\.1" (\d+) (\S+) "((?:[^"\\]|\\.)*)" '
    r'"((?:[^"\\]|\\.)*)" (\d+\.\d{3}) (\S+) (\S+)'
)


def said(path: str, **headers: str) -> str:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = make_mocked_request(hdrs.METH_GET, path, headers=names, version=HttpVersion11)
    request[IP] = "192.0.2.7"
    return line(request, Response(status=404), 0.0125)


def test_fields_of_the_combined_format() -> None:
    text = said("/demo/index.m3u8?token=secret", User_Agent="VLC", Referer="https://a.example/?k=v")
    found = COMBINED.fullmatch(text)
    assert found is not None, text
    assert found.groups() == (
        "192.0.2.7", "GET", "/demo/index.m3u8", "404", "-", "https://a.example/", "VLC", "0.013",
        "-", "-",
    )  # fmt: skip


def test_an_answer_that_writes_its_own_head_says_how_long_it_is() -> None:
    request = make_mocked_request(hdrs.METH_GET, "/film/1.m4s", version=HttpVersion11)
    assert '"GET /film/1.m4s HTTP/1.1" 206 700000 "' in line(request, Ready(206, 700_000), 0.1)


def test_a_stranger_writes_neither_a_line_nor_a_field_of_his_own() -> None:
    text = said('/x"y', User_Agent='a" 200 1\x1b[2J\u202e\\')
    found = COMBINED.fullmatch(text)
    assert found is not None, text
    assert text.isprintable()
    assert len(said("/x", User_Agent="y" * 7000)) < 3000


def test_a_renamed_file_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "log" / "access.log"
    log = AccessLog(path)
    for step in ("first", "second"):
        log.add(step)
        log.write()
    path.rename(path.with_suffix(".1"))
    log.add("third")
    log.write()
    assert path.with_suffix(".1").read_text() == "first\nsecond\n"
    assert path.read_text() == "third\n"


def test_a_folder_that_cannot_be_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    (tmp_path / "file").touch()
    log = AccessLog(tmp_path / "file" / "access.log")
    for step in ("first", "second"):
        log.add(step)
        log.write()
    assert caplog.text.count("cannot be written") == 1
    assert "first" in caplog.text
    assert "second" in caplog.text


def test_more_than_the_disk_takes_is_dropped_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = AccessLog(tmp_path / "access.log")
    for _ in range(MAX_WAITING + 3):
        log.add("x")
    log.write()
    assert "3 requests are not logged" in caplog.text
    assert (tmp_path / "access.log").stat().st_size == 2 * MAX_WAITING


async def test_what_waits_is_written_at_the_end(tmp_path: Path) -> None:
    log = AccessLog.of({"STREAMER_ACCESS_LOG": str(tmp_path / "access.log")})
    log.add("x")
    running = asyncio.create_task(log.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running], timeout=5)
    assert (tmp_path / "access.log").read_text() == "x\n"
