"""Untyped messages: what the workers still speak until each channel has moved to `channel.py`.

Frame on the wire: header length and payload length (two big-endian 32-bit integers), the header as
MessagePack, the payload as it is. The payload is never copied into the header, so media bytes
travel without being packed.

A sender never waits: what the other side does not take in time is bounded by `max_pending_bytes`,
and a channel over its bound is closed, because a stuck process is cured by a restart, not by
memory.
"""

import asyncio
import contextlib
import itertools
import logging
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgpack

log = logging.getLogger(__name__)

Message = dict[str, Any]
Handler = Callable[[Message], Awaitable[Any]]

_LENGTHS = struct.Struct(">II")
MAX_HEADER_BYTES = 64 * 1024 * 1024
"""A directory of 10,000 streams with their configuration fits many times."""
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
MAX_PENDING_BYTES = 64 * 1024 * 1024
CALL_TIMEOUT_SECONDS = 10.0


class ChannelClosed(Exception):  # noqa: N818 - a state, not an error of the caller
    """The other side is gone, or it broke the framing."""


class CallFailed(Exception):  # noqa: N818 - mirrors ChannelClosed
    """The handler on the other side raised; the text is its message."""


class Channel:
    """A connected socket that carries messages both ways."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        max_pending_bytes: int = MAX_PENDING_BYTES,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._max_pending_bytes = max_pending_bytes

    @property
    def closed(self) -> bool:
        return self._writer.is_closing()

    @property
    def pending_bytes(self) -> int:
        """Bytes that were sent here and that the other side has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    def send(self, message: Message, payload: bytes | memoryview = b"") -> None:
        """Queue one message; raises ChannelClosed if the other side is gone or too slow."""
        if self._writer.is_closing():
            raise ChannelClosed("channel is closed")
        header = msgpack.packb(message)
        self._writer.writelines((_LENGTHS.pack(len(header), len(payload)), header, payload))
        if self.pending_bytes > self._max_pending_bytes:
            self._writer.transport.abort()
            raise ChannelClosed(f"peer does not read: {self._max_pending_bytes} bytes pending")

    async def drain(self) -> None:
        """Wait until the other side has taken most of what was sent."""
        try:
            await self._writer.drain()
        except ConnectionError as error:
            raise ChannelClosed(str(error)) from error

    async def receive(self) -> tuple[Message, bytes]:
        """The next message; raises ChannelClosed at the end of the connection."""
        try:
            header_length, payload_length = _LENGTHS.unpack(
                await self._reader.readexactly(_LENGTHS.size)
            )
            if header_length > MAX_HEADER_BYTES or payload_length > MAX_PAYLOAD_BYTES:
                raise ChannelClosed(f"message of {header_length}+{payload_length} bytes refused")
            header = await self._reader.readexactly(header_length)
            payload = await self._reader.readexactly(payload_length) if payload_length else b""
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise ChannelClosed("peer closed the channel") from error
        message = msgpack.unpackb(header, strict_map_key=False)
        if not isinstance(message, dict):
            raise ChannelClosed(f"message is a {type(message).__name__}, not a map")
        return message, payload

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), 1.0)


async def connect(path: Path, *, timeout_seconds: float = 5.0) -> Channel:
    """Connect to a listening process; raises OSError or TimeoutError."""
    reader, writer = await asyncio.wait_for(
        asyncio.open_unix_connection(path, limit=2**20), timeout_seconds
    )
    return Channel(reader, writer)


async def listen(path: Path, on_channel: Callable[[Channel], Awaitable[None]]) -> asyncio.Server:
    """Serve `on_channel` for every process that connects; the channel is closed when it returns."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer)
        try:
            await on_channel(channel)
        except (ChannelClosed, asyncio.CancelledError):
            # Nothing awaits this task: asyncio.streams would only print the cancellation that ends
            # it when the loop ends (Python < 3.12).
            pass
        finally:
            await channel.close()

    return await asyncio.start_unix_server(accept, path, limit=2**20)


class Peer:
    """Requests, answers and notices over a channel.

    On the wire a request has `op` and `call` (a number), its answer `answer` (that number) with
    `result` or `error`, a notice has `op` alone. Handlers of requests run as tasks of their own and
    end with the peer.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._handlers: dict[str, Handler] = {}
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def on(self, op: str, handler: Handler) -> None:
        """Let `handler` answer requests and take notices named `op`; it gets the whole message."""
        self._handlers[op] = handler

    def notify(self, op: str, **arguments: Any) -> None:
        """Send a notice; raises ChannelClosed."""
        self.channel.send({"op": op, **arguments})

    async def call(
        self, op: str, *, timeout_seconds: float = CALL_TIMEOUT_SECONDS, **arguments: Any
    ) -> Any:
        """Send a request and return its result.

        Raises CallFailed (the handler failed), ChannelClosed or TimeoutError.
        """
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self.channel.send({"op": op, "call": number, **arguments})
            return await asyncio.wait_for(answer, timeout_seconds)
        finally:
            self._waiting.pop(number, None)

    async def run(self) -> None:
        """Read messages until the channel closes; then fail what still waits."""
        try:
            while True:
                message, _ = await self.channel.receive()
                self._dispatch(message)
        except ChannelClosed:
            pass
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ChannelClosed("peer closed the channel"))
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.channel.close()

    def _dispatch(self, message: Message) -> None:
        if "answer" in message:
            answer = self._waiting.get(message["answer"])
            if answer is None or answer.done():
                return
            if "error" in message:
                answer.set_exception(CallFailed(message["error"]))
            else:
                answer.set_result(message.get("result"))
            return
        task = asyncio.create_task(self._handle(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, message: Message) -> None:
        op = str(message.get("op"))
        number = message.get("call")
        handler = self._handlers.get(op)
        reply: Message = {"answer": number}
        try:
            if handler is None:
                raise LookupError(f"no handler for {op!r}")
            reply["result"] = await handler(message)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            reply["error"] = f"{type(error).__name__}: {error}"
            if number is None:
                log.exception("notice %s failed", op)
        if number is not None:
            with contextlib.suppress(ChannelClosed):
                self.channel.send(reply)
