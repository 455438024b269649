"""Each viewer asks the origin itself from time to time."""

from media_streamer.cache.roll import OWN_EVERY_SECONDS, Roll

A, B = ("news", "192.0.2.1", ""), ("news", "192.0.2.2", "")


def test_due_at_first_and_again_after_a_while() -> None:
    roll = Roll()
    assert roll.is_due(A, 0.0)
    roll.called(A, 0.0)
    assert not roll.is_due(A, OWN_EVERY_SECONDS)
    assert roll.is_due(A, OWN_EVERY_SECONDS + 0.1)


def test_each_viewer_for_itself() -> None:
    roll = Roll()
    roll.called(A, 0.0)
    assert roll.is_due(B, 0.0)
    assert roll.is_due((*A[:2], "token=x"), 0.0)


def test_bounded_and_the_oldest_call_is_forgotten_first() -> None:
    roll = Roll(most=2)
    roll.called(A, 0.0)
    roll.called(B, 1.0)
    roll.called(A, 2.0)
    roll.called(("other", "192.0.2.3", ""), 3.0)
    assert roll.is_due(B, 3.0)
    assert not roll.is_due(A, 3.0)
