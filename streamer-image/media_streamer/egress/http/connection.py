"""A connection that may be asked the very same again: a player polls a playlist.

Parsing, a task's turn and the way to a handler cost four times what the answer does, which is bytes
already. So a handler may leave a `Repeat`, and the next request that has the same bytes gets it.
Only while nothing else is under way: no request waits or runs, no part of one has been read, the
client takes what it is sent, and nobody has to see each request.
"""

from collections.abc import Callable
from typing import Any

from aiohttp import web

KEEP_ALIVE_SECONDS = 30.0
"""Also the time in which a request's head must be complete: a slow or silent client is closed."""

Repeat = Callable[[], bytes | None]
"""Gives the whole answer once more, to exactly the same request; None: it has to be worked out."""

MAX_REPEATS = 2
"""Of one connection: players ask for playlists of picture and sound in turns."""

_BODY = (b"content-length", b"transfer-encoding", b"upgrade", b"expect")


class Connection(web.RequestHandler):
    """aiohttp's, with what it has answered last."""

    __slots__ = ("_asked", "_may_repeat", "_repeats", "_whole")

    def __init__(
        self, manager: web.Server, may_repeat: Callable[[], bool], **settings: Any
    ) -> None:
        super().__init__(manager, **settings)
        self._may_repeat = may_repeat
        self._whole = True
        """All that came were whole requests without a body, each read at once."""
        self._asked = b""
        """The request that is being answered, if it may be repeated."""
        self._repeats: dict[bytes, Repeat] = {}
        """By the bytes of the request."""

    def answered(self, repeat: Repeat) -> None:
        """The request that is being answered can be answered so once more."""
        if self._asked:
            if len(self._repeats) >= MAX_REPEATS:
                del self._repeats[next(iter(self._repeats))]
            self._repeats[self._asked] = repeat

    def data_received(self, data: bytes) -> None:
        self._asked = b""
        if self._whole:
            idle = self._waiter is not None and not self._waiter.done()
            if idle and data in self._repeats and self._again(data):
                return
            self._whole = _is_whole(data)
            if self._whole and idle:
                self._asked = data
        super().data_received(data)

    def _again(self, request: bytes) -> bool:
        transport = self.transport
        if transport is None or self._close or self._force_close or not self._may_repeat():
            return False
        if transport.is_closing() or transport.get_write_buffer_size():
            return False  # whoever asks and does not read gets no further answer before it does
        answer = self._repeats[request]()
        if answer is None:
            del self._repeats[request]
            return False
        transport.write(answer)
        self._next_keepalive_close_time = self._loop.time() + KEEP_ALIVE_SECONDS
        return True


def _is_whole(data: bytes) -> bool:
    """Whether this is one request, with its end and without a body."""
    if not data.startswith((b"GET ", b"HEAD ")) or data.find(b"\r\n\r\n") != len(data) - 4:
        return False
    lower = data.lower()
    return not any(word in lower for word in _BODY)
