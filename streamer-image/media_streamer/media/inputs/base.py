"""What every input is: a thread that reads a source and hands frames to a receiver.

Role: the contract between inputs and the stream that owns them, and the life of an input thread.

Invariants:
- The receiver's methods are called from one thread at a time, `ended` last and exactly once.
- `stop` returns at once. A thread inside an FFmpeg call ends when the call does; until then the
  receiver ignores it.
- The thread publishes the time by which it must show signs of life (`deadline`), because FFmpeg
  calls can outlive their own time-outs (name resolution, TLS, defects). Whoever owns the input
  looks at `overdue` and abandons the thread: it is a daemon and nobody waits for it.
"""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol

from media_api.input import InputConfig

from media_streamer.archive.places import ToldPlace
from media_streamer.media.frame import Frame, Track
from media_streamer.wire.media import Event, Outage, Reception

log = logging.getLogger(__name__)

OPEN_TIMEOUT_SECONDS = 10.0
"""Connecting, and finding out what the source sends."""

READ_TIMEOUT_SECONDS = 60.0
"""A read without a packet; the owner's `source_timeout` replaces it."""

WATCHDOG_GRACE_SECONDS = 5.0
"""A call may overrun its time-out by this before its thread counts as hung."""


Fault = Literal[
    "decoder_reset",
    "broken_payload",
    "desync",
    "ts_pat",
    "ts_service_lost",
    "404",
    "403",
    "500",
]
"""What can be wrong with a source that goes on: `errors_…` of `media_api.status.InputStats`."""


class InputError(Exception):
    """A source cannot be used; the text is for people and holds no credentials."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Time-outs of an input in seconds."""

    open_seconds: float = OPEN_TIMEOUT_SECONDS
    read_seconds: float = READ_TIMEOUT_SECONDS


class Receiver(Protocol):
    """Who gets what an input reads. Called from the input's thread."""

    def connected(self) -> None:
        """The source answered; what it sends is not known yet."""

    def describe(self, tracks: Sequence[Track], time_bases: Sequence[Fraction]) -> None:
        """The tracks that follow and the time bases of their stamps; again when they change."""

    def frame(
        self,
        track: int,
        dts: int | None,
        pts: int | None,
        duration: int | None,
        key: bool,
        data: bytes,
    ) -> None:
        """One frame in canonical form, stamps in the track's time base."""

    def relayed(self, frame: Frame) -> None:
        """One frame with its place on the clock of the same stream on another of our servers."""

    def looped(self) -> None:
        """The source starts over on purpose: its clock begins again without a break."""

    def ended(self, error: str | None) -> None:
        """The input is over; `error` says why in words, None after `stop` or at its end."""


Vods = Mapping[str, Sequence[str]]
"""VOD location -> its directories, searched in order."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What lies on the disks of this server and may be shown."""

    vods: Vods = field(default_factory=dict)
    archives: Mapping[str, Sequence[ToldPlace]] = field(default_factory=dict)
    """Those that the stream's inputs name, by stream: all parts."""


class Attached(Protocol):
    """A place at another stream."""

    def close(self) -> None: ...


class Copied(Protocol):
    """Another stream of this worker."""

    @property
    def copy_refused(self) -> str:
        """Why it may not be copied, in a word; empty if it may."""

    def attach(
        self,
        format: str,
        sink: Callable[[Sequence[Event]], None],
        on_ended: Callable[[str], None],
    ) -> Attached: ...


class Neighbours(Protocol):
    """The other streams of this worker, and where the other workers are."""

    @property
    def id(self) -> str:
        """Of this worker."""

    @property
    def runtime(self) -> Path:
        """Directory of the workers' sockets."""

    def find(self, name: str) -> Copied | None: ...


@dataclass(frozen=True, slots=True)
class InputRequest:
    """What a stream wants read, and by whom; `create` of a protocol's `pull.py` answers it."""

    stream: str
    """Its name, for log lines."""
    config: InputConfig
    receiver: Receiver
    limits: Limits
    stored: Stored = field(default_factory=Stored)
    neighbours: Neighbours | None = None
    arrived: Callable[[], None] = lambda: None
    """An input without a thread calls it when frames went to the receiver: they are passed on in
    that very wake-up."""


class Input(ABC):
    """A source that is being read."""

    on_pace: Callable[[float], None] | None = None
    """Tells the publisher's protocol for how many seconds it may gather."""
    _paced = 0.0

    on_age: Callable[[float], None] | None = None
    """Told for how many seconds what comes has been on its way, by the clock of its sender."""

    reception: Reception | None = None
    """How its packets arrive, where its protocol tells."""

    outage = Outage()
    """Why what it is connected to gives nothing, where that tells."""

    _faults: Counter[Fault] | None = None

    def count(self, fault: Fault) -> None:
        """One more of these; called by whoever reads the source."""
        if self._faults is None:
            self._faults = Counter()
        self._faults[fault] += 1

    def count_status(self, status: int) -> None:
        """An HTTP server refused, with this status."""
        if status in (401, 403):
            self.count("403")
        elif status == 404:
            self.count("404")
        elif status >= 500:
            self.count("500")

    @property
    def faults(self) -> dict[Fault, int]:
        """What was wrong so far."""
        return dict(self._faults) if self._faults else {}

    @abstractmethod
    def start(self) -> None:
        """Begin; returns at once."""

    @abstractmethod
    def stop(self) -> None:
        """Ask for the end; returns at once. `ended` may come much later, or never."""

    def request_key_frame(self) -> None:  # noqa: B027 - most protocols have no way to
        """Ask the encoder for a key frame, if the protocol can; returns at once."""

    def pace(self, seconds: float) -> None:
        """What comes may be gathered for so long; only publishers can be told."""
        if self.on_pace is not None and seconds != self._paced:
            self._paced = seconds
            self.on_pace(seconds)

    @property
    def held_bytes(self) -> int:
        """What was read and is not handed on, as far as it is known."""
        return 0

    @property
    def overdue(self) -> bool:
        """True if the input's thread outlived its time limit and should be abandoned."""
        return False

    @property
    def alive(self) -> bool:
        """True while a thread of this input alone still runs."""
        return False


class ThreadInput(Input):
    """An input with a thread of its own."""

    def __init__(self, name: str, receiver: Receiver, limits: Limits) -> None:
        self.name = name
        self.receiver = receiver
        self.limits = limits
        self.end_error: str | None = "the source ended"
        """What the end of the source means; None if it may end."""
        self._stopping = threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name=f"input {name}", daemon=True)

    def start(self) -> None:
        self.allow(self.limits.open_seconds)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    @property
    def overdue(self) -> bool:
        return (
            time.monotonic() > self._deadline + WATCHDOG_GRACE_SECONDS and self._thread.is_alive()
        )

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def allow(self, seconds: float) -> None:
        """The thread must come by again within this time."""
        self._deadline = time.monotonic() + seconds

    def _run(self) -> None:
        error: str | None
        try:
            self._read()
            error = self.end_error
        except InputError as reason:
            error = str(reason)
        except Exception as reason:
            log.exception("%s: input failed", self.name)
            error = f"internal error: {type(reason).__name__}"
        self._let_go()
        self._deadline = float("inf")
        self.receiver.ended(None if self._stopping.is_set() else error)

    def _let_go(self) -> None:
        """Of what the libraries keep for the source, once it is read: it goes now, and not with the
        garbage of this input, which may lie for minutes."""

    @abstractmethod
    def _read(self) -> None:
        """Read until the source ends or `_stopping` is set; raises InputError."""
