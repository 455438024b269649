"""One endless format of one stream, sent to all of its viewers in this worker.

Invariants: every viewer is sent the very same objects, one write per viewer and interval; with many
viewers the chunks of an interval are joined first (`Pace`), but never across a key frame; a new
viewer gets the header and the chunks since the last key frame at once (GOP cache); a viewer that
does not read loses whole groups of pictures, never parts of one, and holds a bounded number of
bytes.

The subscription outlives the last viewer by `WARM_SECONDS`, so that zapping back costs nothing. One
that is pinned is for pushes: it keeps the stream on, and waits for it where it does not run.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from media_streamer.egress.access import Access, AccessDenied, not_running
from media_streamer.egress.gop_cache import GopCache
from media_streamer.egress.media_link import MediaLink
from media_streamer.egress.pace import Pace, Prompt
from media_streamer.egress.served_sessions import Account, ServedSessions
from media_streamer.egress.viewer import (
    STALL_SECONDS,
    STALLED,
    UNCOUNTED_BYTES,
    Delivery,
    Viewer,
)
from media_streamer.presentation.selection import no_such_tracks
from media_streamer.rounds import TURN_SECONDS
from media_streamer.wire.control import DeliveryConfig
from media_streamer.wire.media import (
    Chunk,
    End,
    Events,
    FromMedia,
    Gap,
    Header,
    NoSuchTracks,
    NothingCarried,
    Outage,
)

log = logging.getLogger(__name__)

Format = Literal["flv", "flv_tracks", "m4f", "ts", "rtp", "mse", "webrtc"]
PROMPT: frozenset[Format] = frozenset({"webrtc"})
"""Formats that nobody takes but for their latency: not gathered, whatever writes cost."""

MAX_BUFFER_BYTES = 4 * 1024 * 1024
"""What a viewer may have unread: 16 s of 2 Mb/s."""
WARM_SECONDS = 60.0
REPEAT_SECONDS = 0.5
"""Pause before a subscription is repeated that the media worker ended though the stream exists."""
CONTAINERS: dict[Format, str] = {
    "flv": "FLV", "flv_tracks": "FLV",
    "ts": "MPEG-TS", "rtp": "RTP", "mse": "MSE", "webrtc": "WebRTC",
}  # fmt: skip
"""As people call them."""
EARLY_SECONDS = TURN_SECONDS / 2
"""Chunks that come this much before their time are sent at once: no timer for jitter."""
FLV_FILE_HEADER_BYTES = 13
"""`FLV`, version, flags, length and the first back pointer; may stand only at the very start."""


class Framing(Protocol):
    """Turns the bytes of a format into those of another protocol, once for all viewers."""

    counted: bool
    """All bytes are sent to everybody: they are counted here, not by whoever sends them."""

    def keeps(self, before: bytes, now: bytes) -> bool:
        """Whether viewers of one header can go on with another; others come again."""

    def header(self, payload: bytes) -> bytes:
        """Bytes for the start of a session, from the format's header."""

    def chunk(self, payload: bytes, key: bool) -> bytes:
        """Bytes of some whole packets of the format."""


def nothing_carried(format_name: Format, tracks: Sequence[str]) -> AccessDenied:
    """The refusal of a format that can carry none of the tracks."""
    container = CONTAINERS.get(format_name, format_name)
    title = f"{container} can carry none of the stream's tracks: {', '.join(tracks)}"
    return AccessDenied(406, "no_codec", title)


