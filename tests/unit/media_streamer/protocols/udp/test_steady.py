"""The thread that sends: each at its moment, and those that fail alone."""

import threading

from media_streamer.protocols.udp.steady import SteadyThread


class Sender:
    def __init__(self, wanted: int, *, fails: bool = False) -> None:
        self.sent = 0
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


def test_senders_take_turns_and_one_that_fails_goes_alone() -> None:
    thread = SteadyThread()
    broken, one, other = Sender(1, fails=True), Sender(20), Sender(20)
    for sender in (broken, one, other):
        thread.add(sender)
    try:
        assert one.done.wait(30)
        assert other.done.wait(30)
        assert broken.sent == 1
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
