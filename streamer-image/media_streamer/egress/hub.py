"""What a protocol may ask for: leave to play or publish, a broadcast, a feed, an index of
segments, a picture.

Owns the connections to the media workers and everything that is shared by the viewers of this
worker. Knows no protocol.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from media_streamer import budgets
from media_streamer.egress.access import Access, AccessDenied, PassOn, counted_as
from media_streamer.egress.broadcast import Broadcast, Format, Framing
from media_streamer.egress.feed import Feed
from media_streamer.egress.media_link import MediaLink
from media_streamer.egress.pace import Pace
from media_streamer.egress.reading import Turns
from media_streamer.egress.replay import FROM_BEGINNING, ReplayBroadcast, replay_of
from media_streamer.egress.served_sessions import ServedSessions
from media_streamer.presentation.index import Container
from media_streamer.presentation.live import LiveIndex
from media_streamer.presentation.moments import Moment
from media_streamer.presentation.track_index import Timing
from media_streamer.protocols.jpeg.picture import fetch_preview
from media_streamer.wire.control import AccessRequest, Granted, Place, Refusal
from media_streamer.wire.homes import socket_of, sockets_of_others
from media_streamer.wire.media import TOO_MANY_PLAYBACKS, PictureForm, PublishForm, Strip
from media_streamer.wire.owner import Owner
from media_streamer.wire.peer import CallFailed, Notice, Request

log = logging.getLogger(__name__)

T = TypeVar("T")

ACCESS_TIMEOUT_SECONDS = 15.0
"""The supervisor may have to ask an on_play backend and to wait for an on-demand start."""
REPLAY_SECONDS = 10.0
"""Until an archive gives its first bytes."""
PREVIEW_REUSE_SECONDS = 1.0
MAX_PREVIEWS = 256
MAX_SELECTIONS = 8
"""Selections of tracks of one stream that are built at once: clients can make up any."""

BroadcastKey = tuple[str, str, type[Framing] | None, bool, tuple[str, ...]]
PictureKey = tuple[str, PictureForm, int | None, Strip | None, str, tuple[int, int] | None]
IndexKey = tuple[str, Container, tuple[str, ...], bool]


class Hub:
    """One per egress worker."""

    def __init__(self, runtime: Path) -> None:
        self.runtime = runtime
        """Directory of the server's Unix sockets."""
        self._supervisor: Owner | None = None
        self._links: dict[Path, MediaLink] = {}
        self._directory: dict[str, Path] | None = None
        self._broadcasts: dict[BroadcastKey, Broadcast] = {}
        self._indexes: dict[IndexKey, LiveIndex] = {}
        self._replays: set[ReplayBroadcast] = set()
        self._previews: dict[PictureKey, tuple[float, asyncio.Task[bytes]]] = {}
        self._questions: set[asyncio.Task[Access]] = set()
        self._placed = asyncio.Event()
        """Set for a moment whenever streams came to a media worker."""
        self.sessions = ServedSessions(self.notify)
        self._pace = Pace()
        self.turns = Turns()
        """When publishers are read."""

    def connect(self, supervisor: Owner) -> None:
        """Whom to ask and to tell from now on."""
        self._supervisor = supervisor

    async def access(self, request: AccessRequest) -> Access:
        """Ask the supervisor; raises AccessDenied, and PassOn for what another server recorded."""
        access = await self.leave(request)
        if access.config.passage is None:
            return access
        session = self.sessions.open(access)
        self.sessions.leave(session, "passed on")
        raise PassOn(access)

    async def leave(self, request: AccessRequest) -> Access:
        """Ask the supervisor, wherever the stream is recorded; raises AccessDenied.

        Whoever gets an answer opens a session or gives it up. A client that leaves before the
        answer is there has one at the supervisor all the same, which is given up here.
        """
        question = asyncio.create_task(self._ask(request))
        self._questions.add(question)
        question.add_done_callback(self._questions.discard)
        try:
            return await asyncio.shield(question)
        except asyncio.CancelledError:
            question.add_done_callback(self._unwanted)
            raise

    def _unwanted(self, question: asyncio.Task[Access]) -> None:
        if not question.cancelled() and question.exception() is None:
            self.give_up(question.result(), "client closed")

    async def ask(self, question: Request[T | Refusal]) -> T:
        """The supervisor's answer; raises AccessDenied."""
        if self._supervisor is None:
            raise AccessDenied(503, "unavailable", "The server is starting")
        try:
            answer = await self._supervisor.call(question, timeout_seconds=ACCESS_TIMEOUT_SECONDS)
        except (CallFailed, TimeoutError) as error:
            name = getattr(question, "name", "-")
            log.warning("stream %s: access not decided: %s", name, error)
            title = "The server cannot decide about access now; try again"
            raise AccessDenied(503, "unavailable", title) from error
        if isinstance(answer, Refusal):
            raise AccessDenied(answer.status, answer.code, answer.title, answer.location)
        return answer

    async def _ask(self, request: AccessRequest) -> Access:
        answer: Granted = await self.ask(request)
        media_socket = Path(answer.media_socket)
        if self._directory is not None and answer.media_socket:
            # A stream made on demand: its entry of the directory may still be on its way.
            self._directory.setdefault(answer.stream, media_socket)
        return Access(
            session_id=answer.session_id,
            stream=answer.stream,
            media_socket=media_socket,
            epoch=answer.epoch,
            request=request,
            token=answer.token,
            config=answer.config,
            country=answer.country,
            ticket=answer.ticket,
            reader=answer.reader,
            relay=answer.relay,
        )

    async def broadcast(
        self,
        access: Access,
        format: Format,
        framing: type[Framing] | None = None,
        *,
        tracks: tuple[str, ...] = (),
    ) -> Broadcast:
        """The broadcast of a stream, once it has data; raises AccessDenied(503) if it has none.

        `tracks`: names of those that are wanted, empty for all.
        """
        with self._given_up_if_refused(access):
            return await self.other_broadcast(access, format, framing, tracks=tracks)

    async def other_broadcast(
        self,
        access: Access,
        format: Format,
        framing: type[Framing] | None = None,
        *,
        tracks: tuple[str, ...] = (),
    ) -> Broadcast:
        """The same for who plays already: the session stays, also if there is none."""
        if access.config.file:
            moment = FROM_BEGINNING
            return await self.other_replay(access, format, moment, framing, tracks=tracks)
        home = self._home(access)
        found = self._find_broadcast(access.stream, format, framing, home, tracks=tracks)
        await found.wait_started(access.config.start_seconds)
        return found

    async def replay(
        self,
        access: Access,
        format: Format,
        moment: Moment,
        framing: type[Framing] | None = None,
        *,
        tracks: tuple[str, ...] = (),
    ) -> Broadcast:
        """A time of the stream's archive for one viewer, once it has data.

        Raises AccessDenied: 404 if there is nothing, 503 if no media worker can play it, or the
        client's address plays too much.
        """
        with self._given_up_if_refused(access):
            return await self.other_replay(access, format, moment, framing, tracks=tracks)

    async def other_replay(
        self,
        access: Access,
        format: Format,
        moment: Moment,
        framing: type[Framing] | None = None,
        *,
        tracks: tuple[str, ...] = (),
    ) -> Broadcast:
        """The same for who plays already: the session stays, also if there is none."""
        replay = replay_of(access, moment)
        who = counted_as(access)
        held = sum(one.who == who for one in self._replays) if who else 0
        if held >= budgets.ADDRESS_PLAYBACKS:
            title = "Your address plays too much that is recorded; try again"
            raise AccessDenied(503, "address_playbacks_limit", title)
        link = self._link(self._some_worker(access))
        made = ReplayBroadcast(
            access.stream,
            format,
            link,
            self.sessions,
            framing,
            tracks,
            replay,
            self._replay_ended,
            who,
        )
        self._replays.add(made)
        try:
            await made.wait_started(REPLAY_SECONDS)
        except AccessDenied:
            refused = made.is_refused
            made.close("nothing to play")
            if refused:
                title = "The server plays too much that is recorded; try again"
                raise AccessDenied(503, TOO_MANY_PLAYBACKS, title) from None
            title = "Nothing is recorded of that time"
            if access.config.file:
                title = "The file cannot be played so, or it ends before that"
            raise AccessDenied(404, "not_recorded", title) from None
        except BaseException:
            made.close("client closed")
            raise
        return made

    def _replay_ended(self, gone: Broadcast) -> None:
        assert isinstance(gone, ReplayBroadcast)
        self._replays.discard(gone)

    async def standing(
        self,
        stream: str,
        format: Format,
        framing: type[Framing] | None = None,
        *,
        tracks: tuple[str, ...] = (),
        max_age_seconds: float,
    ) -> Broadcast:
        """A pinned broadcast for what is no viewer: the stream stays on, and is waited for.

        Waits for the stream to be placed and to have data that is no older, without a limit. Raises
        AccessDenied if it is removed meanwhile. One for all that ask alike.
        """
        home = await self._wait_placed(stream)
        found = self._find_broadcast(stream, format, framing, home, pinned=True, tracks=tracks)
        await found.wait_data(max_age_seconds)
        return found

    async def publish(self, access: Access, form: PublishForm) -> Feed:
        """A running feed; raises AccessDenied (409 if somebody else publishes the stream)."""
        feed = Feed(access, self._link(self._home(access)), self.sessions, form)
        try:
            await feed.start()
        except AccessDenied as denied:
            self.give_up(access, denied.code)
            raise
        except asyncio.CancelledError:
            await feed.close()
            self.give_up(access, "client closed")
            raise
        return feed

    def give_up(self, access: Access, reason: str) -> None:
        """Nothing is made of the access: its session ends at once."""
        self.sessions.leave(self.sessions.open(access), reason)

    @contextlib.contextmanager
    def _given_up_if_refused(self, access: Access) -> Iterator[None]:
        """What is raised inside ends the access."""
        try:
            yield
        except AccessDenied as denied:
            self.give_up(access, denied.code)
            raise
        except asyncio.CancelledError:
            self.give_up(access, "client closed")
            raise

    def live_index(
        self, access: Access, container: Container, tracks: tuple[str, ...] = ()
    ) -> LiveIndex:
        """Segments and parts of a stream; kept for a while after the last request.

        `tracks`: names of those that a multiplex is to hold, empty for all. Raises
        AccessDenied(503) for too many of these.
        """
        config = access.config
        timing = Timing(config.segment_duration / 1000, config.chunk_duration / 1000)
        found = self._find_index(access.stream, timing, container, self._home(access), tracks)
        found.start_seconds = config.start_seconds
        return found

    async def standing_index(
        self, stream: str, container: Container, tracks: tuple[str, ...] = ()
    ) -> LiveIndex:
        """The same for what is no viewer, as in `standing`; whoever has it keeps it by `touch`."""
        home = await self._wait_placed(stream)
        return self._find_index(stream, Timing(), container, home, tracks, pinned=True)

    def _find_index(
        self,
        stream: str,
        timing: Timing,
        container: Container,
        home: Path,
        tracks: tuple[str, ...] = (),
        *,
        pinned: bool = False,
    ) -> LiveIndex:
        key = (stream, container, tracks, pinned)
        found = self._indexes.get(key)
        if found is None:
            self._check_selections(stream, tracks, list(self._indexes.values()))
            found = self._indexes[key] = LiveIndex(
                stream,
                timing,
                container,
                self._link(home),
                self._forget_index,
                self.exists,
                tracks,
                pinned=pinned,
            )
        found.touch()
        return found

    async def preview(
        self,
        access: Access,
        form: PictureForm = "jpeg",
        at_ms: int | None = None,
        strip: Strip | None = None,
        track: str = "",
        size: tuple[int, int] | None = None,
    ) -> bytes:
        """The last key frame (of a track), that of a moment of the archive or the file, or some
        from then on; raises AccessDenied.

        404 if there is none. One for all who ask within a second.
        """
        now = time.monotonic()
        key = (access.stream, form, at_ms, strip, track, size)
        cached = self._previews.get(key)
        if cached is None or now - cached[0] > PREVIEW_REUSE_SECONDS:
            if len(self._previews) >= MAX_PREVIEWS:
                self._previews.pop(next(iter(self._previews)))
            home = self._home(access) if at_ms is None else self._some_worker(access)
            task = asyncio.create_task(
                fetch_preview(access, self._link(home), form, at_ms, strip, track, size)
            )
            cached = self._previews[key] = (now, task)
        return await asyncio.shield(cached[1])

    def exists(self, stream: str) -> bool:
        """False once the supervisor has said that no media worker runs the stream."""
        return self._directory is None or stream in self._directory

    def set_directory(self, streams: Mapping[str, Place]) -> None:
        """The whole directory: which media worker runs which stream."""
        self._directory = {}
        self.update_directory({**dict.fromkeys(self._known_streams()), **streams})

    def update_directory(self, streams: Mapping[str, Place | None]) -> None:
        """Changes of the directory; None stands for a stream that is gone."""
        if self._directory is None:
            self._directory = {}
        for stream, place in streams.items():
            if place is None:
                self._directory.pop(stream, None)
                self._close_stream(stream)
            else:
                self._directory[stream] = socket_of(self.runtime, "media", place.worker)
        moved = {name for name, place in streams.items() if place is not None}
        self._placed.set()  # wakes all that wait, each of which looks for its own stream
        self._placed.clear()
        for taker in self._takers():
            if taker.stream in moved:
                taker.move(self._link(self._directory[taker.stream]))

    async def close(self) -> None:
        """End all viewers and connections."""
        for taker in self._takers():
            taker.close("server stops")
        for replay in list(self._replays):
            replay.close("server stops")
        for _, task in self._previews.values():
            task.cancel()
        await asyncio.gather(*(link.close() for link in self._links.values()))

    def _known_streams(self) -> set[str]:
        return {taker.stream for taker in self._takers()}

    def _takers(self) -> list[Broadcast | LiveIndex]:
        return [*self._broadcasts.values(), *self._indexes.values()]

    def _close_stream(self, stream: str) -> None:
        for taker in self._takers():
            if taker.stream == stream:
                taker.close("stream removed")

    async def _wait_placed(self, stream: str) -> Path:
        """Where the stream is, once it is anywhere."""
        while (home := (self._directory or {}).get(stream)) is None:
            await self._placed.wait()
        return home

    def _home(self, access: Access) -> Path:
        """The directory is newer than the access decision where it knows the stream."""
        return (self._directory or {}).get(access.stream, access.media_socket)

    def _some_worker(self, access: Access) -> Path:
        """A media worker for what needs no stream: the one that may, that of the stream where it
        runs, else any."""
        home = Path(access.reader) if access.reader else None
        home = home or (self._directory or {}).get(access.stream)
        found = home or min(sockets_of_others(self.runtime, "media"), default=None)
        if found is None:
            raise AccessDenied(503, "unavailable", "The server is starting")
        return found

    def _link(self, path: Path) -> MediaLink:
        link = self._links.get(path)
        if link is None:
            link = self._links[path] = MediaLink(path)
        return link

    def _find_broadcast(
        self,
        stream: str,
        format: Format,
        framing: type[Framing] | None,
        home: Path,
        *,
        pinned: bool = False,
        tracks: tuple[str, ...] = (),
    ) -> Broadcast:
        key = (stream, format, framing, pinned, tracks)
        found = self._broadcasts.get(key)
        if found is None:
            self._check_selections(stream, tracks, list(self._broadcasts.values()))
            found = self._broadcasts[key] = Broadcast(
                stream,
                format,
                self._link(home),
                self.sessions,
                self._pace,
                framing,
                self._forget_broadcast,
                self.exists,
                pinned=pinned,
                tracks=tracks,
            )
        return found

    def _check_selections(
        self, stream: str, tracks: tuple[str, ...], known: Sequence[Broadcast | LiveIndex]
    ) -> None:
        """One more selection of tracks; raises AccessDenied(503) if there are too many."""
        if tracks and sum(bool(o.selection) for o in known if o.stream == stream) >= MAX_SELECTIONS:
            title = "Too many selections of tracks of this stream are played now"
            raise AccessDenied(503, "too_many_selections", title)

    def _forget_broadcast(self, broadcast: Broadcast) -> None:
        key = (
            broadcast.stream,
            broadcast.format,
            broadcast.framing,
            broadcast.pinned,
            broadcast.selection,
        )
        if self._broadcasts.get(key) is broadcast:
            del self._broadcasts[key]

    def _forget_index(self, index: LiveIndex) -> None:
        key = (index.stream, index.container, index.selection, index.pinned)
        if self._indexes.get(key) is index:
            del self._indexes[key]

    def notify(self, notice: Notice) -> None:
        """Tell the supervisor; one that is gone hears nothing."""
        if self._supervisor is not None:
            self._supervisor.notify(notice)
