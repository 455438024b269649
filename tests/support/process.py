"""A running program that outlives an event loop: one for the tests of a module, each with its loop.

asyncio.subprocess.Process is bound to the loop in which it was started.
"""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Callable
from typing import Any


class Process:
    """What asyncio.subprocess.Process has of it, for any loop; its output is in a file."""

    def __init__(self, pid: int, collect: Callable[[], int]) -> None:
        """`collect` gives the exit status; it is asked once, when the process has ended."""
        self.pid = pid
        self._collect = collect
        self._returncode: int | None = None
        self._file = os.pidfd_open(pid)

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        if self._returncode is None and select.select([self._file], [], [], 0)[0]:
            self._returncode = self._collect()
            os.close(self._file)
        return self._returncode

    async def wait(self) -> int:
        if self.returncode is None:
            loop = asyncio.get_running_loop()
            ended = loop.create_future()
            loop.add_reader(self._file, lambda: ended.done() or ended.set_result(None))
            try:
                await ended
            finally:
                loop.remove_reader(self._file)
        status = self.returncode
        assert status is not None
        return status

    def send_signal(self, number: int) -> None:
        """Raises ProcessLookupError if it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError(self.pid)
        signal.pidfd_send_signal(self._file, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill it if it runs, and let go of its pipes: one with more unread than asyncio takes would
    stay open, and be complained of in whatever test comes later."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await process.wait()
    process._transport.close()


def start(*command: str, **options: Any) -> Process:
    """Start a program; `options` are those of subprocess.Popen."""
    started = subprocess.Popen(command, **options)
    return Process(started.pid, started.wait)
