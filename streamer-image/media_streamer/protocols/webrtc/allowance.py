"""What bit rate a publisher is told (REMB), where `abr_…` options of the input say how it is found.

Without them a browser finds out by itself, from when its packets arrived; that is quicker. With
them it is told a bit rate each second: more while little is lost, less when much is. Pure.
"""

from media_streamer.wire.control import RateTerms

START_BIT_RATE = 1_000_000
LEAST_BIT_RATE = 30_000
"""Browsers go no lower; and from nothing no percentage leads up again."""


class Allowance:
    """Of one publisher; bit/s. It stays between its bounds, and moves a step a report at most."""

    def __init__(self, terms: RateTerms, least: int, most: int) -> None:
        """`least` gives way to `most`, and is `LEAST_BIT_RATE` where it is below that."""
        self._terms = terms
        self._most = most
        self._least = min(max(least, LEAST_BIT_RATE), most)
        self._descents = 0
        self._was_less = False
        self.bit_rate = max(self._least, min(START_BIT_RATE, most))

    @property
    def is_settled(self) -> bool:
        """It has been too much so often that what is left counts as what the path carries."""
        terms = self._terms
        return not terms.loss_only and 0 < terms.cycles <= self._descents

    def report(self, loss: float, sent: int) -> bool:
        """What a second brought: percent of the packets that were lost, and the bit rate that came;
        whether the publisher is told something else from now on."""
        terms = self._terms
        before = self.bit_rate
        if self.is_settled:
            return False
        if loss > terms.loss_upper:
            base = before if terms.loss_only else min(before, max(sent, self._least))
            self.bit_rate = max(self._least, round(base * (1 - terms.step_down / 100)))
            self._descents += not self._was_less
            self._was_less = True
        elif loss < terms.loss_lower:
            self._was_less = False
            # Nothing is learnt about a path that is not used.
            if terms.loss_only or sent + terms.correction >= before:
                self.bit_rate = min(self._most, round(before * (1 + terms.step_up / 100)))
        return self.bit_rate != before
