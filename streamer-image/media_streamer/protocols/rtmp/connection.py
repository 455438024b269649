"""One RTMP connection: handshake, commands, and what it plays or publishes.

    handshake -> connect -> createStream -> play | publish -> closeStream -> …

Invariants: what a peer may cost is bounded (`intake.py`, one request for access at a time,
`setup_seconds` in all) and nothing is read of who does not read its answers; every wait has a
time-out; a refusal is told to the client with its reason and then closes; a broken peer closes the
connection with one log line that names it and its stream.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.reading import ReadGate
from media_streamer.egress.replay import asked_start
from media_streamer.presentation.selection import asked_tracks
from media_streamer.protocols.rtmp.admission import Kind, admit
from media_streamer.protocols.rtmp.amf3 import AmfError
from media_streamer.protocols.rtmp.chunks import (
    ACKNOWLEDGEMENT,
    COMMAND,
    COMMAND_AMF3,
    OUT_CHUNK_BYTES,
    SET_CHUNK_SIZE,
    USER_CONTROL,
    WINDOW_ACKNOWLEDGEMENT_SIZE,
    ChunkError,
    Message,
    write_control,
    write_event,
    write_peer_bandwidth,
)
from media_streamer.protocols.rtmp.commands import (
    Command,
    StreamPath,
    connect_answer,
    connect_refusal,
    form_for,
    read_command,
    stream_path,
    write_command,
    write_status,
)
from media_streamer.protocols.rtmp.framing import MEDIA_STREAM, RtmpFraming
from media_streamer.protocols.rtmp.handshake import Handshake, HandshakeError
from media_streamer.protocols.rtmp.intake import Intake
from media_streamer.protocols.rtmp.play import Playback
from media_streamer.protocols.rtmp.publish import Publication
from media_streamer.rounds import until_round

log = logging.getLogger(__name__)

WINDOW_BYTES = 2_500_000
"""Acknowledgement window asked of the peer: what common servers use."""
MIN_WINDOW_BYTES = 65536
PING_REQUEST, PING_RESPONSE = 6, 7  # section 6.2
CLOSE_SECONDS = 3.0
"""For the client to read why it is refused."""


@dataclass(frozen=True, slots=True)
class RtmpTimes:
    """What a connection may take, in seconds."""

    handshake_seconds: float = 10.0
    setup_seconds: float = 20.0
    """From the handshake, or the end of a play or publish, to the next one."""
    publisher_idle_seconds: float = 30.0
    ping_seconds: float = 30.0
    check_seconds: float = 2.0
    """How often the times above are looked at."""


TIMES = RtmpTimes()


class State(Enum):
    """Where the connection stands."""

    HANDSHAKE = "handshake"
    SETUP = "setup"
    WAITING = "waiting for access"
    PLAYING = "playing"
    PUBLISHING = "publishing"
    CLOSED = "closed"


class RtmpConnection(asyncio.Protocol):
    """Protocol of one client."""

    def __init__(self, egress: Egress, times: RtmpTimes) -> None:
        self._egress = egress
        self._hub = egress.hub
        self._times = times
        self._handshake = Handshake()
        self._state = State.HANDSHAKE
        self._since = self._last_data = self._last_ping = time.monotonic()
        self._received = self._acknowledged = 0
        self._window = WINDOW_BYTES
        self._peer = self._name = self._application = ""
        self._connect: Command | None = None
        self._task: asyncio.Task[None] | None = None
        self._writes_wait = False
        self._playback: Playback | None = None
        self._publication: Publication | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._gate: ReadGate
        self._intake: Intake

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._gate = ReadGate(transport)
        host, port = (transport.get_extra_info("peername") or ("?", 0))[:2]
        self._ip = str(host).removeprefix("::ffff:")
        self._peer = f"{self._ip}:{port}"
        account = self._egress.unfinished.open(self._ip)
        self._intake = Intake(self._peer, self._gate, account, self._take)
        self._gate.go_on = lambda: self._guarded(self._intake.feed, b"")
        self._check_in(self._times.handshake_seconds)

    def data_received(self, data: bytes) -> None:
        self._last_data = time.monotonic()
        self._received += len(data)
        self._guarded(self._read, data)
        if self._received - self._acknowledged >= self._window:
            self._acknowledged = self._received
            self._send(write_control(ACKNOWLEDGEMENT, self._received & 0xFFFFFFFF))

    def _read(self, data: bytes) -> None:
        if self._state is State.HANDSHAKE:
            data = self._shake_hands(data)
        if data and self._state is not State.CLOSED:
            self._intake.feed(data)

    def pause_writing(self) -> None:
        self._writes_wait = True

    def resume_writing(self) -> None:
        self._writes_wait = False
        self._gate.release("answers")

    def connection_lost(self, exc: Exception | None) -> None:
        # Most clients close without reading the rest, which the kernel calls a reset.
        gone = exc is None or isinstance(exc, ConnectionResetError | BrokenPipeError)
        reason = "the client closed the connection" if gone else f"connection lost: {exc}"
        self.close(reason, level=logging.DEBUG if self._state is State.HANDSHAKE else logging.INFO)

    # Closing

    def close(self, reason: str, *, level: int = logging.INFO, fault: str = "") -> None:
        """End everything and close the connection; may be called again.

        `fault`: a word for what the peer did wrong, and may do often: it is not logged each time.
        """
        if self._state is State.CLOSED:
            return
        name = self._name or "-"
        tail = self._egress.refusals.tail("rtmp", name, fault, self._ip) if fault else ""
        if tail is not None:
            log.log(level, "rtmp %s stream %s: %s%s", self._peer, name, reason, tail)
        self._state = State.CLOSED
        if self._timer is not None:
            self._timer.cancel()
        # A request for access that runs is left to its end, which is bounded, and then undone:
        # cancelled half way, a feed could stay open at the media worker.
        self._stop_media(reason)
        self._intake.close()
        self._transport.close()
        # close() waits for the client to read what is unsent; a dead one never does.
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)

    def _stop_media(self, reason: str) -> None:
        playback, self._playback = self._playback, None
        publication, self._publication = self._publication, None
        if playback is not None:
            playback.stop(reason)
        if publication is not None:
            self._own(publication.close())

    def _own(self, work: Any) -> None:
        """Run `work` to its end though the connection is gone."""
        task = asyncio.ensure_future(work)
        _running.add(task)
        task.add_done_callback(_running.discard)

    def _check_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        """Time-outs: one timer for all of them."""
        now = time.monotonic()
        times = self._times
        if self._state is State.HANDSHAKE and now - self._since >= times.handshake_seconds:
            self.close(f"no handshake within {times.handshake_seconds:.0f} s", level=logging.DEBUG)
        elif self._state is State.SETUP and now - self._since > times.setup_seconds:
            self.close(f"neither play nor publish within {times.setup_seconds:.0f} s")
        elif (
            self._state is State.PUBLISHING and now - self._last_data > times.publisher_idle_seconds
        ):
            self.close(f"the publisher sent nothing for {times.publisher_idle_seconds:.0f} s")
        if self._state is State.CLOSED:
            return
        if self._state is State.PLAYING and now - self._last_ping > times.ping_seconds:
            # Without this a silent path (NAT, balancer) forgets a paused viewer.
            self._last_ping = now
            self._send(write_event(PING_REQUEST, int(now * 1000) & 0xFFFFFFFF))
        self._check_in(until_round(self._times.check_seconds))

    def _enter(self, state: State) -> None:
        self._state = state
        self._since = self._last_ping = time.monotonic()

    def _send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    # Messages

    def _shake_hands(self, data: bytes) -> bytes:
        if answer := self._handshake.feed(data):
            self._send(answer)
        if not self._handshake.done:
            return b""
        self._enter(State.SETUP)
        self._check_in(until_round(self._times.check_seconds))
        return self._handshake.rest()

    def _take(self, messages: list[Message]) -> None:
        if self._publication is not None:
            self._publication.write(messages)
        for message in messages:
            if self._state is State.CLOSED:
                return
            if message.kind in (COMMAND, COMMAND_AMF3):
                command = read_command(message)
                if command is not None:
                    self._run(command)
            elif message.kind == WINDOW_ACKNOWLEDGEMENT_SIZE and len(message.payload) >= 4:
                # A window of zero would have us answer every byte.
                self._window = max(int.from_bytes(message.payload[:4]), MIN_WINDOW_BYTES)
            elif message.kind == USER_CONTROL:
                self._take_event(message.payload)
        if self._writes_wait:
            self._gate.hold("answers")

    def _take_event(self, payload: bytes) -> None:
        if int.from_bytes(payload[:2]) == PING_REQUEST and len(payload) >= 6:
            self._send(write_event(PING_RESPONSE, int.from_bytes(payload[2:6])))

    def _run(self, command: Command) -> None:
        handler = _HANDLERS.get(command.name)
        if handler is not None:
            handler(self, command)
        elif command.transaction and not command.name.startswith("_"):
            words = f"{command.name[:64]} is not known here"
            info = {"level": "error", "code": "NetConnection.Call.Failed", "description": words}
            self._send(write_command("_error", command.transaction, None, info))

    # Commands

    def _on_connect(self, command: Command) -> None:
        if self._connect is not None:
            self.close("connect came twice", level=logging.WARNING)
            return
        application = command.object.get("app")
        if not isinstance(application, str):
            self._send(connect_refusal(command, "connect lacks the application (app)"))
            self.close("connect lacks the application")
            return
        self._connect = command
        self._application = application
        self._send(
            b"".join(
                (
                    write_control(WINDOW_ACKNOWLEDGEMENT_SIZE, WINDOW_BYTES),
                    write_peer_bandwidth(WINDOW_BYTES),
                    write_control(SET_CHUNK_SIZE, OUT_CHUNK_BYTES),
                    connect_answer(command),
                )
            )
        )

    def _on_create_stream(self, command: Command) -> None:
        self._send(write_command("_result", command.transaction, None, MEDIA_STREAM))

    def _on_answer_null(self, command: Command) -> None:
        if command.transaction:
            self._send(write_command("_result", command.transaction, None, None))

    def _on_stream_length(self, command: Command) -> None:
        self._send(write_command("_result", command.transaction, None, 0))  # live has none

    def _on_ignored(self, command: Command) -> None:
        return

    def _on_pause(self, command: Command) -> None:
        if self._playback is not None:
            self._playback.pause(command.flag(0))

    def _on_seek(self, command: Command) -> None:
        if self._playback is not None:
            self._playback.seek(*command.arguments[:1])

    def _on_close_stream(self, command: Command) -> None:
        if self._playback is None and self._publication is None:
            return
        published = self._publication is not None
        log.info("rtmp %s stream %s: the client ended it", self._peer, self._name)
        self._stop_media("the client ended the stream")
        if published:
            words = f"{self._name} is now unpublished."
            self._send(write_status("NetStream.Unpublish.Success", words, stream=MEDIA_STREAM))
        self._intake.commands_only()
        self._enter(State.SETUP)

    def _on_play(self, command: Command) -> None:
        self._begin(command, "play", self._play)

    def _on_publish(self, command: Command) -> None:
        self._begin(command, "publish", self._publish)

    def _begin(self, command: Command, kind: str, start: Any) -> None:
        """Ask for access in the background; reading waits, so that nothing piles up here."""
        if self._connect is None or self._state is not State.SETUP:
            if kind == "play" and self._state is State.PLAYING:
                self._stop_media("the client plays something else")
                self._enter(State.SETUP)
            else:
                self.close(f"{kind} while {self._state.value}", level=logging.WARNING, fault=kind)
                return
        path = stream_path(self._application, command.text(0))
        self._name = path.names[0]
        self._enter(State.WAITING)
        self._gate.hold("access")
        self._task = asyncio.create_task(self._decide(kind, path, start, command))
        _running.add(self._task)
        self._task.add_done_callback(_running.discard)

    async def _decide(self, kind: str, path: StreamPath, start: Any, command: Command) -> None:
        try:
            await start(path, command)
        except AccessDenied as denied:
            self._refuse(kind, denied)
        except Exception:
            log.exception("rtmp %s stream %s: %s failed", self._peer, self._name, kind)
            self._refuse(kind, AccessDenied(500, "internal", "The server failed; try again"))
        finally:
            self._task = None
            if self._state is not State.CLOSED:
                self._gate.release("access")

    def _guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        """Run `work`; what the peer does wrong closes the connection."""
        try:
            work(*arguments)
        except (ChunkError, HandshakeError, AmfError) as error:
            fault = type(error).__name__
            self.close(f"{fault}: {error}", level=logging.WARNING, fault=fault)

    def _refuse(self, kind: str, denied: AccessDenied) -> None:
        """Tell the client why not, then close."""
        if kind == "publish":
            code = "NetStream.Publish.BadName"
        else:
            code = (
                "NetStream.Play.StreamNotFound" if denied.status == 404 else "NetStream.Play.Failed"
            )
        self._send(write_status(code, denied.title, level="error", stream=MEDIA_STREAM))
        reason = f"{kind} refused: {denied.status} {denied.code}: {denied.title}"
        self.close(reason, fault=denied.code)

    async def _access(self, kind: Kind, path: StreamPath) -> Access:
        """Leave to play or publish; raises AccessDenied."""
        assert self._connect is not None
        return await admit(self._egress, kind, path, self._ip, self._connect.object)

    async def _play(self, path: StreamPath, command: Command) -> None:
        access = await self._access("play", path)
        self._name = access.stream
        hub, tracks = self._hub, asked_tracks(path.parameters, "tracks")
        if (moment := asked_start(path.parameters)) is None:
            form = form_for(self._connect.object if self._connect else {})
            broadcast = await hub.broadcast(access, form, RtmpFraming, tracks=tracks)
        else:
            broadcast = await hub.replay(access, "flv", moment, RtmpFraming, tracks=tracks)
        if self._state is State.CLOSED:
            self._hub.give_up(access, "client closed")
            broadcast.let_go()
            return
        name = command.text(0) or self._name
        self._playback = playback = Playback(broadcast, access, self._transport, name, moment)
        playback.ended.add_done_callback(self._on_playback_ended)
        self._enter(State.PLAYING)
        log.info("rtmp %s stream %s: playing", self._peer, self._name)
        playback.start(reset=len(command.arguments) < 4 or command.flag(3))

    def _on_playback_ended(self, ended: asyncio.Future[str]) -> None:
        playback = self._playback
        if playback is None or playback.ended is not ended:
            return
        self._send(playback.farewell(ended.result()))
        self.close(f"playback ended: {ended.result()}")

    async def _publish(self, path: StreamPath, command: Command) -> None:
        access = await self._access("publish", path)
        self._name = access.stream
        feed = await self._hub.publish(access, "frames")
        if self._state is State.CLOSED:
            await feed.close()
            return
        self._publication = Publication(feed, self._gate, self._hub.turns, self.data_received)
        feed.ended.add_done_callback(self._on_feed_ended)
        self._intake.let_publish()
        self._enter(State.PUBLISHING)
        log.info("rtmp %s stream %s: publishing", self._peer, self._name)
        self._send(
            write_event(0, MEDIA_STREAM)
            + write_status(
                "NetStream.Publish.Start",
                f"{self._name} is now published.",
                stream=MEDIA_STREAM,
                details=self._name,
            )
        )

    def _on_feed_ended(self, ended: asyncio.Future[str]) -> None:
        if self._publication is None or self._publication.feed.ended is not ended:
            return
        reason = "cancelled" if ended.cancelled() else ended.result()
        code, words = "NetStream.Publish.BadName", f"Publishing ended: {reason}"
        self._send(write_status(code, words, level="error", stream=MEDIA_STREAM))
        self.close(f"publishing ended: {reason}")


_running: set[asyncio.Future[Any]] = set()
"""Keeps tasks alive that outlive their connection."""


_HANDLERS: dict[str, Callable[[RtmpConnection, Command], None]] = {
    "connect": RtmpConnection._on_connect,
    "createStream": RtmpConnection._on_create_stream,
    "releaseStream": RtmpConnection._on_answer_null,
    "FCPublish": RtmpConnection._on_answer_null,
    "FCUnpublish": RtmpConnection._on_answer_null,
    "FCSubscribe": RtmpConnection._on_answer_null,
    "_checkbw": RtmpConnection._on_answer_null,
    "getStreamLength": RtmpConnection._on_stream_length,
    "play": RtmpConnection._on_play,
    "publish": RtmpConnection._on_publish,
    "pause": RtmpConnection._on_pause,
    "pauseRaw": RtmpConnection._on_pause,
    "closeStream": RtmpConnection._on_close_stream,
    "deleteStream": RtmpConnection._on_close_stream,
    "seek": RtmpConnection._on_seek,
    "receiveAudio": RtmpConnection._on_ignored,
    "receiveVideo": RtmpConnection._on_ignored,
    "onStatus": RtmpConnection._on_ignored,
}
