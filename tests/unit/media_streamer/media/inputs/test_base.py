"""The life of an input thread, also of one that hangs."""

import threading
import time
from collections.abc import Sequence
from fractions import Fraction

import pytest
from media_streamer.media.frame import Frame, Track
from media_streamer.media.graveyard import MAX_HUNG, Graveyard
from media_streamer.media.inputs import base
from media_streamer.media.inputs.base import InputError, Limits, ThreadInput


class Listener:
    """A receiver that waits for the end."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.error: str | None = "not called"

    def connected(self) -> None: ...

    def describe(self, tracks: Sequence[Track], time_bases: Sequence[Fraction]) -> None: ...

    def frame(
        self,
        track: int,
        dts: int | None,
        pts: int | None,
        duration: int | None,
        key: bool,
        data: bytes,
    ) -> None: ...

    def relayed(self, frame: Frame) -> None: ...

    def looped(self) -> None: ...

    def ended(self, error: str | None) -> None:
        self.error = error
        self.over.set()


class Blocking(ThreadInput):
    """Stands for FFmpeg: blocks until released, whatever `stop` says."""

    def __init__(self, receiver: Listener, failure: Exception | None = None) -> None:
        super().__init__("test", receiver, Limits(open_seconds=0.05, read_seconds=0.05))
        self.release = threading.Event()
        self.failure = failure

    def _read(self) -> None:
        self.release.wait(30)
        if self.failure:
            raise self.failure


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (None, "the source ended"),
        (InputError("no such file"), "no such file"),
        (ValueError("pw"), "internal error: ValueError"),
    ],
)
def test_the_end_is_told_in_words(failure: Exception | None, error: str) -> None:
    listener = Listener()
    reader = Blocking(listener, failure)
    reader.start()
    reader.release.set()
    assert listener.over.wait(5)
    assert listener.error == error


def test_after_stop_nothing_is_an_error() -> None:
    listener = Listener()
    reader = Blocking(listener, InputError("closed under its feet"))
    reader.start()
    reader.stop()
    reader.release.set()
    assert listener.over.wait(5)
    assert listener.error is None


def test_hung_threads_are_counted_until_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "WATCHDOG_GRACE_SECONDS", 0.05)
    graveyard = Graveyard()
    readers = [Blocking(Listener()) for _ in range(MAX_HUNG + 1)]
    for reader in readers:
        reader.start()
        assert not reader.overdue
        reader.stop()
        graveyard.bury(reader)
    deadline = time.monotonic() + 5
    while graveyard.sweep() <= MAX_HUNG and time.monotonic() < deadline:
        time.sleep(0.01)
    assert graveyard.full
    for reader in readers:
        reader.release.set()
    while graveyard.sweep() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert graveyard.hung == 0
    assert not graveyard.full
