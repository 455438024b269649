"""How often viewers are written to: at once while they are few, in larger pieces when many.

Most of what a viewer costs is the system call and the network stack's work for each write, not its
bytes: 400 viewers of 2.1 Mb/s on two workers took 14.7 % of a core with 25 writes a second to each,
and 7.5 % with 6. What is written in larger pieces need not come in small ones either: the media
worker is told, and through it whoever reads the publisher, so that all of them wake up together.
"""

from media_streamer.rounds import MAX_INTERVAL_SECONDS, PROMPT_SECONDS, TURN_SECONDS

WRITES_A_SECOND = 150
"""What a worker aims at, for all viewers of endless formats together."""


class Pace:
    """One per egress worker."""

    def __init__(self) -> None:
        self.viewers = 0
        """Connections that are sent an endless format."""

    @property
    def interval(self) -> float:
        """Seconds between two writes to one viewer."""
        return min(self.viewers / WRITES_A_SECOND, MAX_INTERVAL_SECONDS)

    def gathering(self, viewers: int, *, prompt: bool = False) -> int:
        """Milliseconds for which a broadcast with so many viewers lets its media be gathered.
        `prompt`: somebody among them wants each frame as it comes, which few may."""
        interval = self.interval if viewers else MAX_INTERVAL_SECONDS
        if prompt and interval <= PROMPT_SECONDS:
            return round(1000 * PROMPT_SECONDS)
        turns = max(1, round(interval / TURN_SECONDS))
        return round(1000 * TURN_SECONDS * turns)


class Prompt(Pace):
    """For viewers to whom latency is all (WebRTC): nothing is held back, whatever writes cost."""

    @property
    def interval(self) -> float:
        return 0.0

    def gathering(self, viewers: int, *, prompt: bool = False) -> int:
        return round(1000 * TURN_SECONDS)
