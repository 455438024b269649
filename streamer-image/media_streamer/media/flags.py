"""The files of `allow_if` and `deny_if`: read beside the event loop, answered from memory.

Operators put such files on network file systems. One that hangs must not stop the heartbeat, so a
few daemon threads read, nobody waits for them, and the last thing known holds meanwhile. A file
that has never been read counts as missing once its time is over.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

REREAD_SECONDS = 0.4
"""A little less than a stream looks at its inputs."""
TIMEOUT_SECONDS = 5.0
MAX_THREADS = 8
"""Reads that may hang at a time; with all of them hung the others are not read anew."""
IDLE_SECONDS = 30.0
MAX_CHARACTERS = 16


@dataclass(slots=True)
class _File:
    flag: str = ""
    known: bool = False
    asked_at: float = -REREAD_SECONDS
    reading: bool = False
    reported: bool = False


def read_flag(path: str) -> str:
    """First character of a file; empty if there is none, or no file. Blocks."""
    try:
        with Path(path).open() as file:
            return file.read(MAX_CHARACTERS).strip()[:1]
    except (OSError, ValueError):
        return ""


class Flags:
    """All such files of a process. The methods belong to the event loop."""

    def __init__(self, read: Callable[[str], str] = read_flag) -> None:
        self._read = read
        self._files: dict[str, _File] = {}
        self._due: queue.SimpleQueue[tuple[str, _File]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._idle = 0

    def get(self, path: str, stream: str) -> str | None:
        """First character of the file as it was a moment ago; None while it is not known.

        Asking has it read anew. `stream` is for the log.
        """
        now = time.monotonic()
        file = self._files.get(path)
        if file is None:
            self._forget_unused(now)
            file = self._files[path] = _File()
        if file.reading:
            if now - file.asked_at > TIMEOUT_SECONDS:
                self._report(file, path, stream)
                file.known = True
        elif now - file.asked_at >= REREAD_SECONDS:
            file.asked_at, file.reading = now, True
            self._due.put((path, file))
            self._start_thread()
        return file.flag if file.known else None

    def _forget_unused(self, now: float) -> None:
        for path, file in list(self._files.items()):
            if not file.reading and now - file.asked_at > IDLE_SECONDS:
                del self._files[path]

    def _report(self, file: _File, path: str, stream: str) -> None:
        if not file.reported:
            file.reported = True
            log.error(
                "stream %s: no answer from %s (allow_if, deny_if) for %g s; its last word holds",
                stream,
                path,
                TIMEOUT_SECONDS,
            )

    def _start_thread(self) -> None:
        with self._lock:
            if self._idle >= self._due.qsize() or self._threads >= MAX_THREADS:
                return
            self._threads += 1
        threading.Thread(target=self._work, name="flags", daemon=True).start()

    def _work(self) -> None:
        while (due := self._next()) is not None:
            path, file = due
            file.flag = self._read(path)
            file.known, file.reported = True, False
            file.reading = False

    def _next(self) -> tuple[str, _File] | None:
        """What a thread is to read; None: it may end."""
        while True:
            with self._lock:
                self._idle += 1
            due = None
            with contextlib.suppress(queue.Empty):
                due = self._due.get(timeout=IDLE_SECONDS)
            with self._lock:
                self._idle -= 1
                if due is None and self._due.empty():
                    self._threads -= 1
                    return None
            if due is not None:
                return due
