"""`ws://HOST/NAME/mse_ld`: the stream as messages of a WebSocket, for Media Source Extensions.

What is sent is framed by the media worker and the same for all viewers; this only opens the
connection, listens to what the player commands and answers it.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web
from msgspec.structs import replace

from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.broadcast import Broadcast
from media_streamer.egress.context import Egress
from media_streamer.egress.http.request import CORS, MediaRequest
from media_streamer.egress.http.routes import Route
from media_streamer.egress.hub import Hub
from media_streamer.egress.replay import NO_ARCHIVE, ReplayBroadcast, asked_start
from media_streamer.egress.served_sessions import ServedSession
from media_streamer.egress.viewer import Viewer
from media_streamer.presentation.selection import asked_tracks, track_names

PROTO = "mseld"
MAX_COMMAND_BYTES = 16 * 1024
"""Players send statistics now and then; nobody reads them."""
HEARTBEAT_SECONDS = 120.0
"""Who does not answer half of this later is gone; a slow reader has 4 MiB to read first."""
CLOSE_SECONDS = 5.0
LOOK_SECONDS = 2.0
SILENT_SECONDS = 10.0
"""Longer than a segment usually is: what is being recorded comes a segment at a time."""
RECORDINGS_ENDED = "recordings_ended"
"""Why a playback ends (`media/playback.py`), and the event that tells it."""


def routes(egress: Egress) -> list[Route]:
    async def play(request: MediaRequest) -> web.StreamResponse:
        return await play_websocket(egress.hub, request)

    return [Route("/mse_ld", play, content="endless")]


async def play_websocket(hub: Hub, request: MediaRequest) -> web.StreamResponse:
    """Play until one of both ends; raises AccessDenied before the connection is a WebSocket."""
    socket = web.WebSocketResponse(
        max_msg_size=MAX_COMMAND_BYTES,
        compress=False,
        heartbeat=HEARTBEAT_SECONDS,
        timeout=CLOSE_SECONDS,
    )
    moment = asked_start(request.query)
    tracks = asked_tracks(request.query, "tracks")
    asked = request.access_request(PROTO)
    access = await hub.access(replace(asked, archive=True) if moment is not None else asked)
    request.note(access)
    if moment is not None and not (access.config.archive or access.config.file):
        hub.give_up(access, "no archive")
        raise AccessDenied(404, "no_archive", NO_ARCHIVE)
    if request.http.method != "GET" or not _is_upgrade(request.http):
        # Only now: browsers do not say why a WebSocket was refused, so players ask like this.
        hub.give_up(access, "no WebSocket")
        raise AccessDenied(426, "upgrade_required", "This address is for WebSockets (ws://)")
    if moment is not None:
        broadcast = await hub.replay(access, "mse", moment, tracks=tracks)
    else:
        broadcast = await hub.broadcast(access, "mse", tracks=tracks)
    session = hub.sessions.open(access)
    reason = "client closed"
    try:
        socket.headers.update(CORS)
        await socket.prepare(request.http)
        playing = _Playing(hub, access, session, socket, request.http, tracks)
        reason = await playing.run(broadcast)
    finally:
        hub.sessions.leave(session, reason)
    return socket


def _is_upgrade(request: web.BaseRequest) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


class _Playing:
    """One open connection: what is sent, and what the player commands."""

    def __init__(
        self,
        hub: Hub,
        access: Access,
        session: ServedSession,
        socket: web.WebSocketResponse,
        request: web.BaseRequest,
        tracks: tuple[str, ...],
    ) -> None:
        self._tracks = tracks
        self._hub = hub
        self._access = access
        self._session = session
        self._socket = socket
        self._request = request
        self._broadcast: Broadcast | None = None
        self._viewer: Viewer | None = None
        """None while the player has paused, or the archive has ended."""
        self._telling: asyncio.Task[None] | None = None
        self._told_ended = False
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with the reason when the stream or the session ends."""

    async def run(self, broadcast: Broadcast) -> str:
        """Until one side ends; returns why."""
        self._broadcast = broadcast
        self._session.on_close.add(self._end)
        self._resume()
        listening = asyncio.create_task(self._listen())
        try:
            either: set[asyncio.Future[Any]] = {listening, self._ended}
            waits = partial(asyncio.wait, either, timeout=LOOK_SECONDS)
            while not (await waits(return_when=asyncio.FIRST_COMPLETED))[0]:
                await self._look_for_the_end()
            if not self._ended.done():
                return "client closed"
            reason = self._ended.result()
            with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    static = self._access.config.static
                    await self._tell("stream_unavailable", reason=reason, static=static)
                    text = reason.encode()[:120]
                    await self._socket.close(code=WSCloseCode.GOING_AWAY, message=text)
            return reason
        finally:
            self._session.on_close.discard(self._end)
            self._pause()
            if self._telling is not None:
                self._telling.cancel()
            if self._broadcast is not None:
                self._broadcast.let_go()
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await listening

    def _end(self, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    def _resume(self) -> None:
        """Send what there is since the last key frame, and what comes."""
        transport = self._request.transport
        if self._viewer is not None or transport is None or self._broadcast is None:
            return
        replay = self._broadcast.replays(self._access.config)
        self._viewer = viewer = self._broadcast.deliver(transport, self._session, replay=replay)

        def left(_: asyncio.Future[str]) -> None:
            if self._viewer is not viewer:
                return
            reason = viewer.closed.result()
            if reason == RECORDINGS_ENDED:
                # The player may go elsewhere in the archive, or to the present.
                self._viewer = None
                self._telling = asyncio.create_task(self._tell_ended())
            else:
                self._end(reason)

        viewer.closed.add_done_callback(left)

    async def _look_for_the_end(self) -> None:
        """An archive is followed for what may still be recorded: nothing comes where nothing is."""
        playing = self._broadcast
        if self._viewer is None or not isinstance(playing, ReplayBroadcast):
            return
        unsent = self._viewer.transport.get_write_buffer_size()
        is_silent = not unsent and time.monotonic() - playing.last_data > SILENT_SECONDS
        if is_silent and not self._told_ended:
            await self._tell_ended()
        self._told_ended = is_silent

    async def _tell_ended(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self._tell(RECORDINGS_ENDED)

    def _pause(self) -> None:
        viewer, self._viewer = self._viewer, None
        if viewer is not None:
            viewer.detach("paused")

    async def _listen(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                await self._command(message.data.strip())
            elif message.type is WSMsgType.ERROR:
                return

    async def _command(self, text: str) -> None:
        name, _, value = text.partition("=")
        known: dict[str, Callable[[], None]] = {"pause": self._pause, "resume": self._resume}
        if text in known:
            known[text]()
            await self._tell("paused" if text == "pause" else "resumed")
        elif text in {"", "live", "play_from=live"}:
            await self._go_live()
        elif name == "play_from":
            await self._seek(value)
        elif name == "set_tracks":
            await self._switch(track_names(value))
        elif not text.startswith("{"):
            await self._refuse("unknown_command", f"There is no command {text[:64]!r}")

    async def _go_live(self) -> None:
        if not isinstance(self._broadcast, ReplayBroadcast):
            self._resume()
            await self._tell("switched_to_live")
            return
        live = self._hub.other_broadcast(self._access, "mse", tracks=self._tracks)
        await self._change(live, "switched_to_live", resumes=True)

    async def _seek(self, value: str) -> None:
        """Play the archive from a moment on."""
        try:
            moment = asked_start({"from": value})
        except AccessDenied as denied:
            await self._refuse(denied.code, denied.title)
            return
        if moment is None:
            await self._refuse("bad_request", "play_from is a time in Unix seconds, or live")
            return
        recorded = self._hub.other_replay(self._access, "mse", moment, tracks=self._tracks)
        await self._change(recorded, "seeked", resumes=True)

    async def _switch(self, tracks: tuple[str, ...]) -> None:
        if isinstance(self._broadcast, ReplayBroadcast):
            await self._refuse("not_possible", "Tracks are chosen before the archive is played")
            return
        chosen = self._hub.other_broadcast(self._access, "mse", tracks=tracks)
        if await self._change(chosen, "tracks_switched", resumes=self._viewer is not None):
            self._tracks = tracks

    async def _change(
        self, other: Coroutine[Any, Any, Broadcast], event: str, *, resumes: bool
    ) -> bool:
        """Play something else from now on, where there is such a thing."""
        try:
            broadcast = await other
        except AccessDenied as denied:
            await self._refuse(denied.code, denied.title)
            return False
        self._pause()
        old, self._broadcast = self._broadcast, broadcast
        if old is not None:
            old.let_go()
        await self._tell(event)
        if resumes:
            self._resume()
        return True

    async def _tell(self, event: str, **more: str | bool) -> None:
        await self._socket.send_str(json.dumps({"type": "event", "event": event, **more}))

    async def _refuse(self, error: str, reason: str) -> None:
        await self._socket.send_str(json.dumps({"type": "error", "error": error, "reason": reason}))
