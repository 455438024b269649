"""A connection that is answered without a task of its own where the answer is known beforehand.

Parsing, a task's turn and the way to a handler cost four times what such an answer does. There are
two kinds:

- the very same once more: a player polls a playlist. A handler leaves a `Repeat`, and the next
  request of this connection that has the same bytes gets it;
- what the server knows by the bytes of a request (`Quick`), whoever asks: files of a cache,
  segments of films, playlists and parts of low-latency HLS. An answer that is to come (`Later`) is
  looked for again when its moment has come; a handler takes over when it does not come, or when the
  client says more meanwhile.

A request may also be passed on without a task (`PassOn`): what comes back is written by the
callback that reads it, and what the client says meanwhile waits.

Only while nothing else is under way: no request waits or runs, no part of one has been read, the
client takes what it is sent, and nobody has to see each request. An answer of the second kind may
take its time: it ends before the next request is read, and closing waits for it. Handlers have
such messages sent the same way (`deliver`).
"""

import asyncio
import contextlib
import enum
from asyncio.trsock import TransportSocket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web
from aiohttp.http import RawRequestMessage

from media_streamer.egress.http.sending import FileMessage, Sending, plain_socket, send_at_once

KEEP_ALIVE_SECONDS = 30.0
"""Also the time in which a request's head must be complete: a slow or silent client is closed."""

Repeat = Callable[[], bytes | None]
"""Gives the whole answer once more, to exactly the same request; None: it has to be worked out."""


Begin = Callable[[Callable[[bool], None]], Callable[[], None]]
"""Calls back once, with whether it may have come; what it returns takes that back."""


@dataclass(slots=True)
class Later:
    """The answer is to come."""

    begin: Begin
    again: Callable[[], "Known"] | None = None
    """The answer once it may have come, for who asked; None: by the bytes of the request again."""


Known = FileMessage | bytes | Later | None
Quick = Callable[[bytes, asyncio.Transport], Known]
"""The answer to a request, which may be no whole one, of the client behind a transport; None: it
has to be worked out."""


class End(enum.Enum):
    """How a call ended."""

    STAY = enum.auto()
    """The answer was sent; the client may ask again on this connection."""
    CLOSE = enum.auto()
    """The answer was sent, and was the last one on this connection."""
    UNHEARD = enum.auto()
    """Nothing was sent: somebody else must answer."""
    CUT = enum.auto()
    """The answer broke off; the client must see that."""


class Call(Protocol):
    """A request that is passed on."""

    def go_on(self) -> None:
        """The client reads again."""

    def cancel(self) -> None:
        """The client has gone, or is to go."""


class Asker(Protocol):
    """What a call needs of the client's connection."""

    transport: asyncio.Transport | None

    @property
    def writing_paused(self) -> bool: ...

    def called(self, end: End) -> None:
        """The call is over."""


PassOn = Callable[[RawRequestMessage, Asker], Call | None]
"""Begins to pass a request of the API on for a connection, which is told of its end; None: a
handler must."""

MAX_REPEATS = 2
"""Of one connection: players ask for playlists of picture and sound in turns."""

API_PREFIXES = ("/streamer/api/", "/flussonic/api/", "/ui/")
_PASSED_ON = tuple(f"GET {prefix}".encode() for prefix in API_PREFIXES)
_NOT_PASSED_ON = (b"GET /ui/static/", b"GET /flussonic/api/reload")
"""Not the API's; and what changes something, which is never to be asked twice."""
_BODY = (b"content-length", b"transfer-encoding", b"upgrade:", b"expect")
"""`upgrade:` with its colon: browsers send Upgrade-Insecure-Requests with each page they go to."""


