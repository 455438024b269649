"""`rtsp://` and its relatives: cameras, and streams of other servers.

All of it happens in the event loop of the media worker: packets give frames, no demuxer is needed
but for a transport stream in RTP (`carried`).

    rtsp:// rtsps:// rtsp2://    within the connection; by UDP where the server has nothing else
    rtsp-udp://, `rtp=udp`       by UDP; within the connection where the server refuses that, or
                                 nothing comes through

Invariants: only addresses that `Reach` allows are connected to, after each redirect anew; a
redirect never leads from elsewhere to this machine, and takes no login along to another place;
nothing is sent to an address that a server names in its answers.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from media_api.input import InputConfig

from media_streamer.media.inputs.base import Fault, Input, InputError, InputRequest
from media_streamer.media.inputs.frames import FrameInput, Taker
from media_streamer.media.inputs.http import http_headers
from media_streamer.outgoing.addresses import OneWay, reach_of_process
from media_streamer.outgoing.dial import dial
from media_streamer.outgoing.wire import words
from media_streamer.protocols.rtsp import presentation
from media_streamer.protocols.rtsp.carried import CarriedStream
from media_streamer.protocols.rtsp.client import Redirected, Refused, RtspUrl
from media_streamer.protocols.rtsp.player import RtspPlayer
from media_streamer.protocols.rtsp.presentation import Presentation, PresentationError, Wanted
from media_streamer.protocols.rtsp.receiving import Receiving
from media_streamer.protocols.rtsp.transport import Transport
from media_streamer.rtp.intake import Intake
from media_streamer.wire.media import PublishedFrame, Reception, TrackSetup

log = logging.getLogger(__name__)

MAX_REDIRECTS = 5
UDP_SECONDS = 3.0
"""Without a packet by UDP after PLAY: none comes through."""
CHECK_SECONDS = 1.0
"""How often silence is looked at."""
GOODBYE_SECONDS = 1.0
"""For a sender that has said goodbye, and begins anew."""
WAIT_RTCP_SECONDS = 10.0
"""For the sender reports of all tracks (`wait_rtcp`), which are due every 5 s."""
MAX_AGE_SECONDS = 5.0
"""A frame is not older than this, nor from the future: else the clocks are not set."""

MAX_START_FRAMES = 1500
"""Cameras begin anywhere between two key frames, which may be ten seconds apart and more."""

Way = Literal["tcp", "udp"]


def create(request: InputRequest) -> Input:
    return RtspInput(request, url_of(request.config))


def url_of(config: InputConfig) -> RtspUrl:
    """Where the server is; raises InputError."""
    scheme = "rtsps" if config.scheme == "rtsps" else "rtsp"
    try:
        return RtspUrl.of(f"{scheme}://{config.url.partition('://')[2]}")
    except ValueError as error:
        raise InputError(str(error)) from None


def ways_of(config: InputConfig) -> tuple[Way, Way]:
    """How packets shall come, the wished way first."""
    by_udp = config.rtp == "udp" or config.scheme == "rtsp-udp"
    return ("udp", "tcp") if by_udp else ("tcp", "udp")


def redirected(url: RtspUrl, location: str) -> RtspUrl:
    """Where a server sends us from `url`; raises Refused for what is no RTSP."""
    try:
        found = RtspUrl.of(location)
    except ValueError as error:
        raise Refused(f"the server redirects to {error}") from None
    same = (found.host, found.port, found.tls) == (url.host, url.port, url.tls)
    if same and not found.has_login:
        return replace(found, user=url.user, password=url.password)
    return found


class RtspInput(FrameInput):
    """One attempt."""

    max_start_frames = MAX_START_FRAMES

    def __init__(self, request: InputRequest, url: RtspUrl) -> None:
        super().__init__(request.stream, request.receiver, request.limits, on_taken=request.arrived)
        self._request = request
        self._config = request.config
        self._url = url
        self._user_agent = http_headers(request.config)["User-Agent"]
        self._reach = OneWay(reach_of_process())
        self._chosen = frozenset(request.config.pids or ())
        self._told_left_out = self._connected = False
        self._session: _Session | None = None
        self._carried: CarriedStream | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name=f"rtsp {self.name}")

    async def _run(self) -> None:
        try:
            error = await self._play()
        except TimeoutError:
            error = f"no answer within {self.limits.open_seconds:g} s"
        except Refused as refused:
            self.count_status(refused.status)
            login = refused.status == 401
            error = f"{refused}: check user and password" if login else str(refused)
        except PresentationError as problem:
            error = str(problem)
        except OSError as problem:
            error = words(problem)
        except Exception as problem:
            log.exception("%s: rtsp failed", self.name)
            error = f"internal error: {type(problem).__name__}"
        finally:
            self._close_session()
        self._end(error)

    async def _play(self) -> str:
        """Why it ended. Raises what `_open` does."""
        first, second = ways_of(self._config)
        session = await self._open(first, second)
        if session.receiving.by_udp and not await session.is_heard(UDP_SECONDS):
            log.info("%s: nothing comes by UDP: trying within the connection", self.name)
            self._close_session()
            session = await self._open("tcp", "tcp")
        return await session.ended(self)

    async def _open(self, way: Way, other: Way) -> "_Session":
        """A session that plays. Raises TimeoutError, Refused, PresentationError, OSError."""
        async with asyncio.timeout(self.limits.open_seconds):
            player, text, base = await self._find()
            session = self._session = _Session(self, player, self._config.wait_rtcp or False)
            wanted = presentation.plan(text, base, self._chosen)
            self._tell_left_out(wanted)
            if self._config.programs and not wanted.carries_ts:
                raise PresentationError("programs: the source sends no transport stream")
            if wanted.carries_ts:
                self._carried = session.carried = CarriedStream(self._request)
            await session.play(wanted, way, other)
        if not self._connected:
            self._connected = True
            super().start()
        return session

    async def _find(self) -> tuple[RtspPlayer, str, str]:
        """The player at the end of all redirects, the description and its base."""
        url = self._url
        for _ in range(MAX_REDIRECTS + 1):
            player = await self._call(url)
            try:
                return player, *await player.describe()
            except Redirected as redirection:
                player.close()
                self._reach.redirected = True
                url = redirected(url, redirection.location)
            except BaseException:
                player.close()
                raise
        raise Refused(f"the server redirects more than {MAX_REDIRECTS} times")

    async def _call(self, url: RtspUrl) -> RtspPlayer:
        def make() -> RtspPlayer:
            return RtspPlayer(url, self._user_agent)

        _, player = await dial(url.host, url.port, make, self._reach, tls=url.tls)
        return player

    def _tell_left_out(self, wanted: Presentation) -> None:
        if wanted.left_out and not self._told_left_out:
            self._told_left_out = True
            names = ", ".join(wanted.left_out)[: presentation.MAX_NAMES]
            log.info("%s: tracks of the source are left out: %s", self.name, names)

    def taken(self, frames: Sequence[PublishedFrame], sent_at: float | None) -> None:
        """Frames of the session; `sent_at`: Unix time of the newest by the sender's clock."""
        if sent_at is not None and self.on_age is not None:
            age = time.time() - sent_at
            self.on_age(age if 0 < age < MAX_AGE_SECONDS else 0.0)
        self.take(frames)

    def _close_session(self) -> None:
        session, self._session = self._session, None
        carried, self._carried = self._carried, None
        self.on_key_frame = lambda: None
        if carried is not None:
            carried.close()
        if session is not None:
            session.close(self.name)

    # Of the demuxer of a transport stream

    @property
    def held_bytes(self) -> int:
        carried = self._carried
        return super().held_bytes + (carried.demuxer.held_bytes if carried is not None else 0)

    @property
    def overdue(self) -> bool:
        return super().overdue or (self._carried is not None and self._carried.demuxer.overdue)

    @property
    def alive(self) -> bool:
        return super().alive or (self._carried is not None and self._carried.demuxer.alive)

    @property
    def faults(self) -> dict[Fault, int]:
        carried = self._carried
        return {**super().faults, **(carried.demuxer.faults if carried is not None else {})}

    def _end(self, error: str | None) -> None:
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        super()._end(error)


