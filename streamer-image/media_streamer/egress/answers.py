"""Which answers viewers got over HTTP: counted by stream, protocol and status, told each second.

A stranger may ask for any name, so what is counted is bounded, and the supervisor keeps the counts
of streams that it knows.
"""

import asyncio
from collections.abc import Callable

from media_streamer.rounds import next_round
from media_streamer.wire.control import AnswersSent
from media_streamer.wire.peer import Notice

REPORT_SECONDS = 1.0
MAX_COUNTS = 5_000
"""Of a second; further ones are not counted."""


class Answers:
    """Of one worker."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], int] = {}
        self._some = asyncio.Event()

    def add(self, stream: str, protocol: str, status: int) -> None:
        """One more answer."""
        key = (stream, protocol, status)
        count = self._counts.get(key)
        if count is not None:
            self._counts[key] = count + 1
        elif len(self._counts) < MAX_COUNTS:
            self._counts[key] = 1
            self._some.set()

    def take(self) -> list[tuple[str, str, int, int]]:
        """What was counted since the last call."""
        counts, self._counts = self._counts, {}
        self._some.clear()
        return [(*key, count) for key, count in counts.items()]

    async def run(self, notify: Callable[[Notice], None]) -> None:
        """Tell until cancelled; nobody is told that nothing was asked for."""
        while True:
            await self._some.wait()
            await next_round(REPORT_SECONDS)
            notify(AnswersSent(self.take()))
