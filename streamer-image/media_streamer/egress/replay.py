"""A time of an archive on its way to one viewer, by the protocols that play without segments.

A broadcast of its own, for no two viewers stand at the same place. The media worker sends no more
than this says there is room for: a viewer who reads slowly, or pauses, gets everything later.
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping

from media_streamer.archive.places import MAX_MS
from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.broadcast import MAX_BUFFER_BYTES, Broadcast, Format, Framing
from media_streamer.egress.media_link import MediaLink
from media_streamer.egress.pace import Prompt
from media_streamer.egress.served_sessions import Account, ServedSessions
from media_streamer.egress.viewer import Delivery, Viewer
from media_streamer.presentation.moments import Moment
from media_streamer.wire.media import (
    TOO_MANY_PLAYBACKS,
    Chunk,
    Event,
    Events,
    FromMedia,
    Replay,
    Seek,
    Sought,
)

LOW_BYTES = 256 * 1024
"""Less than this unsent: there is room."""
LOOK_SECONDS = 0.02
"""How often a connection that is full is looked at."""
FROM_BEGINNING = Moment("event", 0, MAX_MS)
"""All of a file."""
NO_ARCHIVE = "Nothing of this stream is recorded: it has no archive"
PAUSE_SECONDS = 600.0
"""A viewer who pauses longer than this has to ask again."""
_SECONDS = re.compile(r"\d{1,15}")


def replay_of(access: Access, moment: Moment) -> Replay:
    """How a time of a stream's archive is played; what is past as fast as it is taken.

    Raises AccessDenied(404) if there is none.
    """
    config = access.config
    if config.file:
        return Replay([], moment.from_ms, MAX_MS, 1.0, config.storages, config.file)
    if not config.archive:
        raise AccessDenied(404, "no_archive", NO_ARCHIVE)
    if moment.kind == "archive":
        # One that ends in the future is what there is now, as in every other form.
        ends_ms = min(moment.to_ms, int(time.time() * 1000))
        return Replay(config.archive_places, moment.from_ms, ends_ms, 0.0)
    ends_ms = MAX_MS if moment.kind == "timeshift" else moment.to_ms
    return Replay(config.archive_places, moment.from_ms, ends_ms, 1.0)


def asked_start(query: Mapping[str, str]) -> Moment | None:
    """`from` (Unix seconds) or `ago` of an address that plays the present otherwise.

    Raises AccessDenied(400).
    """
    text = query.get("from") or query.get("ago") or ""
    if not text:
        return None
    if not _SECONDS.fullmatch(text):
        raise AccessDenied(400, "bad_request", "from is a time in Unix seconds, ago in seconds")
    start = int(text) if query.get("from") else max(0, int(time.time()) - int(text))
    return Moment("event", min(start * 1000, MAX_MS), MAX_MS)


class ReplayBroadcast(Broadcast):
    """Made by `Hub.replay`; whoever got it calls `let_go`."""

    def __init__(
        self,
        stream: str,
        format_name: Format,
        link: MediaLink,
        sessions: ServedSessions,
        framing: type[Framing] | None,
        tracks: tuple[str, ...],
        replay: Replay,
        on_idle: Callable[[Broadcast], None],
        who: str = "",
    ) -> None:
        self.who = who
        """Whose it is: an address."""
        self._replay = replay
        self._received = 0
        self._told = 0
        self._look: asyncio.TimerHandle | None = None
        self._held_messages: list[FromMedia] = []
        """What came while there was no viewer: not more than there is room for."""
        self._seeks = 0
        self._awaited = 0
        """Number of the seek that what comes has to follow; 0: none."""
        super().__init__(
            stream,
            format_name,
            link,
            sessions,
            Prompt(),
            framing,
            on_idle,
            lambda _: False,
            tracks=tracks,
        )

    @property
    def warm_seconds(self) -> float:
        return PAUSE_SECONDS

    def deliver(
        self,
        transport: Delivery,
        account: Account,
        on_left: Callable[[str], None] = lambda _: None,
        *,
        max_buffer: int = MAX_BUFFER_BYTES,
        replay: bool = True,
    ) -> Viewer:
        """Like the broadcast's; what came before anybody was here, or in a pause, comes first."""
        del replay
        viewer = super().deliver(transport, account, on_left, max_buffer=max_buffer, replay=False)
        viewer.skipping = False
        held, self._held_messages = self._held_messages, []
        for message in held:
            super().on_message(message)
        if self._ended:
            viewer.detach(self._ended)
        self._tell()
        return viewer

    @property
    def is_refused(self) -> bool:
        """The media worker plays too much already."""
        return self._ended == TOO_MANY_PLAYBACKS

    @property
    def is_file(self) -> bool:
        """It is no archive: its times count from its beginning."""
        return bool(self._replay.file)

    def seek(self, from_ms: int | None, to_ms: int | None, speed: float, scale: float) -> None:
        """Go on from another moment (None: from here on) until `to_ms` (None: as before).

        What is on its way from before is not sent any more.
        """
        self._seeks += 1
        if from_ms is not None:
            self._awaited = self._seeks
            self._held_messages.clear()
            self._told = self._received
            self._link.taken(self._number, self._told)
        start, end = (-1 if one is None else one for one in (from_ms, to_ms))
        self._link.seek(Seek(self._number, self._seeks, start, end, speed, scale))

    def _after_seek(self, events: list[Event]) -> list[Event]:
        """What of some events is to be sent."""
        kept: list[Event] = []
        for event in events:
            if isinstance(event, Sought):
                if event.number == self._awaited:
                    self._awaited = 0
            elif not self._awaited or not isinstance(event, Chunk):
                kept.append(event)
        return kept

    def on_message(self, message: FromMedia) -> None:
        if isinstance(message, Events):
            self._received += sum(
                len(packet)
                for event in message.events
                if isinstance(event, Chunk)
                for packet in event.packets
            )
            if self._seeks:
                message = Events(message.id, self._after_seek(message.events))
        if self._started.is_set() and not self.viewers:
            self._held_messages.append(message)
            return
        super().on_message(message)
        self._tell()

    def on_lost(self) -> None:
        """Where it was cannot be said to another worker."""
        self.close("the media worker ended")

    def move(self, link: MediaLink) -> None:
        """It belongs to no stream that runs."""

    def let_go(self) -> None:
        self.close("played no more")

    def close(self, reason: str) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
        super().close(reason)

    def _subscribe(self) -> int:
        return self._link.subscribe(
            self.stream, self.format, self, tracks=self.selection, replay=self._replay
        )

    def _ask_pace(self) -> None:
        """It comes as it is taken."""

    def _tell(self) -> None:
        """There is room for more, or look again soon."""
        if self._ended or self._look is not None or not self._viewers:
            return
        unsent = max(viewer.transport.get_write_buffer_size() for viewer in self._viewers)
        if unsent <= LOW_BYTES:
            if self._received > self._told:
                self._told = self._received
                self._link.taken(self._number, self._told)
            return
        self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._look = None
        self._tell()
