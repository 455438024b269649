"""Recorded segments that are sent without a thread: as the handler does, and never what is gone."""

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from media_streamer.archive.container import Group
from media_streamer.archive.library import FileContent
from media_streamer.archive.places import MAX_SPAN_MS, OWNER_FILE
from media_streamer.archive.shelf import Shelf
from media_streamer.egress import near_archives
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.answers import Answers
from media_streamer.egress.context import Egress
from media_streamer.egress.http import archived
from media_streamer.egress.http.disk_files import DiskResponse
from media_streamer.egress.http.gathered import GatheredResponse
from media_streamer.egress.http.quick_segments import QuickSegments
from media_streamer.egress.http.request import MediaRequest, peer_ip, refuse
from media_streamer.egress.http.server import http_server
from media_streamer.egress.segmented_sessions import SegmentedSessions
from media_streamer.protocols.hls import archive
from media_streamer.protocols.hls.encryption import Encrypting
from media_streamer.wire.control import DeliveryConfig

from tests.support.open_hub import OpenHub
from tests.support.recordings import SECONDS, START_MS, Recording
from tests.support.streamer import until

FIELDS = "Host: x\r\n"
PAYLOAD = bytes(range(256)) * 300


class Service:
    """HLS of one archive, as a worker has it."""

    def __init__(self, root: Path) -> None:
        (root / OWNER_FILE).touch()
        self.recording = Recording(root, Shelf("a", root, root / "a", MAX_SPAN_MS))
        for _ in range(3):
            self.recording.shelf.write(self.recording.job(payload=PAYLOAD))
        places = [(str(root), str(root / "a"), "")]
        config = DeliveryConfig(
            archive=str(root / "a"), archive_root=str(root), archive_places=places
        )
        self.hub = OpenHub(config)
        self.egress = Egress(self.hub)  # type: ignore[arg-type]  # what is used of it
        self.viewers = SegmentedSessions(self.hub)  # type: ignore[arg-type]
        self.answers, self.handled = Answers(), 0
        self.quick = QuickSegments(self.answers)
        self.handlers = archive.HlsArchive(self.egress, self.viewers, Encrypting())
        self.server = http_server(self.handle, quick=self.quick.find)
        self.port = 0

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        self.handled += 1
        match = archive._SEGMENT.fullmatch(http.path[1:])
        assert match is not None
        request = MediaRequest(http, "a", match.groupdict(), http.query, peer_ip(http), "token")
        try:
            response = await self.handlers.segment(request)
        except AccessDenied as denied:
            return refuse(denied)
        if isinstance(response, DiskResponse | GatheredResponse):
            self.quick.learn(request, response, "llhls")
        return response

    async def get(
        self,
        number: int,
        track: str = "v1",
        fields: str = FIELDS,
        token: str = "t",
        ending: str = "m4s",
    ) -> tuple[list[str], bytes, bool]:
        """Head without its date, body, and whether a handler was asked."""
        start_ms = START_MS + number * SECONDS * 1000
        moment = f"{datetime.fromtimestamp(start_ms // 1000, UTC):%Y/%m/%d/%H/%M/%S}-04000-000"
        before = self.handled
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        target = f"/a/tracks-{track}/dvr/{moment}.{ending}?token={token}"
        writer.write(f"GET {target} HTTP/1.1\r\n{fields}\r\n".encode())
        async with asyncio.timeout(30):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            (size,) = (int(line.split()[1]) for line in head if line.startswith("Content-Length"))
            body = await reader.readexactly(size)
        writer.close()
        lines = sorted(line for line in head if not line.startswith(("Date", "Server")))
        return lines, body, self.handled > before


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    # Just written, and no memory file system can say so.
    monkeypatch.setattr(near_archives, "is_cached", lambda *_: True)
    monkeypatch.setattr(near_archives, "OPEN_SECONDS", 60.0)  # on a busy machine, too
    made = Service(tmp_path)
    listening = await asyncio.get_running_loop().create_server(made.server, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()
    await made.server.shutdown(1)
    made.recording.shelf.close()


async def test_the_file_that_was_looked_at_is_sent_as_the_handler_does(service: Service) -> None:
    for number, track in ((0, "v1"), (0, "a1")):
        assert (await service.get(number, track))[2]
    for number, track in itertools.product(range(3), ("v1", "a1")):
        quick = await service.get(number, track)
        assert not quick[2]
        head, body, handled = await service.get(number, track, f"{FIELDS}X: {number}{track}\r\n")
        assert handled
        assert quick[:2] == (head, body)
        assert track.encode() + PAYLOAD in body
    whole = f"{FIELDS}Range: bytes=0-\r\n"
    made, quick = [await service.get(1, fields=whole) for _ in range(2)]
    assert made[:2] == quick[:2]
    assert [made[2], quick[2]] == [True, False]
    some = f"{FIELDS}Range: bytes=0-9\r\n"
    assert [(await service.get(1, fields=some))[2] for _ in range(2)] == [True, True]
    assert (await service.get(1, token="other"))[2]
    assert sum(count for *_, count in service.answers.take()) == 7


async def test_what_was_written_to_is_looked_at_again(service: Service) -> None:
    assert [(await service.get(0))[2] for _ in range(2)] == [True, False]
    service.recording.shelf.write(service.recording.job(payload=b"more"))
    assert [(await service.get(3))[2] for _ in range(2)] == [True, False]
    assert not (await service.get(0))[2]


async def test_what_was_deleted_is_not_sent(service: Service) -> None:
    assert [(await service.get(0))[2] for _ in range(2)] == [True, False]
    for file in service.recording.folder.rglob("*.mp4"):
        file.unlink()
    head, _, handled = await service.get(0)
    assert handled
    assert "HTTP/1.1 404 Not Found" in head


async def test_what_was_made_in_mpegts_is_sent_without_the_handler(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as its file is as it was, and only what somebody asked for before."""
    made: list[int] = []

    def make(content: FileContent, group: Group, names: Sequence[str]) -> memoryview:
        made.append(group.offset)
        return memoryview(f"{'+'.join(names)} at {group.start_ms}".encode())

    monkeypatch.setattr(archived, "ts_segment", make)

    async def get(number: int, track: str = "v1a1", fields: str = FIELDS) -> tuple[bytes, bool]:
        _, body, handled = await service.get(number, track, fields, ending="ts")
        return body, handled

    first = f"v1+a1 at {START_MS}".encode()
    assert [await get(0), await get(0)] == [(first, True), (first, False)]
    assert (await get(1))[1], "nobody has asked for that one"
    assert not (await get(1))[1]
    assert (await get(0, "v1"))[0] == f"v1 at {START_MS}".encode()
    whole, some = (f"{FIELDS}Range: bytes={end}\r\n" for end in ("0-", "1-2"))
    assert [await get(0, fields=whole), await get(0, fields=whole)] == [
        (first, True),
        (first, False),
    ]
    assert await get(0, fields=some) == (first[1:3], True)
    assert len(made) == 3
    service.recording.shelf.write(service.recording.job(payload=b"more"))
    assert [(await get(0))[1] for _ in range(2)] == [True, False]
    for file in service.recording.folder.rglob("*.mp4"):
        file.unlink()
    assert (await get(0))[1]


async def test_it_is_looked_up_again_after_a_while_by_one_of_those_who_ask(
    service: Service,
) -> None:
    assert [(await service.get(0))[2] for _ in range(2)] == [True, False]
    (known,) = service.egress.archives.near._open.values()
    known.due = 0.0
    assert [(await service.get(number))[2] for number in (0, 1, 0, 2)] == [
        True,
        False,
        False,
        False,
    ]
    assert known.due > asyncio.get_running_loop().time(), "it was found where it was"


async def test_what_nobody_finds_again_is_let_go(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is elsewhere: its file, which is open, lies there as it did."""
    monkeypatch.setattr(near_archives, "OPEN_SECONDS", 0.05)
    assert (await service.get(0))[2]
    folder = service.recording.folder
    folder.rename(folder.with_name("elsewhere"))

    async def let_go() -> bool:
        await service.get(0)
        return not service.egress.archives.near._open

    await until(let_go, "the file is let go")
    head, _, handled = await service.get(0)
    assert handled
    assert "HTTP/1.1 404 Not Found" in head


async def test_as_many_files_are_held_as_may_be(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_archives, "MAX_OPEN", 0)
    assert [(await service.get(0))[2] for _ in range(2)] == [True, True]


async def test_a_file_is_closed_once_nobody_has_it(service: Service) -> None:
    await service.get(0)
    near = service.egress.archives.near
    (found,) = near._open.values()
    descriptor, held = found.descriptor, os.fstat(found.descriptor).st_ino

    def is_open() -> bool:
        with contextlib.suppress(OSError):  # a thread may have opened another one at once
            return os.fstat(descriptor).st_ino == held
        return False

    async def is_closed() -> bool:
        return not is_open()

    sent = near.find(service.hub.config.archive, "v1", START_MS)
    near._open.clear()
    del found
    assert is_open()
    del sent
    # The handler of the first one may still be about to end.
    await until(is_closed, "nobody has the file", 5)
