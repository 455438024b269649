"""Segments of films that are answered without a handler, through real servers and sockets."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from media_streamer.egress import films as films_module
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.answers import Answers
from media_streamer.egress.context import Egress
from media_streamer.egress.films import Films
from media_streamer.egress.http.gathered import GatheredResponse
from media_streamer.egress.http.quick_segments import QuickSegments
from media_streamer.egress.http.request import MediaRequest, peer_ip, refuse
from media_streamer.egress.http.server import http_server
from media_streamer.egress.segmented_sessions import SegmentedSessions
from media_streamer.protocols.hls import play
from media_streamer.protocols.hls.encryption import Encrypting
from media_streamer.wire.control import AccessRequest, DeliveryConfig

from tests.support.films import FilmTrack, film
from tests.support.open_hub import OpenHub

NAME = "films/a.mp4"
FIELDS = "Host: x\r\nUser-Agent: player\r\n"
DATA = film(FilmTrack([8000] * 99 + [60_000], syncs=[1, 26, 51, 76]))


class Service:
    """HLS of one film, as a worker has it."""

    def __init__(self, folder: Path) -> None:
        (folder / "a.mp4").write_bytes(DATA)
        config = DeliveryConfig(storages=[str(folder)], file="a.mp4", segment_duration=1000)
        self.hub = OpenHub(config)
        self.viewers = SegmentedSessions(self.hub)  # type: ignore[arg-type]  # what is used of it
        self.films, self.answers, self.handled = Films(), Answers(), 0
        self.quick = QuickSegments(self.answers)
        self.handlers = play.HlsHandlers(
            self.viewers,
            lambda _, access, container: self.films.index(access, container),
            Egress(self.hub),  # type: ignore[arg-type]
            Encrypting(),
        )
        self.server = http_server(self.handle, quick=self.quick.find)
        self.port = 0

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        self.handled += 1
        match = play._SEGMENT.fullmatch(http.path[1:])
        assert match is not None
        request = MediaRequest(http, NAME, match.groupdict(), http.query, peer_ip(http), "token")
        try:
            response = await self.handlers.segment(request)
        except AccessDenied as denied:
            return refuse(denied)
        if isinstance(response, GatheredResponse):
            self.quick.learn(request, response, "llhls")
        return response

    async def paths(self) -> list[str]:
        access = await self.hub.leave(AccessRequest(NAME, "llhls", "play", "127.0.0.1"))
        track = (await self.films.index(access, "fmp4")).tracks["v1"]
        return [f"/{NAME}/tracks-v1/{segment.name}.m4s" for segment in track.segments]


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
        self.service = service
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, target: str, fields: str = FIELDS) -> tuple[list[str], bytes, bool]:
        """Lines of the head, body, and whether a handler was asked."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.service.port)
        reader, writer = self._streams
        before = self.service.handled
        writer.write(f"GET {target} HTTP/1.1\r\n{fields}\r\n".encode())
        async with asyncio.timeout(30):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            (size,) = (int(line.split()[1]) for line in head if line.startswith("Content-Length"))
            body = await reader.readexactly(size)
        lines = sorted(line for line in head if not line.startswith(("Date", "Server")))
        return lines, body, self.service.handled > before

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    made = Client(service)
    yield made
    made.close()


async def test_what_is_known_is_answered_as_the_handler_does(
    service: Service, client: Client
) -> None:
    first, second, *_, last = await service.paths()
    made = await client.get(first + "?token=a")  # a thread opens the file
    quick = await client.get(first + "?token=a")
    assert [one[2] for one in (made, quick)] == [True, False]
    assert made[:2] == quick[:2]
    for path in (second, last):
        head, body, handled = await client.get(path + "?token=a")
        assert not handled
        assert (head, body) == (await client.get(path + "?token=a", FIELDS + "X: 1\r\n"))[:2]
        assert body[4:8] == b"moof"
    ((stream, proto, status, count),) = service.answers.take()
    assert (stream, proto, status, count) == (NAME, "llhls", 200, 4)
    (viewer,) = service.viewers._known.values()
    assert viewer.session.bytes > 5 * len(made[1])


