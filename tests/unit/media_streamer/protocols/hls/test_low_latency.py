"""Playlists that wait and parts, answered by the bytes of a request, through real servers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.answers import Answers
from media_streamer.egress.context import Egress
from media_streamer.egress.http.prepared import Prepared
from media_streamer.egress.http.quick_segments import (
    Directives,
    QuickSegments,
    Wanted,
    directives_of,
)
from media_streamer.egress.http.request import MediaRequest, peer_ip, refuse
from media_streamer.egress.http.server import http_server
from media_streamer.egress.segmented_sessions import SegmentedSessions
from media_streamer.presentation.index import SegmentIndex
from media_streamer.presentation.track_index import Init, Part, Segment, Timing, TrackIndex
from media_streamer.protocols.hls import low_latency, play
from media_streamer.protocols.hls.encryption import Encrypting
from media_streamer.wire.control import DeliveryConfig

from tests.support.open_hub import OpenHub
from tests.support.streamer import until

FIELDS = "Host: x\r\nUser-Agent: player\r\n"
BODY = bytes(range(256))


class Index(SegmentIndex):
    """A live window of one track, to which the test adds parts."""

    timing = Timing(1.0, 0.2)

    def __init__(self, folder: Path) -> None:
        super().__init__("live", "fmp4")
        self.path = str(folder / "media")
        Path(self.path).write_bytes(BODY)
        parts = tuple(self.part(7, n, n) for n in range(5))
        segment = Segment(7, 1_700_000_000_000, 1.0, self.path, 50, False, 1, 8, parts)
        self.track = TrackIndex("v1", {1: Init(1, self.path, "avc1", kind="video")})
        self.track.segments.append(segment)
        self.uses = 0

    @property
    def tracks(self) -> Mapping[str, TrackIndex]:
        return {"v1": self.track}

    def part(self, msn: int, index: int, seq: int) -> Part:
        return Part(msn, index, seq, 0.2, index == 0, self.path, 10 * seq, 10)

    def add(self, index: int, seq: int) -> None:
        """One more part of segment 8."""
        self.track.parts.append(self.part(8, index, seq))
        self._changed()

    def expect_parts(self) -> None:
        self.uses += 1

    def end(self) -> None:
        self.ended = "stream removed"
        self._changed()


class Service:
    def __init__(self, folder: Path) -> None:
        self.hub = OpenHub(DeliveryConfig(segment_duration=1000))
        self.index = Index(folder)
        self.viewers = SegmentedSessions(self.hub)  # type: ignore[arg-type]  # what is used of it
        self.answers, self.handled = Answers(), 0
        self.quick = QuickSegments(self.answers)

        async def find(*_: object) -> SegmentIndex:
            return self.index

        egress = Egress(self.hub)  # type: ignore[arg-type]
        self.handlers = play.HlsHandlers(self.viewers, find, egress, Encrypting())
        self.server = http_server(self.handle, quick=self.quick.find)
        self.port = 0

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        self.handled += 1
        handler, match = self.handlers.media, play._MEDIA.fullmatch(http.path[1:])
        if match is None:
            handler, match = self.handlers.part, play._PART.fullmatch(http.path[1:])
        assert match is not None
        request = MediaRequest(http, "live", match.groupdict(), http.query, peer_ip(http), "token")
        try:
            response = await handler(request)
        except AccessDenied as denied:
            return refuse(denied)
        assert isinstance(response, Prepared)
        self.quick.learn(request, response, "llhls")
        return response


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    made = Service(tmp_path)
    listening = await asyncio.get_running_loop().create_server(made.server, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()
    await made.server.shutdown(1)


class Client:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def open(self) -> "Client":
        self._reader, self.writer = await asyncio.open_connection("127.0.0.1", self._service.port)
        return self

    def ask(self, target: str, fields: str = FIELDS) -> None:
        self.writer.write(f"GET /live/tracks-v1/{target} HTTP/1.1\r\n{fields}\r\n".encode())

    async def answer(self) -> tuple[list[str], bytes]:
        """Lines of the head but the date, and the body."""
        async with asyncio.timeout(30):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            (size,) = (int(line.split()[1]) for line in head if line.startswith("Content-Length"))
            body = await self._reader.readexactly(size)
        return sorted(line for line in head if not line.startswith("Date")), body

    async def get(self, target: str, fields: str = FIELDS) -> tuple[list[str], bytes, bool]:
        """And whether a handler was asked."""
        before = self._service.handled
        self.ask(target, fields)
        return *await self.answer(), self._service.handled > before


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    made = await Client(service).open()
    yield made
    made.writer.close()


async def eventually(condition: Callable[[], bool]) -> None:
    async def check() -> bool:
        return condition()

    await until(check, "it is so", 30)


async def blocked(service: Service) -> None:
    """Until somebody waits without a handler."""
    await eventually(lambda: len(service.index._arrivals) > 0)


async def test_what_is_there_is_answered_as_the_handler_does(
    service: Service, client: Client
) -> None:
    for target in (
        "index.ll.m3u8?token=a&_HLS_msn=7&_HLS_part=4",
        "index.ll.m3u8?token=a&_HLS_msn=7&_HLS_part=3&_HLS_skip=YES",
        "index.ll.m3u8?token=a&_HLS_msn=7",
        "part-4.m4s?token=a",
    ):
        for fields in (FIELDS, FIELDS + "Accept-Encoding: gzip\r\n"):
            await client.get(target, fields)
            head, body, handled = await client.get(target, fields)
            assert not handled
            other = fields + f"X: {service.handled}\r\n"
            assert (head, body, True) == await client.get(target, other)
    assert body == BODY[40:50]
    (viewer,) = service.viewers._known.values()
    assert viewer.session.bytes > 24 * len(body)
    assert service.index.uses >= 24
    assert sum(count for *_, count in service.answers.take()) == 14, "those without a handler"


async def test_all_who_wait_are_answered_when_the_part_comes(
    service: Service, client: Client
) -> None:
    await client.get("part-4.m4s")
    others = [await Client(service).open() for _ in range(3)]
    handled = service.handled
    for one in (client, *others[:2]):
        one.ask("index.ll.m3u8?_HLS_msn=8&_HLS_part=0")
    others[2].ask("part-5.m4s")  # the hinted one
    await blocked(service)
    service.index.add(0, 5)
    texts = [(await one.answer())[1] for one in (client, *others[:2])]
    assert texts[0].count(b"#EXT-X-PART:") == 6
    assert texts == [texts[0]] * 3
    assert (await others[2].answer())[1] == BODY[50:60]
    assert service.handled == handled
    assert not len(service.index._arrivals)
    for one in others:
        one.writer.close()


async def test_what_another_one_got_is_not_made_again(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index is looked at once for all who ask for the same, and again after each change."""
    made: list[str] = []
    find = low_latency._Files._find

    def counted(files: low_latency._Files, wanted: Wanted) -> object:
        made.append(wanted.rest)
        return find(files, wanted)

    monkeypatch.setattr(low_latency._Files, "_find", counted)
    monkeypatch.setattr(low_latency, "time", SimpleNamespace(time=lambda: 1_700_000_000.0))
    await client.get("part-4.m4s")
    same = [await client.get("part-4.m4s") for _ in range(5)]
    assert {body for _, body, _ in same} == {BODY[40:50]}
    assert made == ["part-4.m4s"]
    (viewer,) = service.viewers._known.values()
    assert viewer.session.bytes == 60, "each answer counts"
    service.index.add(0, 5)
    assert (await client.get("part-4.m4s"))[1] == BODY[40:50]
    assert (await client.get("part-5.m4s"))[1] == BODY[50:60]
    assert made == ["part-4.m4s", "part-4.m4s", "part-5.m4s"]
    whole = {}
    for query in ("_HLS_msn=7", "_HLS_msn=8&_HLS_part=0", "_HLS_msn=7&_HLS_skip=YES"):
        text = (await client.get(f"index.ll.m3u8?{query}"))[1]
        assert (await client.get(f"index.ll.m3u8?{query}"))[1] == text
        whole[query] = text
    assert len(made) == 6, "another question is another answer"
    service.index.track.parts.clear()
    service.index.end()
    assert (await client.get("part-5.m4s"))[2], "what the index no longer has is the handler's"