class Broadcast:
    """A subscription and its viewers. Made by `Hub.broadcast`."""

    def __init__(
        self,
        stream: str,
        format_name: Format,
        link: MediaLink,
        sessions: ServedSessions,
        pace: Pace,
        framing: type[Framing] | None,
        on_idle: Callable[["Broadcast"], None],
        exists: Callable[[str], bool],
        *,
        pinned: bool = False,
        tracks: tuple[str, ...] = (),
    ) -> None:
        self.stream = stream
        self.pinned = pinned
        self.selection = tracks
        self.last_data = float("-inf")
        """When the last chunk came, monotonic seconds."""
        self._news = asyncio.Event()
        self._waiting = 0
        """Who waits for data: the subscription stays for them."""
        self.format = format_name
        self.framing = framing
        self.framer = framing() if framing else None
        """What its viewers share beyond the bytes."""
        self._sessions = sessions
        self._on_idle = on_idle
        self._exists = exists
        self._viewers: dict[Viewer, None] = {}
        self._hurried: set[Viewer] = set()
        """Those among them who want each frame as it comes."""
        self._counted = self.framer is None or self.framer.counted
        self.description = b""
        self._promised = b""
        """The last description that said something: what those who watch were told."""
        """The format's header as it comes: what there is to play."""
        self._header = b""
        self._gops = GopCache()
        self._burst: bytes | None = None
        """Header and GOP for new viewers, joined for the first who comes since the last chunk."""
        self._pace = Prompt() if format_name in PROMPT else pace
        self._asked_pace = self._pace.gathering(1)
        self._held: list[bytes] = []
        """Chunks not yet sent; only the first may start with a key frame."""
        self._held_key = False
        self._held_frames = 0
        self._sent_at = 0.0
        self._flush_timer: asyncio.TimerHandle | None = None
        self._started = asyncio.Event()
        self._outage = Outage()
        self._ended = ""
        self._refused: AccessDenied | None = None
        """Why nothing of this kind can be played."""
        self._timer: asyncio.TimerHandle | None = None
        self._warm: asyncio.TimerHandle | None = None
        self._link = link
        self._number = self._subscribe()
        self._keep_warm()

    @property
    def warm_seconds(self) -> float:
        """How long the subscription outlives the last viewer."""
        return WARM_SECONDS

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    async def wait_started(self, timeout_seconds: float) -> None:
        """Wait for data; raises AccessDenied(503) if the stream has none in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while not (self._started.is_set() or self._outage.lasting):
                    self._news.clear()
                    await self._news.wait()
        if not self._started.is_set():
            raise not_running(self._outage)
        if self._ended:
            raise self._has_ended()

    async def wait_data(self, max_age_seconds: float) -> None:
        """Wait, without a limit, for data that is no older; raises AccessDenied at the end."""
        self._waiting += 1
        try:
            while not self._ended and not (
                self._started.is_set() and time.monotonic() - self.last_data <= max_age_seconds
            ):
                self._news.clear()
                await self._news.wait()
        finally:
            self._waiting -= 1
        if self._ended:
            raise self._has_ended()

    def _has_ended(self) -> AccessDenied:
        if self._refused is not None:
            return self._refused
        return AccessDenied(404, "stream_ended", f"The stream has ended: {self._ended}")

    def attach(
        self,
        transport: Delivery,
        access: Access,
        *,
        max_buffer: int = MAX_BUFFER_BYTES,
        prompt: bool = False,
    ) -> Viewer:
        """Send header and GOP cache now and every chunk from now on to `transport`: a viewer.

        `prompt`: frame by frame while this worker has few viewers.
        """
        session = self._sessions.open(access)
        replay = self.replays(access.config)

        def left(reason: str) -> None:
            self._sessions.leave(session, reason)

        viewer = self.deliver(transport, session, left, max_buffer=max_buffer, replay=replay)
        if prompt:
            self._hurried.add(viewer)
            self._ask_pace()
        return viewer

    def replays(self, config: DeliveryConfig) -> bool:
        """Whether new viewers are sent the GOP cache, which reaches back as `prepush` says."""
        if config.prepush is None or self.format in PROMPT:
            return True
        self._gops.seconds = config.prepush
        return config.prepush > 0

    def deliver(
        self,
        transport: Delivery,
        account: Account,
        on_left: Callable[[str], None] = lambda _: None,
        *,
        max_buffer: int = MAX_BUFFER_BYTES,
        replay: bool = True,
    ) -> Viewer:
        """The same for whoever pays by `account`; `on_left` is told why nothing more is sent.

        Without `replay` it begins at the next key frame, for what cannot take a burst.
        """
        self._flush()  # the GOP cache has what is held
        share = self._sessions.unread.of(account.who) if account.who else None
        viewer = Viewer(self, transport, account, max_buffer + self._gops.size, on_left, share)
        account.on_close.add(viewer.close)
        if self._warm is not None:
            self._warm.cancel()
            self._warm = None
        self._viewers[viewer] = None
        self._pace.viewers += 1
        self._ask_pace()
        if replay and self._started.is_set() and not viewer.fits(0, len(self._joined())):
            self._sessions.say_unread(self.stream, account.who)
            replay = False
        viewer.skipping = not (self._gops and replay)
        if self._started.is_set():
            burst = self._joined() if replay else self._header
            transport.write(burst)
            account.bytes += len(burst) if self._counted else 0
            account.frames += self._gops.frames if replay else 0
            viewer.greeted = True
        viewer.wrote(transport.get_write_buffer_size())
        return viewer

    def request_key_frame(self) -> None:
        """A viewer needs a key frame soon; ignored where the source cannot be asked."""
        self._link.request_key_frame(self._number)

    def forget(self, viewer: Viewer, reason: str) -> None:
        """Called by `Viewer.detach`."""
        if viewer not in self._viewers:
            return
        del self._viewers[viewer]
        self._hurried.discard(viewer)
        self._pace.viewers -= 1
        if reason == STALLED:
            text = "stream %s by %s: a receiver that has read nothing for %.0f s is let go"
            log.info(text, self.stream, self.format, STALL_SECONDS)
        viewer.left(reason)
        if not self._viewers:
            self._ask_pace()
            self._keep_warm()

    def move(self, link: MediaLink) -> None:
        """The stream now lives in another media worker."""
        if link is self._link or self._ended:
            return
        self._link.release(self._number)
        self.on_lost()
        self._link = link
        self._number = self._subscribe()

    def let_go(self) -> None:
        """Whoever asked for it will not attach again; others may."""

    def close(self, reason: str) -> None:
        """End the subscription and all viewers."""
        self._flush()
        self._ended = self._ended or reason
        self._started.set()
        self._news.set()
        for timer in (self._timer, self._warm):
            if timer is not None:
                timer.cancel()
        self._link.release(self._number)
        for viewer in list(self._viewers):
            viewer.detach(reason)
        if self._warm is not None:
            self._warm.cancel()
        self._on_idle(self)

    def on_message(self, message: FromMedia) -> None:
        if not isinstance(message, Events):
            return
        for event in message.events:
            match event:
                case Chunk(key=key, packets=packets):
                    self._chunk(b"".join(packets), key, len(packets))
                case Header(data=data):
                    self._new_header(data)
                case Gap():
                    self._forget_gop()
                case Outage():
                    self._outage = event
                    self._news.set()
                case NoSuchTracks(tracks=there):
                    self._refuse(there)
                case NothingCarried(tracks=there):
                    self._refused = nothing_carried(self.format, there)
                    self.close(self._refused.title)
                case End(reason=reason):
                    self._end(reason)
                case _:
                    log.error("stream %s: %s has no %s", self.stream, self.format, event)

    def _subscribe(self) -> int:
        pace = self._asked_pace
        return self._link.subscribe(
            self.stream,
            self.format,
            self,
            tracks=self.selection,
            pinned=self.pinned,
            interval_ms=pace,
        )

    def _joined(self) -> bytes:
        if self._burst is None:
            self._burst = b"".join((self._header, *self._gops))
        return self._burst

    def _ask_pace(self) -> None:
        """Have media come as often as viewers are written to."""
        pace = self._pace.gathering(len(self._viewers), prompt=bool(self._hurried))
        if pace != self._asked_pace and not self._ended:
            self._asked_pace = pace
            self._link.pace(self._number, pace)

    def on_lost(self) -> None:
        self._header = b""
        self._forget_gop()
        self._started.clear()
        self._outage = Outage()

    def _chunk(self, payload: bytes, key: bool, frames: int) -> None:
        self.last_data = time.monotonic()
        self._news.set()
        chunk = self.framer.chunk(payload, key) if self.framer else payload
        self._burst = None
        if key:
            self._flush()
        self._gops.add(chunk, self.last_data, key=key, frames=frames)
        self._hold(chunk, key, frames)

    def _hold(self, chunk: bytes, key: bool, frames: int) -> None:
        """Send with what comes until the interval is over."""
        self._held.append(chunk)
        self._held_key |= key
        self._held_frames += frames
        loop = asyncio.get_running_loop()
        left = self._sent_at + self._pace.interval - loop.time()
        if left <= EARLY_SECONDS:
            self._flush()
        elif self._flush_timer is None:
            self._flush_timer = loop.call_later(left, self._flush)

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        if self._held:
            held, self._held = self._held, []
            key, self._held_key = self._held_key, False
            frames, self._held_frames = self._held_frames, 0
            self._sent_at = asyncio.get_running_loop().time()
            self._ask_pace()  # viewers of other streams have come or gone meanwhile
            self._send(held[0] if len(held) == 1 else b"".join(held), key, frames)

    def _send(self, chunk: bytes, key: bool, frames: int) -> None:
        length = len(chunk)
        size = length if self._counted else 0
        late: list[tuple[Viewer, int]] = []
        for viewer in self._viewers:
            transport = viewer.transport
            if transport.is_closing():
                continue  # it is cut off, which is told in the next turn of the loop
            waiting = transport.get_write_buffer_size()
            is_asked = viewer.counted or waiting + length > UNCOUNTED_BYTES
            if is_asked and not viewer.fits(waiting, length):
                late.append((viewer, waiting))
                self._sessions.say_unread(self.stream, viewer.account.who)
                continue
            if viewer.skipping:
                if not key or waiting > viewer.limit >> 1:
                    late.append((viewer, waiting))
                    continue
                viewer.skipping = False
            elif waiting > viewer.limit:
                late.append((viewer, waiting))
                continue
            transport.write(chunk)
            viewer.sent += length
            if viewer.counted:
                viewer.wrote(transport.get_write_buffer_size())
            viewer.account.bytes += size
            viewer.account.frames += frames
        if late:
            now = time.monotonic()
            for viewer, waiting in late:
                viewer.skip(waiting, now)

    def _new_header(self, payload: bytes) -> None:
        header = self.framer.header(payload) if self.framer else payload
        changed = header != self._header
        before, self._promised = self._promised, payload or self._promised
        if self.framer is not None and before and not self.framer.keeps(before, self._promised):
            for viewer in list(self._viewers):
                viewer.detach("the tracks of the stream changed")
        self.description = payload
        self._header = again = header
        self._forget_gop()
        if payload:  # without one nobody knows yet what the stream has
            self._started.set()
            self._news.set()
        if not changed or not payload:
            return
        if self.framer is None and self.format == "flv" and header.startswith(b"FLV"):
            again = header[FLV_FILE_HEADER_BYTES:]
        for viewer in self._viewers:
            data = again if viewer.greeted else header
            viewer.greeted = True
            viewer.transport.write(data)
            viewer.account.bytes += len(data) if self._counted else 0

    def _forget_gop(self) -> None:
        self._flush()
        self._burst = None
        self._gops.clear()

    def _end(self, reason: str) -> None:
        if not self._exists(self.stream):
            self.close(reason or "stream removed")
            return
        log.info("stream %s: %s ended (%s); asking again", self.stream, self.format, reason)
        self.on_lost()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(REPEAT_SECONDS, self._link.repeat, self._number)

    def _refuse(self, there: list[str]) -> None:
        """The selection names tracks that the stream has not; a push waits for them."""
        self._refused = no_such_tracks(self.selection, there)
        if self.pinned:
            log.warning("stream %s: %s", self.stream, self._refused.title)
            self._refused = None
        elif not self._ended:
            self.close(self._refused.title)

    def _keep_warm(self) -> None:
        if not self._ended:
            loop = asyncio.get_running_loop()
            self._warm = loop.call_later(self.warm_seconds, self._cool)

    def _cool(self) -> None:
        if self._waiting:
            self._keep_warm()
        else:
            self.close("no viewers")
