"""One measured figure and what it is to be compared with."""

from dataclasses import dataclass


class Skipped(Exception):  # noqa: N818 - no error
    """A benchmark cannot run here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: float
    unit: str
    goal: str = ""
    """What the project promises, or what a peer reaches, in words: `< 3 s`."""
    note: str = ""

    def row(self) -> str:
        goal = f"goal {self.goal}" if self.goal else ""
        return f"{self.name:<58} {self.value:>10.2f} {self.unit:<8} {goal:<22} {self.note}".rstrip()
