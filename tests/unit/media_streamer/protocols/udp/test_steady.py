"""The thread that sends: each at its moment, and those that fail alone."""

import threading

from media_streamer.protocols.udp.steady import SteadyThread


class Sender:
    def __init__(self, wanted: int, *, fails: bool = False) -> None:
        self.sent = self.prepared = 0
        self.done = threading.Event()
        self._wanted, self._fails = wanted, fails

    def send_one(self) -> float | None:
        self.sent += 1
        if self._fails:
            self.done.set()
            raise ValueError("broken")
        if self.sent == self._wanted:
            self.done.set()
        return None if self.sent == 1 else 0.001

    def prepare(self) -> None:
        self.prepared = self.sent


def test_senders_take_turns_and_one_that_fails_goes_alone() -> None:
    thread = SteadyThread()
    broken, one, other = Sender(1, fails=True), Sender(20), Sender(20)
    for sender in (broken, one, other):
        thread.add(sender)
    try:
        assert one.done.wait(30)
        assert other.done.wait(30)
        assert broken.sent == 1
        assert one.prepared >= 19
    finally:
        thread.remove(one)
        thread.remove(other)
    sent = one.sent
    thread.remove(one)  # may be called again
    assert one.sent == sent


def test_a_thread_that_ended_begins_again() -> None:
    thread = SteadyThread()
    for _ in range(2):
        sender = Sender(3)
        thread.add(sender)
        assert sender.done.wait(30)
        thread.remove(sender)


class Slow(Sender):
    """Takes its time between datagrams."""

    def __init__(self, log: list[str], name: str) -> None:
        super().__init__(3)
        self._log, self._name = log, name

    def send_one(self) -> float | None:
        self._log.append(f"{self._name} sends")
        super().send_one()
        return 0.2

    def prepare(self) -> None:
        self._log.append(f"{self._name} prepares")


def test_all_who_are_due_send_before_anybody_prepares() -> None:
    thread, log = SteadyThread(), list[str]()
    senders = [Slow(log, name) for name in "abc"]
    with thread._lock:  # none begins before all are there
        for number, sender in enumerate(senders):
            thread._due.append((0.0, -number, sender))
    first = Slow(log, "d")
    thread.add(first)
    assert first.done.wait(30)
    for sender in (*senders, first):
        thread.remove(sender)
    assert {line.split()[1] for line in log[:4]} == {"sends"}
    assert {line.split()[1] for line in log[4:8]} == {"prepares"}


class Breaks(Sender):
    def prepare(self) -> None:
        self.done.set()
        raise ValueError("broken")


def test_one_that_fails_to_prepare_goes_alone() -> None:
    thread, broken, other = SteadyThread(), Breaks(99), Sender(20)
    thread.add(broken)
    thread.add(other)
    assert broken.done.wait(30)
    assert other.done.wait(30)
    thread.remove(other)
    assert broken.sent < 3


def test_one_that_is_always_late_waits_once() -> None:
    """Who sends all the time finds no time to prepare, and takes no memory for it."""

    class Late(Sender):
        def send_one(self) -> float | None:
            super().send_one()
            return 0.0

    thread, sender = SteadyThread(), Late(1000)
    thread.add(sender)
    try:
        assert sender.done.wait(30)
        assert len(thread._unprepared) <= 1
    finally:
        thread.remove(sender)
    assert not thread._unprepared
