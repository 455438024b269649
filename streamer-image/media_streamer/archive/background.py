"""A thread that works on archives beside all else, until it is told to end.

Role: what `copier` and `replicator` share. Invariant: whatever it waits for, `close` is heeded at
once between two pieces of work; where it waits for others' answers, within their time-outs.
"""

import contextlib
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

log = logging.getLogger(__name__)

CLOSE_SECONDS = 3.0
FAULT_SECONDS = 60.0


class Stopped(BaseException):
    """The thread is to end. As `CancelledError` it is no Exception: no handler takes it for one."""


class Background(ABC):
    """Runs `_run` from `_begin` until `close`."""

    def __init__(self, name: str) -> None:
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def is_closing(self) -> bool:
        """Whether nothing more is waited for."""
        return self._closing

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """End; what is on its way is not there. Blocks, at most so long."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(seconds)

    # The thread

    @abstractmethod
    def _run(self) -> None:
        """Work without end; `_check` and `_rest` end it."""

    def _ended(self) -> None:  # noqa: B027 - not all hold something
        """Give back what is held; the last that the thread does."""

    def _begin(self) -> None:
        """What `_run` needs is there."""
        self._thread.start()

    def _work(self) -> None:
        with contextlib.suppress(Stopped):
            while True:
                self._try()
        self._ended()

    def _try(self) -> None:
        """Raises Stopped."""
        try:
            self._run()
        except Stopped:
            raise
        except BaseException:  # a panic of a library in Rust is no Exception
            log.exception("%s: a fault; it is begun anew", self._thread.name)
            self._rest(FAULT_SECONDS)

    def _check(self) -> None:
        """Raises Stopped once it is time."""
        if self._closing:
            raise Stopped

    def _rest(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Wait, at most so long, or until something is the case: who changes it notifies
        `_changed`. Raises Stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or until(), max(0.0, seconds))
        self._check()

    def _pace(self, began: float, moved: int, rate: int) -> None:
        """Wait until so many bytes since then (monotonic seconds) are no more than the rate, in
        bytes a second, allows; 0 allows all. Raises Stopped."""
        self._check()
        if rate and (ahead := began + moved / rate - time.monotonic()) > 0:
            self._rest(ahead)
