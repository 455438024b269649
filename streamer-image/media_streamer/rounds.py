"""Moments at which all processes of a streamer do what they do again and again.

A process that is woken costs more than what it then does (hundreds of microseconds from cold
caches, against tens), and so does each message that wakes another one. The monotonic clock is the
same in all processes: whoever acts at its whole multiples is awake when the others are.
"""

import asyncio

TURN_SECONDS = 0.04
"""Publishers are read, and media comes, at multiples of this; so are streams looked at that are fed
by threads."""
PROMPT_SECONDS = TURN_SECONDS / 2
"""For so long is gathered what somebody waits for (parts of LL-HLS): frames of threads are then
passed on as they come, in place of in turns."""
MAX_INTERVAL_SECONDS = 0.32
"""For how long media is gathered at most: the latency that is added. SRS gathers 0.35 s by default,
for one viewer too."""


def until_round(seconds: float) -> float:
    """Seconds until the clock shows a multiple of `seconds`."""
    return seconds - asyncio.get_running_loop().time() % seconds


async def next_round(seconds: float) -> None:
    """Sleep until the clock shows a multiple of `seconds`."""
    await asyncio.sleep(until_round(seconds))