async def test_what_is_waited_for_is_looked_for_anew(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without reading the request again, but not by what it meant before."""
    await client.get("part-4.m4s")
    handled = service.handled
    get, asked = service.quick._tokens.get, []

    def counted(key: bytes) -> str | None:
        asked.append(key)
        return get(key)

    monkeypatch.setattr(service.quick._tokens, "get", counted)
    client.ask("index.ll.m3u8?_HLS_msn=8&_HLS_part=0")
    await blocked(service)
    service.index.add(0, 5)
    assert b"part-5.m4s" in (await client.answer())[1]
    assert (len(asked), service.handled) == (1, handled)
    client.ask("index.ll.m3u8?_HLS_msn=8&_HLS_part=1")
    await blocked(service)
    service.quick.forget()
    service.index.add(1, 6)
    assert b"part-6.m4s" in (await client.answer())[1]
    assert service.handled == handled + 1
    client.ask("part-7.m4s")
    await eventually(lambda: service.handled == handled + 2 or len(service.index._arrivals) > 0)
    service.index.add(2, 7)
    assert (await client.answer())[1] == BODY[70:80]


async def test_what_does_not_come_is_the_handlers(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(low_latency, "WAIT_SECONDS", 0.01)
    await client.get("part-4.m4s")
    client.ask("index.ll.m3u8?_HLS_msn=8&_HLS_part=0")
    await eventually(lambda: service.handled == 2)
    service.index.add(0, 5)
    assert b"part-5.m4s" in (await client.answer())[1]


async def test_a_stream_that_ends_is_told_by_the_handler(service: Service, client: Client) -> None:
    await client.get("part-4.m4s")
    client.ask("index.ll.m3u8?_HLS_msn=8&_HLS_part=0")
    await blocked(service)
    service.index.end()
    head, body = await client.answer()
    assert "HTTP/1.1 404 Not Found" in head
    assert b"stream removed" in body


async def test_who_says_more_while_it_waits_is_answered_in_order(
    service: Service, client: Client
) -> None:
    await client.get("part-4.m4s")
    client.ask("index.ll.m3u8?_HLS_msn=8&_HLS_part=0")
    await blocked(service)
    client.ask("part-3.m4s")
    await eventually(lambda: not len(service.index._arrivals))
    service.index.add(0, 5)
    assert b"part-5.m4s" in (await client.answer())[1]
    assert (await client.answer())[1] == BODY[30:40]


async def test_who_leaves_is_waited_for_no_more(service: Service, client: Client) -> None:
    await client.get("part-4.m4s")
    client.ask("index.ll.m3u8?_HLS_msn=8&_HLS_part=0")
    await blocked(service)
    client.writer.close()
    await eventually(lambda: not len(service.index._arrivals))


async def test_who_waits_as_the_server_leaves_is_answered(service: Service, client: Client) -> None:
    await client.get("part-4.m4s")
    client.ask("index.ll.m3u8?_HLS_msn=8&_HLS_part=0")
    await blocked(service)
    service.quick.stop()
    leaving = asyncio.create_task(service.server.shutdown(30))
    await eventually(lambda: service.handled == 2)
    service.index.add(0, 5)
    assert b"part-5.m4s" in (await client.answer())[1]
    await asyncio.wait_for(leaving, 30)


async def test_what_is_not_as_usual_is_the_handlers(service: Service, client: Client) -> None:
    await client.get("part-4.m4s")
    for target, status in (
        ("index.ll.m3u8?_HLS_msn=7&_HLS_part=4&_HLS_msn=7", 200),
        ("index.ll.m3u8?_HLS_part=4&_HLS_msn=7", 200),
        ("part-0.m4s?_HLS_x=1", 200),
        ("part-99.m4s", 404),
        ("index.ll.m3u8?_HLS_msn=7&token=b", 200),
    ):
        for _ in range(2):
            head, _, handled = await client.get(target)
            assert handled, target
            assert any(line.startswith(f"HTTP/1.1 {status} ") for line in head)
    ranged = FIELDS + "Range: bytes=0-3\r\n"
    assert [(await client.get("part-4.m4s", ranged))[2] for _ in range(2)] == [True, True]
    assert not (await client.get("part-4.m4s"))[2]
    (viewer,) = (one for one in service.viewers._known.values() if not one.key[3])
    service.hub.sessions.end(viewer.session.access.session_id, "closed")
    assert (await client.get("part-4.m4s"))[2], "its session has ended"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (b"", (b"", None)),
        (b"token=a", (b"token=a", None)),
        (b"_HLS_msn=7", (b"", Directives(7, None, False))),
        (b"token=a&_HLS_msn=7&_HLS_part=0", (b"token=a", Directives(7, 0, False))),
        (b"_HLS_msn=7&_HLS_part=12&_HLS_skip=v2", (b"", Directives(7, 12, True))),
        (b"_HLS_msn=7&_HLS_skip=YES", (b"", Directives(7, None, True))),
        (b"_HLS_msn=-1", (b"_HLS_msn=-1", None)),
        (b"_HLS_msn=7&_HLS_skip=NO", (b"_HLS_msn=7&_HLS_skip=NO", None)),
        (b"x_HLS_msn=7", (b"x_HLS_msn=7", None)),
    ],
)
def test_directives_stand_last(query: bytes, found: tuple[bytes, Directives | None]) -> None:
    assert directives_of(query) == found
