"""A thread that ends at once when it is told to, whatever it waits for."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from media_streamer.archive import background
from media_streamer.archive.background import Background

WAIT_SECONDS = 30.0
LONG = 3600.0


class Worker(Background):
    """Does one thing."""

    def __init__(self, work: Callable[["Worker"], None]) -> None:
        super().__init__("test")
        self.work = work
        self.does = threading.Event()
        self.gave_back = threading.Event()
        self.is_asked = False
        self._begin()

    def _run(self) -> None:
        self.does.set()
        self.work(self)

    def _ended(self) -> None:
        self.gave_back.set()

    def ask(self) -> None:
        with self._changed:
            self.is_asked = True
            self._changed.notify()


def guarded(one: Worker) -> None:
    """As loops of work go on after whatever fails."""
    try:
        one._rest(LONG)
    except Exception:
        one._rest(LONG)


@pytest.fixture
def begin() -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def make(work: Callable[[Worker], None]) -> Worker:
        made.append(Worker(work))
        assert made[-1].does.wait(WAIT_SECONDS)
        return made[-1]

    yield make
    for one in made:
        one.close(WAIT_SECONDS)
        assert not one._thread.is_alive()


@pytest.mark.parametrize(
    "work",
    [
        lambda one: one._rest(LONG),
        lambda one: one._rest(LONG, lambda: one.is_asked),
        lambda one: one._pace(time.monotonic(), 1000, 1),
        guarded,
    ],
    ids=["rest", "asked", "pace", "guarded"],
)
def test_its_end_waits_for_nothing(
    begin: Callable[..., Worker], work: Callable[[Worker], None]
) -> None:
    one = begin(work)
    assert not one.gave_back.is_set()
    one.close(WAIT_SECONDS)
    assert not one._thread.is_alive()
    assert one.gave_back.is_set()


def test_a_fault_is_said_and_is_no_end(
    begin: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Panic(BaseException):
        """As those of a library in Rust."""

    monkeypatch.setattr(background, "FAULT_SECONDS", 0.01)
    again, tries = threading.Event(), 0

    def work(one: Worker) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise Panic
        again.set()
        one._rest(LONG)

    begin(work)
    assert again.wait(WAIT_SECONDS)
    assert caplog.text.count("a fault; it is begun anew") == 1


def test_what_is_asked_ends_a_rest(begin: Callable[..., Worker]) -> None:
    goes_on = threading.Event()

    def work(one: Worker) -> None:
        one._rest(LONG, lambda: one.is_asked)
        goes_on.set()
        one._rest(LONG)

    begin(work).ask()
    assert goes_on.wait(WAIT_SECONDS)


def test_bytes_take_their_time_at_a_rate(begin: Callable[..., Worker]) -> None:
    took: list[float] = []
    done = threading.Event()

    def work(one: Worker) -> None:
        for moved, rate in ((100, 1000), (100, 0), (0, 1)):
            began = time.monotonic()
            one._pace(began, moved, rate)
            took.append(time.monotonic() - began)
        done.set()
        one._rest(LONG)

    begin(work)
    assert done.wait(WAIT_SECONDS)
    assert took[0] >= 0.1
    assert len(took) == 3
