"""Sessions that egress workers serve."""

from media_streamer.wire.control.values import Value
from media_streamer.wire.peer import Notice


class PathReport(Value, frozen=True):
    """What the receiver of a session tells of the way to it."""

    track: str = ""
    """The video that it is sent of several."""
    switches: int = 0
    """How often that has changed."""
    bandwidth: int = 0
    """Bits that got through in the last second; 0: not known."""
    queue_ms: int = 0
    """What stands on the way."""
    lost: int = 0
    repeated: int = 0
    """Packets that were sent again."""


class SessionReport(Value, frozen=True):
    """What one worker moved for a session since it first saw it."""

    id: str
    bytes: int
    dropped_gops: int
    path: PathReport | None = None


class HeldSession(Value, frozen=True):
    """A session that the worker serves, for a supervisor that has never heard of it."""

    ticket: bytes
    bytes: int
    dropped_gops: int


class SessionsHeld(Notice, frozen=True):
    """Said after `Hello`, in parts, by an egress worker that serves somebody already."""

    sessions: list[HeldSession]


class SessionsMoved(Notice, frozen=True):
    """Sessions that moved bytes, and now and then all."""

    sessions: list[SessionReport]


class AnswersSent(Notice, frozen=True):
    """Answers to viewers over HTTP, since this was said last."""

    counts: list[tuple[str, str, int, int]]
    """Stream as it was asked for (there may be none), protocol, status, how often."""


class DatagramsDropped(Notice, frozen=True):
    """Of an SRT port, since this was said last: nobody got to read them."""

    count: int


class SessionLeft(Notice, frozen=True):
    """The worker serves the session no longer."""

    id: str
    bytes: int
    reason: str


class CloseSession(Notice, frozen=True):
    """End the connections of a session."""

    id: str
    reason: str
