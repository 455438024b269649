"""`fake://` inputs: a test stream without a source.

Role: one broadcaster a combination of settings, shared by all streams of the worker, and the input
that joins it.

Why shared: encoding is the one expensive step (about 1 ms a frame at 640x360); a thousand test
streams must cost a thousand deliveries, not a thousand encoders.
"""

import logging
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import ClassVar

from media_api.input import InputConfig

from media_streamer.media.inputs.base import Input, InputRequest, Receiver
from media_streamer.protocols.fake.encoder import (
    TIME_BASES,
    Encoded,
    FakeEncoder,
    FakeSettings,
)

log = logging.getLogger(__name__)

LATE_SECONDS = 1.0
"""After a longer pause of the machine the schedule starts anew instead of racing to catch up."""

STALL_SECONDS = 10.0
"""Encoding a frame never takes this long; longer is a hung encoder."""


def settings_of(config: InputConfig) -> FakeSettings:
    """Settings of an input line; odd sizes are rounded down, as yuv420p wants."""
    default = FakeSettings()
    return FakeSettings(
        width=(config.width or default.width) & ~1,
        height=(config.height or default.height) & ~1,
        bit_rate=max(config.bitrate or default.bit_rate, 16_000),
    )


class Broadcaster:
    """A thread that encodes in real time while somebody listens."""

    _shared: ClassVar[dict[FakeSettings, "Broadcaster"]] = {}
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, settings: FakeSettings) -> None:
        self.settings = settings
        self._joining: list[Receiver] = []
        self._receivers: list[Receiver] = []
        self._deadline = time.monotonic() + STALL_SECONDS
        self._thread = threading.Thread(target=self._run, name="fake encoder", daemon=True)
        self._thread.start()

    @classmethod
    def join(cls, settings: FakeSettings, receiver: Receiver) -> "Broadcaster":
        """Let `receiver` have the stream of these settings; starts it for the first."""
        with cls._shared_lock:
            broadcaster = cls._shared.get(settings)
            if broadcaster is None or broadcaster.overdue:
                broadcaster = cls._shared[settings] = cls(settings)
            broadcaster._joining.append(receiver)
            return broadcaster

    def leave(self, receiver: Receiver) -> None:
        """Stop delivering to `receiver`; its `ended` is called from here if it was not yet."""
        with self._shared_lock:
            found = receiver in self._joining or receiver in self._receivers
            # New lists: the encoder goes through the old ones without the lock.
            self._joining = [item for item in self._joining if item is not receiver]
            self._receivers = [item for item in self._receivers if item is not receiver]
        if found:
            receiver.ended(None)

    @property
    def overdue(self) -> bool:
        """True if the encoder hangs."""
        return time.monotonic() > self._deadline

    def _run(self) -> None:
        error = "internal error: the test encoder failed"
        try:
            self._encode()
            return
        except Exception:
            log.exception("fake://: encoding failed")
        with self._shared_lock:
            self._retire()
            left = self._joining + self._receivers
            self._joining, self._receivers = [], []
        for receiver in left:
            receiver.ended(error)

    def _encode(self) -> None:
        encoder = FakeEncoder(self.settings)
        interval = 1 / self.settings.fps
        due = time.monotonic()
        while True:
            self._deadline = time.monotonic() + STALL_SECONDS
            with self._shared_lock:
                joining, self._joining = self._joining, []
                self._receivers = [*self._receivers, *joining]
                receivers = self._receivers
                if not receivers:
                    self._retire()
                    return
            for receiver in joining:
                self._welcome(receiver, encoder)
            self._deliver(receivers, encoder.step(datetime.now(UTC)))
            due += interval
            now = time.monotonic()
            if now - due > LATE_SECONDS:
                due = now
            if due > now:
                time.sleep(due - now)

    def _retire(self) -> None:
        """Make room for a successor; the lock is held."""
        if self._shared.get(self.settings) is self:
            del self._shared[self.settings]

    def _welcome(self, receiver: Receiver, encoder: FakeEncoder) -> None:
        receiver.connected()
        receiver.describe(encoder.tracks, TIME_BASES)
        self._deliver([receiver], encoder.gop)

    def _deliver(self, receivers: Iterable[Receiver], frames: Iterable[Encoded]) -> None:
        for receiver in receivers:
            try:
                for item in frames:
                    receiver.frame(
                        item.track, item.dts, item.pts, item.duration, item.key, item.data
                    )
            except Exception as error:
                # One stream's failure is not the others'.
                log.exception("fake://: a receiver failed and is left out")
                self._expel(receiver, f"internal error: {type(error).__name__}")

    def _expel(self, receiver: Receiver, error: str) -> None:
        with self._shared_lock:
            self._receivers = [item for item in self._receivers if item is not receiver]
        receiver.ended(error)


def create(request: InputRequest) -> Input:
    return FakeInput(request.receiver, request.config)


class FakeInput(Input):
    """A stream's share of the test source."""

    def __init__(self, receiver: Receiver, config: InputConfig) -> None:
        self._receiver = receiver
        self._settings = settings_of(config)
        self._broadcaster: Broadcaster | None = None

    def start(self) -> None:
        self._broadcaster = Broadcaster.join(self._settings, self._receiver)

    def stop(self) -> None:
        if self._broadcaster:
            self._broadcaster.leave(self._receiver)

    @property
    def overdue(self) -> bool:
        return self._broadcaster is not None and self._broadcaster.overdue
