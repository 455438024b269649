"""What the next supervisor must know of a session, in the keeping of the workers that serve it."""

import time
from typing import Any, Literal

import msgspec

from media_streamer.supervisor.sessions import Session
from media_streamer.wire import encoding

RECHECK_SECONDS = 30.0
"""When a backend is asked again about a session that was taken over."""


class _Ticket(msgspec.Struct, array_like=True):
    id: str
    name: str
    kind: Literal["play", "publish"]
    proto: str
    ip: str
    key: str
    token: str
    query_string: str
    user_agent: str
    referer: str
    user_id: str
    owner: str
    country: str
    max_sessions: int | None
    soft_limitation: bool
    is_relay: bool
    is_operator: bool
    location: str
    opened_at: float
    is_rechecked: bool
    sealed: str = ""


_decoder = msgspec.msgpack.Decoder(_Ticket)
_FIELDS = tuple(name for name in _Ticket.__struct_fields__ if name != "is_rechecked")


def write_ticket(session: Session) -> bytes:
    """For `Granted.ticket`."""
    values: dict[str, Any] = {name: getattr(session, name) for name in _FIELDS}
    return encoding.encode(_Ticket(**values, is_rechecked=session.recheck_at is not None))


def read_ticket(data: bytes) -> Session:
    """The session, open since then. Raises msgspec.DecodeError."""
    ticket = _decoder.decode(data)
    session = Session(**{name: getattr(ticket, name) for name in _FIELDS})
    if ticket.is_rechecked:
        session.recheck_at = time.monotonic() + RECHECK_SECONDS
    return session
