"""How often viewers are written to: at once while they are few, in larger pieces when many.

Most of what a viewer costs is the system call and the network stack's work for each write, not its
bytes: 400 viewers of 2.1 Mb/s on two workers took 14.7 % of a core with 25 writes a second to each,
and 7.5 % with 6.
"""

WRITES_A_SECOND = 1000
"""What a worker aims at, for all viewers of endless formats together."""
MAX_INTERVAL_SECONDS = 0.2
"""Bound of the latency that is added; SRS gathers 0.35 s by default."""


class Pace:
    """One per egress worker."""

    def __init__(self) -> None:
        self.viewers = 0
        """Connections that are sent an endless format."""

    @property
    def interval(self) -> float:
        """Seconds between two writes to one viewer."""
        return min(self.viewers / WRITES_A_SECOND, MAX_INTERVAL_SECONDS)
