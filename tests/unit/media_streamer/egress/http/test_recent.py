"""What is used stays, what is not goes, and there is a bound."""

from media_streamer.egress.http.recent import TURN_SECONDS, Recent


def test_what_is_used_stays_and_what_is_not_goes() -> None:
    now = 0.0
    recent: Recent[str, int] = Recent(1000, lambda: now)
    recent.put("playlist", 1)
    recent.put("segment", 2)
    for turn in range(1, 4):
        now = turn * (TURN_SECONDS + 1)
        assert recent.get("playlist") == 1
        recent.put(f"segment{turn}", 3)
    assert recent.get("segment") is None
    assert recent.get("segment1") is None
    assert recent.get("segment2") == 3
    assert len(recent) == 3
    for turn in range(4, 6):
        now = turn * (TURN_SECONDS + 1)
        recent.age()
    assert len(recent) == 0, "nothing new came"


def test_however_many_are_asked_for_the_bound_holds() -> None:
    recent: Recent[str, int] = Recent(100, lambda: 0.0)
    for number in range(1000):
        recent.put(str(number), number)
        recent.get("0" if number < 10 else str(number - 1))
        assert len(recent) <= 100
    assert recent.get("999") == 999
