"""An archive and a file by RTSP: a real server and a real playback, without processes between."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from media_streamer.archive.library import Library
from media_streamer.egress.access import Access
from media_streamer.egress.broadcast import Framing
from media_streamer.egress.context import Egress
from media_streamer.egress.hub import Hub
from media_streamer.egress.reading import Turns
from media_streamer.egress.replay import FROM_BEGINNING, ReplayBroadcast
from media_streamer.egress.served_sessions import ServedSessions
from media_streamer.media.playback import Playback
from media_streamer.media.playback import Turns as PlaybackTurns
from media_streamer.presentation.moments import Moment
from media_streamer.protocols.rtsp import server
from media_streamer.wire.control import AccessRequest, DeliveryConfig
from media_streamer.wire.homes import make_home
from media_streamer.wire.media import Events, Replay, Seek
from msgspec.structs import replace

from tests.support.endless_film import EndlessFilm
from tests.support.rtsp_player import Player, rtsp, utc

START = 1_700_000_000


class Link:
    """A media worker that only plays one film, whatever it is asked for."""

    def __init__(self, film: EndlessFilm, threads: ThreadPoolExecutor) -> None:
        self._film, self._threads = film, threads
        self._played: dict[int, Playback] = {}

    def subscribe(
        self, stream: str, form: str, taker: Any, *, tracks: tuple[str, ...], replay: Replay
    ) -> int:
        number = len(self._played) + 1

        def sink(events: Any) -> None:
            taker.on_message(Events(number, list(events)))

        played = replace(replay, file="film.mp4")
        self._played[number] = one = Playback(
            stream,
            played,
            Library(),
            self._film,
            self._threads,
            PlaybackTurns(),
            sink,
            lambda _: None,
        )
        one.start(form, tracks)
        return number

    def taken(self, number: int, total: int) -> None:
        self._played[number].taken(total)

    def seek(self, wanted: Seek) -> None:
        self._played[wanted.id].seek(wanted)

    def release(self, number: int) -> None:
        self._played[number].close()

    def close(self) -> None:
        for one in self._played.values():
            one.close()


class ReplayHub:
    """Lets everybody in: `film` is a file, all else has an archive."""

    runtime: Path

    def __init__(self, link: Link) -> None:
        self.turns = Turns(0.01)
        self._link = link
        self._sessions = ServedSessions(lambda _: None)
        self.asked: list[AccessRequest] = []
        self.on_idle: Callable[[Any], None] = lambda _: None

    async def access(self, request: AccessRequest) -> Access:
        self.asked.append(request)
        config = DeliveryConfig(file="film.mp4" if request.name == "film" else "", archive="/d/cam")
        return Access("1", request.name, Path(), 0, request, config=config)

    def give_up(self, access: Access, reason: str) -> None: ...

    async def broadcast(self, access: Access, *more: Any) -> Any:
        return await self.replay(access, more[0], FROM_BEGINNING, more[1])

    async def replay(
        self, access: Access, form: Any, moment: Moment, framing: type[Framing]
    ) -> ReplayBroadcast:
        replay = Replay([], moment.from_ms, moment.to_ms, 1.0, [], access.config.file)
        made = ReplayBroadcast(
            access.stream, form, cast(Any, self._link), self._sessions, framing, (), replay,
            self.on_idle,
        )  # fmt: skip
        await made.wait_started(30)
        return made


class LiveHub(ReplayHub):
    """The present is shown by a broadcast that never has anything."""

    async def broadcast(self, access: Access, *more: Any) -> Any:
        recorded = await self.replay(access, more[0], FROM_BEGINNING, more[1])
        recorded.let_go()
        return Present(recorded.description)


class Present:
    """A broadcast of the present, as far as it is asked for before PLAY."""

    def __init__(self, description: bytes) -> None:
        self.description = description

    def let_go(self) -> None: ...


@pytest.fixture(autouse=True)
def _runtime(tmp_path: Path) -> None:
    make_home(tmp_path, "egress", "0")
    ReplayHub.runtime = tmp_path


@contextlib.asynccontextmanager
async def playing(path: str, kind: type[ReplayHub] = ReplayHub) -> AsyncIterator[Any]:
    with ThreadPoolExecutor(1) as threads:
        link = Link(EndlessFilm(), threads)
        hub = kind(link)
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        running = await server.serve(Egress(cast(Hub, hub)), sock)
        with contextlib.closing(running):
            async with rtsp(sock.getsockname()[1], path) as player:
                yield player, hub
            link.close()
            await asyncio.sleep(0)


async def stands_at(player: Player, seconds: float) -> None:
    assert await player.next_utc() == pytest.approx(seconds, abs=0.002)


async def test_an_archive_is_sought_in_and_goes_on_where_it_paused() -> None:
    async with playing(f"cam?from={START}") as (player, hub):
        assert f"a=range:clock={utc(START)}-" in player.description
        await player.play(Range="npt=0.000-")
        await stands_at(player, START)
        source = await player.next_source()
        answer = await player.play(Range=f"clock={utc(START + 500)}-")
        assert f"Range: clock={utc(START + 500)}-" in answer
        await stands_at(player, START + 500)
        assert await player.next_source() == source
        assert " 200 " in await player.ask("PAUSE")
        assert " 200 " in await player.play()
        assert await player.next_source() == source, "it goes on"
        answer = await player.play(Range="npt=60-")
        assert "Range: npt=60.000-" in answer
        await stands_at(player, START + 60)
        assert [one.archive for one in hub.asked] == [True, True], "a session again after the pause"


async def test_scale_compresses_the_clock_and_speed_does_not() -> None:
    async with playing("film") as (player, _):
        assert "a=range:npt=0.000-" in player.description
        answer = await player.play(Range="npt=100-", Scale="2.0")
        assert "Scale: 2\r\n" in answer
        await stands_at(player, 100)
        first, second = await player.timestamps(2)
        assert second - first == 1800
        answer = await player.play(Range="npt=200-", Speed="4")
        assert "Speed: 4\r\n" in answer
        assert "Scale" not in answer
        await stands_at(player, 200)
        first, second = await player.timestamps(2)
        assert second - first == 3600
        assert "Scale: 1\r\n" in await player.play(Scale="-2"), "nothing plays backwards"


@pytest.mark.parametrize(
    ("wanted", "status"),
    [("smpte=0:10:20-", 501), ("npt=9-3", 457), ("npt=x-", 457), (f"clock={utc(START)}-", 457)],
)
async def test_what_cannot_be_is_refused_and_the_rest_goes_on(wanted: str, status: int) -> None:
    async with playing("film") as (player, _):
        assert f" {status} " in await player.play(Range=wanted)
        assert " 200 " in await player.play(Range="npt=3-")
        await stands_at(player, 3)


async def test_from_the_present_into_the_archive() -> None:
    async with playing("cam", LiveHub) as (player, hub):
        assert "a=range:npt=now-" in player.description
        answer = await player.play(Range=f"clock={utc(START)}-")
        assert f"Range: clock={utc(START)}-" in answer
        await stands_at(player, START)
        assert [one.archive for one in hub.asked] == [False, True]