async def test_who_is_not_known_is_asked_about(service: Service, client: Client) -> None:
    first, second, *_ = await service.paths()
    for _ in range(3):
        handled = (await client.get(first + "?token=a"))[2]
    assert not handled
    assert (await client.get(second + "?token=b"))[2]
    assert (await client.get(second + "?token=b"))[2] is False, "and is known then"
    assert (await client.get(second))[2]
    for name in ("", "x", "2020/01/01/00/00/00-01000-000.m4s", second.rpartition("/")[2]):
        folder = first.partition("/tracks-v1/")[0]
        if play._SEGMENT.fullmatch(f"{folder}/tracks-v1/{name}"[1:]):
            head, _, handled = await client.get(f"{folder}/tracks-v1/{name}?token=a")
            assert handled
            assert "HTTP/1.1 404 Not Found" in head
    viewer = next(one for one in service.viewers._known.values() if one.key[3] == "a")
    service.hub.sessions.end(viewer.session.access.session_id, "closed")
    assert (await client.get(second + "?token=a"))[2], "its session has ended"
    service.quick.forget()
    assert [(await client.get(second + "?token=a"))[2] for _ in range(2)] == [True, False]
    service.quick.stop()
    assert [(await client.get(second + "?token=a"))[2] for _ in range(2)] == [True, True]


async def test_the_whole_as_a_range(service: Service, client: Client) -> None:
    first, *_ = await service.paths()
    whole = FIELDS + "Range: bytes=0-\r\n"
    heads = [await client.get(first, whole) for _ in range(3)]
    assert heads[0][:2] == heads[1][:2] == heads[2][:2]
    assert "HTTP/1.1 206 Partial Content" in heads[2][0]
    assert not heads[2][2]
    part = await client.get(first, FIELDS + "Range: bytes=100-199\r\n")
    assert part[1] == heads[0][1][100:200]
    assert part[2]


async def test_a_film_that_is_another_one_is_not_sent(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = await service.paths()
    for _ in range(3):
        handled = (await client.get(first))[2]
    assert not handled
    file = Path(service.hub.config.storages[0], "a.mp4")
    other = file.with_name("b")
    other.write_bytes(DATA)
    os.utime(other, (1, 1))
    other.replace(file)
    for seconds in (0.0, 60.0):
        monkeypatch.setattr(films_module, "LOOK_SECONDS", seconds)
        head, _, handled = await client.get(first)
        assert handled
        assert "HTTP/1.1 404 Not Found" in head
    await asyncio.to_thread(file.unlink)
    for seconds in (0.0, 60.0):
        monkeypatch.setattr(films_module, "LOOK_SECONDS", seconds)
        assert "HTTP/1.1 404 Not Found" in (await client.get(first))[0]


async def test_a_location_that_is_another_one_asks_the_handler(
    service: Service, client: Client
) -> None:
    first, *_ = await service.paths()
    for _ in range(3):
        handled = (await client.get(first + "?token=a"))[2]
    assert not handled
    service.hub.config = DeliveryConfig(
        storages=[str(Path(service.hub.config.storages[0], "none"))], file="a.mp4"
    )
    assert (await client.get(first + "?token=c"))[2]
    head, _, handled = await client.get(first + "?token=c")
    assert handled, "what was learned is not for this viewer"
    assert "HTTP/1.1 404 Not Found" in head


async def test_a_connection_that_shall_end_ends(service: Service, client: Client) -> None:
    first, *_ = await service.paths()
    find = service.handlers.segment

    async def last(request: MediaRequest) -> web.StreamResponse:
        response = await find(request)
        response.force_close()
        return response

    service.handlers.segment = last  # type: ignore[method-assign]  # as for a server that leaves
    head, body, _ = await client.get(first)
    assert "Connection: close" in head
    assert body[4:8] == b"moof"