class Connection(web.RequestHandler):
    """aiohttp's, with what it has answered last."""

    __slots__ = (
        "_asked",
        "_behind",
        "_blocked",
        "_call",
        "_give_up",
        "_later",
        "_may_repeat",
        "_over",
        "_pass_on",
        "_passed_on",
        "_quick",
        "_repeats",
        "_sending",
        "_socket",
        "_whole",
    )

    def __init__(
        self,
        manager: web.Server,
        may_repeat: Callable[[], bool],
        quick: Quick | None = None,
        pass_on: PassOn | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(manager, **settings)
        self._may_repeat = may_repeat
        self._quick = quick
        self._pass_on = pass_on
        self._call: Call | None = None
        """The request that is passed on."""
        self._passed_on: tuple[Any, Any] | None = None
        """That request and its body, as aiohttp has them."""
        self._behind: list[bytes] = []
        """What the client has said since."""
        self._whole = True
        """All that came were whole requests without a body, each read at once. Once one was not, it
        stays so: nobody can see whether the parser has a part of the next one."""
        self._asked = b""
        """The request that is being answered, if it may be repeated."""
        self._repeats: dict[bytes, Repeat] = {}
        """By the bytes of the request."""
        self._socket: TransportSocket | None = None
        self._sending: Sending | None = None
        """The answer that is under way without a task."""
        self._over: asyncio.Future[None] | None = None
        """Waits for its end."""
        self._blocked = b""
        """The request whose answer is to come."""
        self._give_up: Callable[[], None] | None = None
        """Waits for that no more."""
        self._later: Later | None = None
        """That answer."""

    @property
    def asked(self) -> bytes:
        """The request that is being answered, if it came as a whole, alone and has no body."""
        return self._asked

    def answered(self, repeat: Repeat) -> None:
        """The request that is being answered can be answered so once more."""
        if self._asked:
            if len(self._repeats) >= MAX_REPEATS:
                del self._repeats[next(iter(self._repeats))]
            self._repeats[self._asked] = repeat

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._socket = plain_socket(transport)

    def data_received(self, data: bytes) -> None:
        if self._call is not None:
            self._wait_behind(data)
            return
        if self._blocked:
            self._hand_over()  # and what follows it
        self._asked = b""
        if self._whole:
            idle = self._is_idle
            if idle and self._answers(data):
                return
            self._whole = _is_whole(data)
            if self._whole and idle:
                self._asked = data
                if data.startswith(_PASSED_ON) and not data.startswith(_NOT_PASSED_ON):
                    self._pass_or_take(data)
                    return
        super().data_received(data)

    @property
    def _is_idle(self) -> bool:
        """No request waits or runs."""
        if self._waiter is not None:
            return not self._waiter.done()
        # What reads requests has not begun yet, and finds what is there when it does.
        return not self._request_count and self._task_handler is not None

    def _pass_or_take(self, data: bytes) -> None:
        """Pass a whole request on, or have it handled."""
        waiter = self._waiter
        self._waiter = None  # so the reading alone wakes no handler
        super().data_received(data)
        self._waiter = waiter
        if not self._passes_on() and waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _passes_on(self) -> bool:
        if self._pass_on is None or len(self._messages) != 1 or self._upgraded:
            return False
        message, _ = self._messages[0]
        if not isinstance(message, RawRequestMessage) or self._open_transport() is None:
            return False
        self._call = self._pass_on(message, self)
        if self._call is None:
            return False
        self._passed_on = self._messages.popleft()
        return True

    def _wait_behind(self, data: bytes) -> None:
        if not self._behind and self.transport is not None:
            self.transport.pause_reading()
        self._behind.append(data)

    def called(self, end: End) -> None:
        """What was passed on is over."""
        passed_on, self._call, self._passed_on = self._passed_on, None, None
        transport = self.transport
        if transport is None or transport.is_closing():
            self._is_over()
            return
        if end is End.CUT:
            transport.abort()
            self._is_over()
            return
        self._next_keepalive_close_time = self._loop.time() + KEEP_ALIVE_SECONDS
        if end is End.UNHEARD and passed_on is not None:
            self._messages.append(passed_on)
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)
        elif self._parser is not None:
            self._parser.message_consumed()
        self._is_over()
        if end is End.CLOSE:
            super().force_close()
        elif self._behind:
            behind, self._behind = self._behind, []
            transport.resume_reading()
            self.data_received(b"".join(behind))

    def _answers(self, request: bytes) -> bool:
        """Whether the answer is known, and is on its way then."""
        repeats = request in self._repeats
        if not repeats and (self._quick is None or self._socket is None):
            return False
        transport = self._open_transport()
        if transport is None or not self._may_repeat():
            return False
        if repeats:
            return self._again(transport, request)
        assert self._quick is not None
        return self._known(transport, request, self._quick(request, transport))

    def _open_transport(self) -> asyncio.Transport | None:
        """None: no answer may be sent without a handler."""
        transport = self.transport
        if transport is None or self._close or self._force_close:
            return None
        if transport.is_closing() or transport.get_write_buffer_size():
            return None  # whoever asks and does not read gets no further answer before it does
        return transport

    def _again(self, transport: asyncio.Transport, request: bytes) -> bool:
        answer = self._repeats[request]()
        if answer is None:
            del self._repeats[request]
            return False
        transport.write(answer)
        self._next_keepalive_close_time = self._loop.time() + KEEP_ALIVE_SECONDS
        return True

    def _known(self, transport: asyncio.Transport, request: bytes, message: Known) -> bool:
        if message is None or self._socket is None:
            return False
        if isinstance(message, Later):
            self._blocked, self._later = request, message
            self._give_up = message.begin(self._come)
            return True
        if isinstance(message, bytes):
            transport.write(message)
            self._next_keepalive_close_time = self._loop.time() + KEEP_ALIVE_SECONDS
            return True
        try:
            sent = send_at_once(self._socket, message)
        except OSError as error:
            transport.abort()
            message.on_end(0, error)
            return True
        whole = len(message.head) + message.length
        if sent == whole:
            message.on_end(message.length, None)
            self._next_keepalive_close_time = self._loop.time() + KEEP_ALIVE_SECONDS
            return True
        self._sending = Sending(transport, self._socket, message, self._sent)
        if sent:
            self._sending.skip(sent)
        self._sending.start()
        return True

    def _come(self, has_come: bool) -> None:
        """What the blocked request waits for is there, or is not in time."""
        request, self._blocked, self._give_up = self._blocked, b"", None
        later, self._later = self._later, None
        if not (has_come and self._answers_now(request, later)):
            self._take(request)

    def _answers_now(self, request: bytes, later: Later | None) -> bool:
        if later is None or later.again is None:
            return self._answers(request)
        transport = self._open_transport() if self._may_repeat() else None
        return transport is not None and self._known(transport, request, later.again())

    def _hand_over(self) -> None:
        """A handler waits from now on."""
        request, self._blocked = self._blocked, b""
        self._wait_no_more()
        self._take(request)

    def _take(self, request: bytes) -> None:
        """Have a whole request handled."""
        self._asked = request
        super().data_received(request)

    def _wait_no_more(self) -> None:
        self._later = None
        if self._give_up is not None:
            self._give_up()
            self._give_up = None

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._call is not None:
            self._call.cancel()
        self._blocked = b""
        self._wait_no_more()
        super().connection_lost(exc)

    @property
    def can_deliver(self) -> bool:
        """Whether what is written to the socket reaches the client as it is."""
        return self._socket is not None

    async def deliver(self, message: FileMessage) -> None:
        """Send it, for a handler. Raises ConnectionResetError if it does not come to its end."""
        transport = self.transport
        if transport is None or self._socket is None or transport.is_closing():
            error = ConnectionResetError("connection lost")
            message.on_end(0, error)
            raise error
        # aiohttp bounds what comes meanwhile, and would not know that reading had been paused.
        sending = Sending(transport, self._socket, message, self._sent, pauses=False)
        self._sending = sending
        sending.start()
        if not sending.is_over:
            try:
                await asyncio.shield(self._end_of_sending())
            except asyncio.CancelledError:
                sending.cancel()
                raise
        if sending.error is not None:
            raise ConnectionResetError(str(sending.error)) from sending.error

    def _end_of_sending(self) -> "asyncio.Future[None]":
        if self._over is None or self._over.done():
            self._over = self._loop.create_future()
        return self._over

    def _sent(self) -> None:
        self._sending = None
        self._next_keepalive_close_time = self._loop.time() + KEEP_ALIVE_SECONDS
        self._is_over()

    def _is_over(self) -> None:
        """What was under way without a task is."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
        if self._close:
            super().close()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._sending is not None:
            self._sending.go_on()
        if self._call is not None:
            self._call.go_on()

    def close(self) -> None:
        """Close once the answer under way is sent."""
        if self._blocked:
            self._hand_over()
        if self._sending is None and self._call is None:
            super().close()
        else:
            self._close = True

    def force_close(self) -> None:
        """Close now."""
        if self._sending is not None:
            self._sending.cancel()
        if self._call is not None:
            self._call.cancel()
        super().force_close()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's
        """Close, within `timeout` seconds, when the answer under way is sent."""
        if self._blocked:
            self._hand_over()
            await asyncio.sleep(0)  # the handler begins
        if self._sending is not None or self._call is not None:
            over = asyncio.shield(self._end_of_sending())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await over
        await super().shutdown(timeout)

    def _process_keepalive(self) -> None:
        if self._sending is not None or self._call is not None or self._blocked:
            self._next_keepalive_close_time = self._loop.time() + KEEP_ALIVE_SECONDS
        super()._process_keepalive()


def _is_whole(data: bytes) -> bool:
    """Whether this is one request, with its end and without a body."""
    if not data.startswith((b"GET ", b"HEAD ")) or data.find(b"\r\n\r\n") != len(data) - 4:
        return False
    lower = data.lower()
    return not any(word in lower for word in _BODY)
