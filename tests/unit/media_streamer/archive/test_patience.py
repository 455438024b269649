import threading
from pathlib import Path

import pytest
from media_streamer.archive.patience import Patience

A, B = Path("/a"), Path("/b")


def test_a_disk_that_hangs_is_left_out_and_not_asked_for_a_while() -> None:
    goes_on, asked = threading.Event(), []
    patience = Patience(0.2)

    def hang() -> int:
        asked.append(1)
        goes_on.wait(30)
        return 1

    try:
        assert patience.ask({A: hang, B: lambda: 2}) == [2]
        assert patience.ask({A: hang, B: lambda: 3}) == [3]
        assert len(asked) == 1
        with pytest.raises(OSError, match="no disk"):
            patience.ask({A: hang})
    finally:
        goes_on.set()


def test_a_disk_that_is_gone_is_left_out_where_another_one_answers() -> None:
    def gone() -> int:
        raise FileNotFoundError("gone")

    assert Patience(30).ask({A: gone, B: lambda: 2}) == [2]
    with pytest.raises(FileNotFoundError):
        Patience(30).ask({A: gone})


def test_what_is_wrong_with_the_question_is_raised() -> None:
    def wrong() -> int:
        raise ValueError("too much")

    with pytest.raises(ValueError, match="too much"):
        Patience(30).ask({A: wrong, B: lambda: 2})


def test_a_disk_that_is_read_for_long_is_not_silent() -> None:
    """As long as something comes of it."""
    patience, other = Patience(0.3), threading.Event()

    def long() -> int:
        for _ in range(8):
            other.wait(0.1)
            patience.heard(A)
        return 1

    def hang() -> int:
        other.wait(30)
        return 2

    try:
        assert patience.ask({A: long, B: hang}) == [1]
        assert patience.ask({A: lambda: 3, B: hang}) == [3]
    finally:
        other.set()