class _Session:
    """One presentation by one connection, and the sink of its packets."""

    def __init__(self, taken: RtspInput, player: RtspPlayer, waits: bool) -> None:
        """`waits`: for the sender reports of all tracks."""
        self._input = taken
        self._player = player
        self._taker = Taker(taken)
        # A camera may announce sound that is switched off.
        self._intake = Intake(self, told_once_heard=frozenset({"audio", "video"}))
        self.receiving = Receiving(self._intake, f"{taken.name}: the source")
        self._waits = waits
        self.carried: CarriedStream | None = None
        """Where packets go that carry a transport stream."""
        self._began = asyncio.get_running_loop().time()
        player.hear = self.receiving.take
        taken.on_key_frame = self.receiving.ask_key_frame

    async def play(self, wanted: Presentation, way: Way, other: Way) -> None:
        """Set up all tracks, `other` in place of `way` if the server wants that; then PLAY."""
        for place, track in enumerate(wanted.tracks):
            try:
                await self._set_up(track, way, place)
            except Refused as refused:
                if refused.status != 461 or place or way == other:
                    raise
                way = other
                await self._set_up(track, way, place)
        self.receiving.begin()
        await self._player.play(wanted.url, [track.url for track in wanted.tracks])

    async def _set_up(self, track: Wanted, way: Way, place: int) -> None:
        if way == "udp":
            await self._set_up_udp(track)
            return
        asked = Transport("tcp", channels=(2 * place, 2 * place + 1))
        given = await self._player.set_up(track.url, asked)
        self.receiving.by_connection(
            track.number,
            track.kind,
            track.incoming,
            track.media.payload_type,
            self.receiving.free_channels(given.channels or (2 * place, 2 * place + 1)),
            self._player.transport.write,
            hears_wishes=track.hears_wishes,
        )

    async def _set_up_udp(self, track: Wanted) -> None:
        way = self.receiving.by_udp_ports(
            track.number,
            track.kind,
            track.incoming,
            track.media.payload_type,
            self._player.peer,
            hears_wishes=track.hears_wishes,
        )
        given = await self._player.set_up(track.url, Transport("udp", client_ports=way.numbers))
        if given.server_ports is not None and 0 not in given.server_ports:
            way.reports_to(given.server_ports[1])
            way.greet(given.server_ports)

    async def is_heard(self, seconds: float) -> bool:
        """Whether media comes within this time, or the server is gone."""
        waited = self.receiving.heard, self._player.lost
        done, _ = await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)

    async def ended(self, taken: RtspInput) -> str:
        """Wait for the end; why it came."""
        try:
            return await self._ended(taken)
        finally:
            if self.carried is not None and not self.carried.ended.done():
                await self.carried.drain()

    async def _ended(self, taken: RtspInput) -> str:
        loop = asyncio.get_running_loop()
        ends = (self._player.lost, *((self.carried.ended,) if self.carried else ()))
        while not self._player.lost.done():
            await asyncio.wait(ends, timeout=CHECK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if self.carried is not None and self.carried.ended.done():
                return self.carried.ended.result()
            taken.reception = self._intake.figures
            silence = loop.time() - self.receiving.heard_at
            if self.receiving.said_goodbye and silence > GOODBYE_SECONDS:
                return "the source ended"
            if silence > taken.limits.read_seconds:
                return "the source sends nothing"
        return self._player.lost.result()

    def close(self, name: str) -> None:
        """End it; may be called again."""
        self._player.close()
        self.receiving.close()
        if lost := self._intake.figures.lost:
            log.info(
                "%s: %d packets of the source were lost, and %d frames with them",
                name,
                lost,
                self._intake.damaged,
            )

    # Sink of the intake

    @property
    def is_behind(self) -> bool:
        return self._taker.is_behind

    def tracks(self, tracks: list[TrackSetup], complete: bool) -> None:
        if self.carried is not None:
            return  # the transport stream says what it has
        self._taker.tracks(tracks, complete)

    def reception(self, figures: Reception) -> None:
        self._taker.reception(figures)

    def frames(self, frames: list[PublishedFrame]) -> None:
        if self.carried is not None:
            self.carried.feed(frames)
            return
        if self._waits:
            waited = asyncio.get_running_loop().time() - self._began
            if not self._intake.is_aligned and waited < WAIT_RTCP_SECONDS:
                return
            self._waits = False
        self._input.taken(frames, self._intake.sent_at())
