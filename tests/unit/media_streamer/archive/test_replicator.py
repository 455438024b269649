"""Gaps are filled from a server that answers on a socket as ours do."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_streamer.archive import replicator
from media_streamer.archive.declared import Declared, declared
from media_streamer.archive.gaps import first_part
from media_streamer.archive.library import Library
from media_streamer.archive.places import OWNER_FILE, Place, files_between
from media_streamer.archive.ranges import Range
from media_streamer.archive.replica import leave_out
from media_streamer.archive.replicator import ReplicaFigures, Replicator
from media_streamer.archive.retention import Limits
from media_streamer.protocols.m4f.replica import extents

from .conftest import SECONDS, START_MS, Recording

STEP_MS = SECONDS * 1000
SEGMENTS = 8
WAIT_SECONDS = 30.0


@dataclass
class Other:
    """The other server."""

    folder: Path
    port: int = 0
    status: int = 200
    is_cut_off: bool = False
    is_slow: bool = False
    lie: str = ""
    """What it says to have recorded."""
    asked: list[str] = field(default_factory=list)

    def answer(self, target: str) -> tuple[int, bytes]:
        url = urlsplit(target)
        query = {name: int(text) for name, (text,) in parse_qs(url.query).items() if text.isdigit()}
        self.asked.append(url.path)
        library = Library()
        if self.status != 200:
            return self.status, b""
        if self.lie and url.path == "/far/recording_status.json":
            return 200, self.lie.encode()
        if url.path == "/far/recording_status.json":
            told = [one.as_json() for one in library.ranges(self.folder)]
            return 200, json.dumps([{"stream": "far", "ranges": told}]).encode()
        gap = Range(query["from"], query["to"])
        entries = first_part(library.entries(self.folder, 0, 2**50), gap, query["size"])
        if not entries:
            return 404, b""
        data = entries[0].content.file.path.read_bytes()
        return 200, b"".join(data[e.offset : e.offset + e.size] for e in extents(entries))


@pytest.fixture
def other(record: Callable[..., Recording]) -> Iterator[Other]:
    theirs = record("there")
    theirs.write(SEGMENTS)
    one = Other(theirs.folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.headers["Authorization"].startswith("Cluster ")
            assert self.headers["X-Own-Archive"] == "1"
            status, body = one.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            media = "replica.mp4" in self.path
            while one.is_slow and media:
                try:
                    self.wfile.write(body[:1])
                except OSError:
                    return
                time.sleep(0.02)
            cut = one.is_cut_off and media
            self.wfile.write(body[:-1] if cut else body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        one.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield one
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def ours(
    other: Other, record: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Declared:
    """Has the first two segments and the last one."""
    for name, seconds in (("LOOK_SECONDS", 0.05), ("LOOK_SHARE", 1), ("MAX_RETRY_SECONDS", 0.05),
                          ("FIRST_RETRY_SECONDS", 0.05)):  # fmt: skip
        monkeypatch.setattr(replicator, name, seconds)
    here = record("here/a")
    here.write(2)
    here.count = SEGMENTS - 1
    here.write(1)
    url = f"m4f://127.0.0.1:{other.port}/far"
    stream = StreamConfig.model_validate(
        {
            "name": "a",
            "inputs": [{"url": url, "cluster_key": "between-us"}],
            "dvr": {"root": str(tmp_path / "here"), "dvr_replicate": True},
        }
    )
    found = declared(stream, ServerConfig())
    assert found is not None
    assert found.replica is not None
    disk = found.replica.place.disk
    disk.mkdir(parents=True)
    (disk / OWNER_FILE).touch()
    return found


@pytest.fixture
def begin(ours: Declared) -> Iterator[Callable[..., Replicator]]:
    made: list[Replicator] = []

    def make(**options: Any) -> Replicator:
        one = Replicator(**options)
        made.append(one)
        one.set_streams({"a": ours})
        return one

    yield make
    for one in made:
        one.close()
        assert not one._thread.is_alive()


def until(one: Replicator, condition: Callable[[ReplicaFigures], bool]) -> ReplicaFigures:
    ends = time.monotonic() + WAIT_SECONDS
    while True:
        figures = one.figures("a")
        if figures is not None and condition(figures):
            return figures
        assert time.monotonic() < ends, figures
        time.sleep(0.01)


def numbers(places: tuple[Place, ...]) -> list[int]:
    entries = Library().entries(places, 0, 2**50)
    return [(one.group.start_ms - START_MS) // STEP_MS for one in entries]


def test_what_is_missing_comes_once(
    ours: Declared, other: Other, begin: Callable[..., Replicator]
) -> None:
    one = begin()
    figures = until(one, lambda figures: figures.segments == SEGMENTS - 3)
    assert numbers(ours.places) == list(range(SEGMENTS))
    assert figures.duration_ms == (SEGMENTS - 3) * STEP_MS
    until(one, lambda figures: figures.missing_ms == 0)
    # Another process finds nothing to do.
    count = other.asked.count("/far/replica.mp4")
    again = begin()
    until(again, lambda figures: figures.held_ms >= SEGMENTS * STEP_MS)
    assert other.asked.count("/far/replica.mp4") == count


def test_what_goes_wrong_is_said_and_tried_again(
    ours: Declared, other: Other, begin: Callable[..., Replicator]
) -> None:
    other.status = 403
    one = begin()
    until(one, lambda figures: "same cluster_key" in figures.error)
    other.status = 500
    until(one, lambda figures: "answers 500" in figures.error)
    other.status, other.is_cut_off = 200, True
    assert until(one, lambda figures: figures.errors > 5).segments == 0
    assert ours.replica is not None
    assert files_between(ours.replica.place.folder) == []
    other.is_cut_off = False
    until(one, lambda figures: figures.segments == SEGMENTS - 3 and not figures.error)
    assert numbers(ours.places) == list(range(SEGMENTS))


LIES = [
    "{", "[]", "[[]]", '[{"ranges": 7}]', '[{"ranges": [{"from": 1}]}]', "[" * 100_000,
    '[{"ranges": [{"from": 1e400, "duration": 1}]}]', '[{"ranges": [{"from": {}, "duration": 1}]}]',
]  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_what_is_no_list_is_said(lie: str, other: Other, begin: Callable[..., Replicator]) -> None:
    other.lie = lie
    one = begin()
    until(one, lambda figures: "does not say what it has recorded" in figures.error)
    other.lie = ""
    until(one, lambda figures: figures.segments == SEGMENTS - 3 and not figures.error)


def test_who_sends_a_byte_now_and_then_does_not_hold_up_others(
    other: Other, begin: Callable[..., Replicator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicator, "SLOW_SECONDS", 0.1)
    other.is_slow = True
    one = begin()
    until(one, lambda figures: "sends less than 4096 bytes a second" in figures.error)
    other.is_slow = False
    until(one, lambda figures: figures.segments == SEGMENTS - 3 and not figures.error)


def test_what_was_deleted_here_is_not_asked_for(
    ours: Declared, other: Other, begin: Callable[..., Replicator]
) -> None:
    assert ours.replica is not None
    deleted = Range(START_MS, START_MS + 5 * STEP_MS)
    leave_out(ours.replica.place.folder, deleted, START_MS, None)
    one = begin()
    until(one, lambda figures: figures.segments > 0 and figures.missing_ms == 0)
    assert numbers(ours.places) == [0, 1, 5, 6, 7]


def test_what_only_an_episode_keeps_is_not_where_an_archive_of_some_size_begins(
    ours: Declared, other: Other, begin: Callable[..., Replicator]
) -> None:
    """What lies between it and the rest was deleted by the limit, and would be again."""
    kept = [Range(START_MS, START_MS + 2 * STEP_MS)]
    one = begin(kept=lambda _: kept)
    one.set_streams({"a": replace(ours, limits=Limits(size_bytes=2**40))})
    until(one, lambda figures: figures.held_ms == STEP_MS)
    assert numbers(ours.places) == [0, 1, SEGMENTS - 1]
    kept.clear()
    until(one, lambda figures: figures.segments == SEGMENTS - 3)
