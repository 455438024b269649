"""A configured input of a running stream: when it may be opened, and what it did so far.

Role: the state between two attempts; which input is to be opened is decided in
`media_streamer.media.choosing`.
"""

import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from media_api.input import InputConfig
from media_api.stream import StreamConfig

from media_streamer.media.flags import Flags
from media_streamer.media.inputs.address import without_credentials
from media_streamer.media.inputs.base import OPEN_TIMEOUT_SECONDS, Fault, Input, Limits
from media_streamer.media.switch import Source

log = logging.getLogger(__name__)

SOURCE_TIMEOUT_SECONDS = 60
SLOW_SOURCE_TIMEOUT_SECONDS = 180
"""For sources that deliver in large pieces."""

SLOW_SCHEMES = frozenset({"hls", "hlss", "hls2", "hlss2", "playlist", "timeshift"})

NEVER_SECONDS = 3600.0
"""Read time-out where the configuration wants none: a dead TCP connection must end some time."""

MIN_RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 30.0

STABLE_SECONDS = 10.0
"""A source that ran this long starts again from the shortest pause when it fails."""
GRACE_SECONDS = 2.0
"""So long after its time an attempt may begin on a busy machine."""

BITRATE_WINDOW_SECONDS = 5.0


@dataclass(slots=True)
class Totals:
    """Counters of an input over all its attempts."""

    bytes: int = 0
    frames: int = 0
    retries: int = 0
    errors: int = 0
    description_changes: int = 0
    lost_packets: int = 0
    dropped_frames: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)


