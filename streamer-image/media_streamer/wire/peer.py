"""Requests, answers and notices over a channel.

A request is a struct that names the type of its answer (`Request[Answer]`); it is answered by a
handler in a task of its own, which ends with the peer. A notice is a struct that nobody answers;
its handler is called at once, so notices keep their order.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from media_streamer.wire import encoding
from media_streamer.wire.channel import Channel, ChannelClosed, connect
from media_streamer.wire.side import Side

log = logging.getLogger(__name__)

CALL_TIMEOUT_SECONDS = 10.0

A = TypeVar("A")
M = TypeVar("M")
R = TypeVar("R", bound="Request[Any]")
N = TypeVar("N", bound="Notice")


class CallFailed(Exception):  # noqa: N818 - mirrors ChannelClosed
    """The handler on the other side raised; the text is its message."""


class Request(msgspec.Struct, Generic[A], frozen=True, tag=True, array_like=True):
    """A message that is answered with an `A`."""


class Notice(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A message that is not answered."""


class Call(msgspec.Struct, Generic[M], frozen=True, tag=True, array_like=True):
    """A request under way; `number` is the caller's."""

    number: int
    request: M


class Tell(msgspec.Struct, Generic[M], frozen=True, tag=True, array_like=True):
    """A notice under way."""

    notice: M


class Answer(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """What the handler returned."""

    number: int
    result: msgspec.Raw


class Failure(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """What the handler raised."""

    number: int
    error: str


Said = Call[Any] | Tell[Any] | Answer | Failure


@cache
def _answer_decoder(kind: type[Request[Any]]) -> msgspec.msgpack.Decoder[Any]:
    """For the type in `class kind(Request[type])`."""
    (base,) = kind.__orig_bases__  # type: ignore[attr-defined]  # of a generic's subclass
    return msgspec.msgpack.Decoder(base.__args__[0])


class Peer:
    """One end of a channel; a receiver of it."""

    def __init__(self, name: str) -> None:
        """`name` of the other end, for the log."""
        self.name = name
        self.channel: Channel[Said, Said]
        self._answering: dict[type, Callable[[Any], Awaitable[Any]]] = {}
        self._taking: dict[type, Callable[[Any], None]] = {}
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[type[Request[Any]], asyncio.Future[Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @classmethod
    async def connect(cls, path: Path, side: Side[Said, Said], name: str) -> "Peer":
        """Raises OSError or TimeoutError."""
        peer = cls(name)
        peer.channel = await connect(path, side, peer)
        return peer

    def answer(self, kind: type[R], handler: Callable[[R], Awaitable[object]]) -> None:
        """Let `handler` answer requests of this kind; what it raises fails the call."""
        self._answering[kind] = handler

    def take(self, kind: type[N], handler: Callable[[N], None]) -> None:
        """Let `handler` take notices of this kind."""
        self._taking[kind] = handler

    def notify(self, notice: Notice) -> None:
        """Raises ChannelClosed."""
        self.channel.send(Tell(notice))

    async def call(
        self, request: Request[A], *, timeout_seconds: float = CALL_TIMEOUT_SECONDS
    ) -> A:
        """Send a request and return its answer.

        Raises CallFailed (the handler failed), ChannelClosed or TimeoutError.
        """
        number = next(self._numbers)
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting[number] = type(request), answer
        try:
            self.channel.send(Call(number, request))
            async with asyncio.timeout(timeout_seconds):
                return await answer
        finally:
            self._waiting.pop(number, None)

    async def run(self) -> None:
        """Wait until the channel closes; when it returns nothing of the peer runs any more."""
        try:
            await asyncio.shield(self._closed)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.channel.close()

    def on_message(self, message: Said) -> None:
        if isinstance(message, Tell):
            self._hand_over(message.notice)
        elif isinstance(message, Call):
            task = asyncio.create_task(self._handle(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._settle(message)

    def on_closed(self, reason: str) -> None:
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ChannelClosed(reason))
        if not self._closed.done():
            self._closed.set_result(reason)

    def _hand_over(self, notice: Notice) -> None:
        handler = self._taking.get(type(notice))
        if handler is None:
            log.error("%s: nobody takes %s", self.name, type(notice).__name__)
        else:
            handler(notice)

    def _settle(self, message: Answer | Failure) -> None:
        kind, answer = self._waiting.get(message.number, (None, None))
        if kind is None or answer is None or answer.done():
            return  # it came too late
        if isinstance(message, Failure):
            answer.set_exception(CallFailed(message.error))
            return
        try:
            answer.set_result(_answer_decoder(kind).decode(message.result))
        except msgspec.DecodeError as error:
            answer.set_exception(CallFailed(f"{kind.__name__} was answered wrongly: {error}"))

    async def _handle(self, call: Call[Request[Any]]) -> None:
        kind = type(call.request)
        reply: Said
        try:
            handler = self._answering.get(kind)
            if handler is None:
                raise LookupError(f"nobody answers {kind.__name__} here")
            result = await handler(call.request)
            reply = Answer(call.number, msgspec.Raw(encoding.encode(result)))
        except Exception as error:
            reply = Failure(call.number, f"{type(error).__name__}: {error}")
        with contextlib.suppress(ChannelClosed):
            self.channel.send(reply)
