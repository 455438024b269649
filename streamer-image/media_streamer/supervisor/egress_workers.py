"""The connected egress workers: what all of them must know.

Invariant: a worker that connects gets the whole directory and all listeners, later only changes.
"""

import asyncio
import logging

from media_streamer.supervisor.control import Connection
from media_streamer.wire.channel import ChannelClosed
from media_streamer.wire.control import (
    CloseSession,
    Directory,
    DirectoryChanged,
    EgressSettings,
    Leaving,
    Listen,
    ListenerSpec,
    Place,
    SettingsChanged,
)
from media_streamer.wire.peer import CallFailed

log = logging.getLogger(__name__)

LISTEN_TIMEOUT_SECONDS = 15.0


class EgressWorkers:
    """By identifier."""

    def __init__(self) -> None:
        self._connections: dict[str, Connection] = {}
        self._listeners: list[ListenerSpec] | None = None
        self._problems: dict[str, tuple[str, ...]] = {}
        self._came = asyncio.Event()
        self._leaves = False

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def problems(self) -> list[str]:
        """Listeners that did not open, in words, each once."""
        return list(dict.fromkeys(text for texts in self._problems.values() for text in texts))

    def alerts(self) -> dict[str, str]:
        return {"listeners": "; ".join(self.problems)} if self.problems else {}

    async def wait_for_one(self) -> None:
        """Wait until a worker has been there."""
        await self._came.wait()

    async def connected(self, connection: Connection, directory: dict[str, Place]) -> None:
        """A new worker: tell it all."""
        self._connections[connection.id] = connection
        connection.notify(Directory(directory))
        if self._leaves:
            connection.notify(Leaving())
        if self._listeners is not None:
            await self._listen(connection, self._listeners)
        self._came.set()

    def disconnected(self, connection: Connection) -> None:
        if self._connections.get(connection.id) is connection:
            del self._connections[connection.id]
            self._problems.pop(connection.id, None)

    def directory_changed(self, changes: dict[str, Place | None]) -> None:
        for connection in list(self._connections.values()):
            connection.notify(DirectoryChanged(changes))

    def settings_changed(self, settings: EgressSettings) -> None:
        for connection in list(self._connections.values()):
            connection.notify(SettingsChanged(settings))

    def leave(self) -> None:
        """The server will be stopped soon: see `Leaving`."""
        self._leaves = True
        for connection in list(self._connections.values()):
            connection.notify(Leaving())

    def close_session(self, session_id: str, workers: tuple[str, ...], reason: str) -> None:
        """End the connections of a session."""
        for worker in workers:
            if (connection := self._connections.get(worker)) is not None:
                connection.notify(CloseSession(session_id, reason))

    async def listen(self, listeners: list[ListenerSpec]) -> list[str]:
        """Open these listeners in all workers and close others; returns what did not work."""
        self._listeners = listeners
        await asyncio.gather(
            *(self._listen(item, listeners) for item in list(self._connections.values()))
        )
        return self.problems

    async def _listen(self, connection: Connection, listeners: list[ListenerSpec]) -> None:
        try:
            errors = await connection.peer.call(
                Listen(listeners), timeout_seconds=LISTEN_TIMEOUT_SECONDS
            )
        except (CallFailed, ChannelClosed, TimeoutError) as error:
            text = f"{connection.name} did not open its listeners: {str(error) or 'no answer'}"
            log.error("%s", text)
            if connection.id in self._connections:
                self._problems[connection.id] = (text,)
            return
        self._problems[connection.id] = tuple(errors)