class InputSlot:
    """One input line of a stream."""

    def __init__(self, config: InputConfig, stream: StreamConfig, index: int, flags: Flags) -> None:
        self.id = str(uuid.uuid4())
        self.totals = Totals()
        self.input: Input | None = None
        self.source: Source | None = None
        self.error: str | None = None
        self.failures = 0
        """Attempts without success in a row."""
        self.failing_since = 0.0
        """Monotonic time of the first of these."""
        self.retry_at = 0.0
        """Monotonic time of the next attempt."""
        self.remote: str | None = None
        self.user_agent: str | None = None
        self.on_close: Callable[[str], None] | None = None
        """Told why the input was closed; only publishers want to know."""
        self.silent = False
        """`frames_timeout` was reported."""
        self.bitrate = 0
        """bit/s over the last window."""
        self.error_rate = 0
        """Errors a second over the last window."""
        self._failed_at = 0.0
        self._errors_window = (0.0, 0)
        self._stream = stream.name
        self._flags = flags
        self._attempts = 0
        self._window = (0.0, 0)
        self.reconfigure(config, stream, index)

    def reconfigure(self, config: InputConfig, stream: StreamConfig, index: int) -> None:
        """Take over settings that do not concern the connection."""
        self.config = config
        self.index = index
        self.rank = float(config.priority if config.priority else index + 1)
        """The lowest is the best; equal ones are not preferred to each other."""
        self.url = without_credentials(config.url)
        slow = config.scheme in SLOW_SCHEMES
        timeout = config.source_timeout
        if timeout is None:
            timeout = stream.source_timeout
        if timeout is None or timeout is True:
            timeout = SLOW_SOURCE_TIMEOUT_SECONDS if slow else SOURCE_TIMEOUT_SECONDS
        self.source_timeout = float(timeout) if timeout else None
        self.audio_timeout = config.audio_timeout or stream.audio_timeout
        self.video_timeout = config.video_timeout or stream.video_timeout
        self.frames_timeout = config.frames_timeout or stream.frames_timeout
        self.max_retry = float(
            config.max_retry_timeout or stream.max_retry_timeout or MAX_RETRY_SECONDS
        )

    def event_fields(self) -> dict[str, Any]:
        """What events say of the input."""
        return {
            "source_id": self.id,
            "type": "publish" if self.is_publish else "ingest",
            "proto": self.config.scheme,
            "url": self.url,
            "priority": int(min(self.rank, 1000)),
            "ip": self.remote,
            "bytes": self.totals.bytes + (self.source.bytes if self.source else 0),
        }

    @property
    def is_publish(self) -> bool:
        return self.config.scheme == "publish"

    @property
    def limits(self) -> Limits:
        """Time-outs of the input thread; the stream's own clock usually is faster."""
        read = self.source_timeout or NEVER_SECONDS
        return Limits(open_seconds=min(OPEN_TIMEOUT_SECONDS, read), read_seconds=read + 1)

    def same_connection(self, config: InputConfig) -> bool:
        """True if `config` reads the same source in the same way."""
        ignored = {
            "priority", "comment", "source_timeout", "timeout", "audio_timeout", "video_timeout",
            "frames_timeout", "max_retry_timeout", "max_bitrate", "allow_if", "deny_if",
            "no_clients_reconnect_delay",
        }  # fmt: skip
        return self.config.model_dump(exclude=ignored) == config.model_dump(exclude=ignored)

    @property
    def lost_packets(self) -> int:
        """Over all attempts."""
        return self.totals.lost_packets + self._lost_now

    @property
    def faults(self) -> Counter[Fault]:
        """What was wrong with its source, over all attempts."""
        return self.totals.faults + Counter(self.input.faults if self.input is not None else {})

    @property
    def dropped_frames(self) -> int:
        return self.totals.dropped_frames + (self.source.dropped_frames if self.source else 0)

    @property
    def errors(self) -> int:
        """All: attempts that failed, packets that were lost, and what was wrong with others."""
        refused = ("404", "403", "500")  # an attempt that failed, or a segment asked for again
        others = sum(count for fault, count in self.faults.items() if fault not in refused)
        return self.totals.errors + self.lost_packets + others

    @property
    def _lost_now(self) -> int:
        reception = self.input.reception if self.input is not None else None
        return reception.lost if reception is not None else 0

    def may_open(self, now: float, *, watched: bool = True) -> bool:
        """True if an attempt is due. Publishers come by themselves."""
        return (
            self.source is None
            and not self.is_publish
            and now >= self.retry_at
            and (watched or not self.retry_at or now >= self._failed_at + self.wait(watched=False))
            and self.permitted() is True
        )

    def wait(self, *, watched: bool) -> float:
        """Seconds from the last failure to the next attempt."""
        unwatched = 0 if watched else self.config.no_clients_reconnect_delay or 0
        return max(self.pause, float(unwatched))

    def is_unknown(self, now: float) -> bool:
        """Nobody watched, so it was not tried since it failed (`no_clients_reconnect_delay`)."""
        spared = self.wait(watched=False) > self.pause
        return self.source is None and spared and now - self._failed_at > self.pause + GRACE_SECONDS

    def permitted(self) -> bool | None:
        """What the files of `allow_if` and `deny_if` say; a missing file allows.

        None while that is not known. Asking has them read anew.
        """
        answer: bool | None = True
        for path, forbids in ((self.config.allow_if, "0"), (self.config.deny_if, "1")):
            if path:
                flag = self._flags.get(path, self._stream)
                if flag == forbids:
                    return False
                answer = None if flag is None else answer
        return answer

    def opened(self, source: Source, reader: Input) -> None:
        """An attempt begins."""
        if self.failures and self.is_unknown(now := time.monotonic()):
            self.failing_since = now
        self.source, self.input = source, reader
        self.silent = False
        self._window = (time.monotonic(), 0)
        self.bitrate = 0
        if self._attempts:
            self.totals.retries += 1
        self._attempts += 1

    def closed(self, error: str | None, now: float) -> None:
        """The attempt is over; with an error the next one waits longer."""
        source = self.source
        stable = False
        if source is not None:
            self.totals.bytes += source.bytes
            self.totals.frames += source.frames
            self.totals.description_changes += source.description_changes
            self.totals.dropped_frames += source.dropped_frames
            stable = source.frames > 0 and self._ran(source)
        self.totals.lost_packets += self._lost_now
        if self.input is not None:
            self.totals.faults.update(self.input.faults)
        self.source = self.input = None
        self.bitrate = 0
        self.error = error
        if error is None:
            self.failures = 0
            return
        self.totals.errors += 1
        self.failures = 1 if stable else self.failures + 1
        if self.failures == 1 or (source is not None and source.frames):
            self.failing_since = now
        self._failed_at = now
        self.retry_at = now + self.pause

    @property
    def pause(self) -> float:
        """Seconds until the next attempt after the last failure."""
        exponent = min(max(0, self.failures - 1), 16)
        return float(min(self.max_retry, MIN_RETRY_SECONDS * 2**exponent))

    def measure(self, now: float) -> None:
        """Update the bit rate, and that of errors."""
        since, before = self._errors_window
        if now - since >= BITRATE_WINDOW_SECONDS:
            self.error_rate = round((self.errors - before) / (now - since)) if since else 0
            self._errors_window = (now, self.errors)
        if self.source is None:
            return
        since, before = self._window
        if now - since >= BITRATE_WINDOW_SECONDS:
            self.bitrate = int((self.source.bytes - before) * 8 / (now - since))
            self._window = (now, self.source.bytes)

    def fault(self, now: float) -> str | None:
        """Why the open source must be closed, or None."""
        source = self.source
        if source is None:
            return None
        if source.finished:
            return source.error or "the source ended"
        if self.input is not None and self.input.overdue:
            return "the input hangs; its thread is abandoned"
        if self.source_timeout is not None and source.silence(now) > self.source_timeout:
            return f"no frames for {self.source_timeout:g} s (source_timeout)"
        if self.permitted() is False:
            return "not allowed now by allow_if or deny_if"
        if self.config.max_bitrate and self.bitrate > self.config.max_bitrate:
            return f"{self.bitrate} bit/s is more than max_bitrate {self.config.max_bitrate}"
        return self._missing_kind(source, now)

    def _missing_kind(self, source: Source, now: float) -> str | None:
        if not source.frames:
            return None
        if self.video_timeout and now - source.last_video > self.video_timeout:
            return f"no video for {self.video_timeout} s (video_timeout)"
        if self.audio_timeout and now - source.last_audio > self.audio_timeout:
            return f"no audio for {self.audio_timeout} s (audio_timeout)"
        return None

    @staticmethod
    def _ran(source: Source) -> bool:
        return time.monotonic() - source.began > STABLE_SECONDS
