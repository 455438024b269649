"""The quarantine isolates a culprit and gives everybody else back."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from media_streamer.supervisor.quarantine import (
    FIRST_HOLD_SECONDS,
    MAX_HOLD_SECONDS,
    TRIAL_SECONDS,
    UNEXPLAINED_CRASHES,
    Quarantine,
)

NAMES = [f"s{number}" for number in range(40)]


@given(
    innocent=st.sets(st.sampled_from(NAMES[1:]), max_size=39),
    delay=st.floats(0.1, TRIAL_SECONDS - 0.1),
)
def test_the_culprit_is_isolated_and_the_others_return(innocent: set[str], delay: float) -> None:
    quarantine, now = Quarantine(), 1000.0
    streams = innocent | {"s0"}
    quarantine.worker_died("0", streams, streams, 3.0, now)
    while quarantine.held_for("s0", now) == 0:
        quarantine.tick(now)
        if "s0" in quarantine.on_trial:
            now += delay
            quarantine.trial_died(now)
        else:
            now += TRIAL_SECONDS
        assert now < 1000 + (len(streams) + 2) * TRIAL_SECONDS, "the search does not end"
    for _ in range(2 * len(streams) + 2):
        quarantine.tick(now)
        if quarantine.held_for("s0", now) > 0:
            now += 0.0
        if "s0" in quarantine.on_trial:
            quarantine.trial_died(now)
        else:
            now += TRIAL_SECONDS
    assert set(quarantine.suspects()) <= {"s0"}


def test_the_hold_grows_and_is_bounded() -> None:
    quarantine, now, holds = Quarantine(), 0.0, []
    quarantine.worker_died("0", {"a"}, {"a"}, 1.0, now)
    for _ in range(12):
        quarantine.tick(now)
        assert quarantine.status("a") == "trial"
        quarantine.trial_died(now)
        holds.append(quarantine.held_for("a", now))
        now += holds[-1]
    assert holds[:3] == [FIRST_HOLD_SECONDS, 2 * FIRST_HOLD_SECONDS, 4 * FIRST_HOLD_SECONDS]
    assert holds[-1] == MAX_HOLD_SECONDS


def test_a_reconfigured_stream_starts_anew() -> None:
    quarantine = Quarantine()
    quarantine.worker_died("0", {"a"}, {"a"}, 1.0, 0.0)
    quarantine.tick(0.0)
    quarantine.trial_died(0.0)
    quarantine.forget(["a"])
    assert quarantine.status("a") == "regular"


def test_crashes_without_a_suspect_are_searched_at_last() -> None:
    quarantine = Quarantine()
    for number in range(UNEXPLAINED_CRASHES - 1):
        quarantine.worker_died("0", (), {"a", "b"}, 20.0, number * 30.0)
        assert not quarantine.suspects()
    quarantine.worker_died("0", (), {"a", "b"}, 20.0, 90.0)
    assert set(quarantine.suspects()) == {"a", "b"}
    quarantine.tick(90.0)
    # They crash after 20 s: a trial of 10 s would clear the culprit.
    quarantine.tick(90.0 + 39.0)
    assert len(quarantine.on_trial) == 1
    assert quarantine.status(quarantine.on_trial[0]) == "trial"


class Machine(RuleBasedStateMachine):
    """Any order of crashes, ticks and removals keeps every stream in exactly one place."""

    def __init__(self) -> None:
        super().__init__()
        self.quarantine = Quarantine()
        self.now = 0.0

    @rule(names=st.sets(st.sampled_from(NAMES)), opening=st.booleans())
    def worker_dies(self, names: set[str], opening: bool) -> None:
        regular = {name for name in names if self.quarantine.status(name) == "regular"}
        self.quarantine.worker_died("0", regular if opening else (), regular, 5.0, self.now)

    @precondition(lambda self: self.quarantine.on_trial)
    @rule()
    def trial_dies(self) -> None:
        self.quarantine.trial_died(self.now)

    @rule(seconds=st.floats(0, 400))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.quarantine.tick(self.now)

    @rule(names=st.sets(st.sampled_from(NAMES)))
    def removed(self, names: set[str]) -> None:
        self.quarantine.forget(names)
        assert not names & set(self.quarantine.suspects())

    @invariant()
    def each_in_one_place(self) -> None:
        held = set(self.quarantine._held)
        trial = list(self.quarantine.on_trial)
        waiting = [name for batch in self.quarantine._waiting for name in batch.names]
        everyone = [*held, *trial, *waiting]
        assert len(everyone) == len(set(everyone))
        assert all(self.quarantine.held_for(name, self.now) <= MAX_HOLD_SECONDS for name in held)


TestMachine = Machine.TestCase
