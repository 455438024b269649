"""Input threads that were told to stop and have not ended yet.

Role: know which of them hang inside FFmpeg. A hung thread cannot be killed, it costs a descriptor
and memory; when there are too many, the whole worker asks to be replaced.
"""

from media_streamer.media.inputs.base import Input

MAX_HUNG = 8
"""More hung threads than this and the worker asks the supervisor to recycle it."""


class Graveyard:
    """Counts stopped inputs; used from the event loop only."""

    def __init__(self) -> None:
        self._stopped: list[Input] = []
        self.hung = 0
        """Threads that outlived their time limits and still run."""

    def bury(self, stopped: Input) -> None:
        """Watch an input whose `stop` was called."""
        if stopped.alive:
            self._stopped.append(stopped)

    def sweep(self) -> int:
        """Forget what has ended; returns the number of hung threads."""
        self._stopped = [item for item in self._stopped if item.alive]
        self.hung = sum(item.overdue for item in self._stopped)
        return self.hung

    @property
    def full(self) -> bool:
        """True if the process should be replaced."""
        return self.hung > MAX_HUNG
