"""The thread that sends datagrams at their moments: one a process, for all steady senders.

An event loop wakes up in whole milliseconds, and late when it has other things to do; receivers of
a constant rate want better than half of one. So a thread sleeps until the next datagram is due. It
holds the interpreter for some 20 us at a time. Where the system lets it (CAP_SYS_NICE, or a limit
`rtprio` of 1), the kernel wakes it up before all ordinary threads: on a machine with five times as
many busy threads as cores one that slept 3.5 ms was late by 0.2 ms, 99 % of the time, and by 40 ms
without.

What takes longer than to send (to read what has come of the stream, to put the next datagram
together) is done once nobody is due, a little at a time: of four senders that a third of a second
of a stream came to at once the last one was late by 1.6 ms.

Invariants: a sender is called by this thread only, from `add` until `remove` has returned; one that
raises is taken out, told, and the others go on; what is late is sent at once, and whoever was held
up by more than `GIVE_UP_SECONDS` begins a new count.
"""

import ctypes
import heapq
import itertools
import logging
import os
import sys
import threading
import time
from typing import Protocol

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.02
"""Between two looks at a sender that has nothing to send yet."""
GIVE_UP_SECONDS = 0.25
MAX_SLEEP_SECONDS = 0.1
SWITCH_SECONDS = 0.0005
_PR_SET_TIMERSLACK = 29


def _be_punctual() -> None:
    """Let this thread wake up when it is due."""
    try:
        rank = os.sched_param(1)  # the lowest of real time is above all others
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, rank)
    except OSError as error:
        log.info("datagrams of a constant rate have no real-time priority: %s", error.strerror)
    # By default the kernel may wake a thread 50 us late (prctl(2)), and Python lets another thread
    # run for 5 ms.
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1000, 0, 0, 0)
    sys.setswitchinterval(SWITCH_SECONDS)


class SteadySender(Protocol):
    """Who sends."""

    def send_one(self) -> float | None:
        """Send one datagram; seconds until the next one, None while there is nothing."""

    def prepare(self) -> None:
        """Make the next one ready, if there is time before it is due."""


class SteadyThread:
    """Ends with its last sender."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: list[tuple[float, int, SteadySender]] = []
        self._unprepared: dict[SteadySender, None] = {}
        """In the order in which they sent; one that is always late stands here once."""
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def add(self, sender: SteadySender) -> None:
        """Send from now on."""
        with self._lock:
            heapq.heappush(self._due, (time.monotonic(), next(self._numbers), sender))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="steady", daemon=True)
                self._thread.start()

    def remove(self, sender: SteadySender) -> None:
        """Send no more; may be called again."""
        with self._lock:
            self._due = [item for item in self._due if item[2] is not sender]
            heapq.heapify(self._due)
            self._unprepared.pop(sender, None)

    def _run(self) -> None:
        _be_punctual()
        while True:
            with self._lock:
                if not self._due:
                    self._thread = None
                    return
                wait = self._due[0][0] - time.monotonic()
                if wait <= 0:
                    self._send_due()
                    continue
                if self._unprepared:
                    first = next(iter(self._unprepared))
                    del self._unprepared[first]
                    self._prepare(first)
                    continue
            time.sleep(min(wait, MAX_SLEEP_SECONDS))

    def _send_due(self) -> None:
        due, number, sender = self._due[0]
        try:
            seconds = sender.send_one()
        except Exception:
            log.exception("a steady sender is taken out")
            heapq.heappop(self._due)
            self._unprepared.pop(sender, None)
            return
        self._unprepared[sender] = None
        now = time.monotonic()
        if seconds is None:
            due, seconds = now, IDLE_SECONDS
        elif now - due > GIVE_UP_SECONDS:
            due = now
        heapq.heapreplace(self._due, (due + seconds, number, sender))

    def _prepare(self, sender: SteadySender) -> None:
        try:
            sender.prepare()
        except Exception:
            log.exception("a steady sender is taken out")
            self._due = [item for item in self._due if item[2] is not sender]
            heapq.heapify(self._due)


STEADY = SteadyThread()
"""Of this process."""
