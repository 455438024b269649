from pathlib import Path

from media_streamer.egress.access import Access
from media_streamer.egress.served_sessions import ALIVE_EVERY_UPDATES, ServedSessions
from media_streamer.wire.control import AccessRequest, SessionLeft, SessionReport


def access(session_id: str) -> Access:
    request = AccessRequest("live", "hls", "play", "127.0.0.1")
    return Access(session_id, "live", Path("/x"), 1, request)


def make() -> tuple[ServedSessions, list]:
    told: list = []
    return ServedSessions(told.append), told


def test_only_changes_are_reported_but_all_are_now_and_then():
    sessions, _ = make()
    one, _ = sessions.open(access("one")), sessions.open(access("two"))
    assert {report.id for report in sessions.changed()} == {"one", "two"}
    one.bytes += 5
    assert sessions.changed() == [SessionReport("one", 5, 0)]
    counts = [len(sessions.changed()) for _ in range(ALIVE_EVERY_UPDATES)]
    assert sorted(counts) == [0] * (ALIVE_EVERY_UPDATES - 1) + [2]


def test_the_last_user_closes_the_session():
    sessions, told = make()
    session = sessions.open(access("one"))
    assert sessions.open(access("one")) is session
    sessions.leave(session, "a")
    assert told == []
    sessions.leave(session, "b")
    assert told == [SessionLeft("one", 0, "b")]
    assert len(sessions) == 0


def test_supervisor_ends_a_session_through_its_users():
    sessions, told = make()
    session = sessions.open(access("one"))
    session.on_close.add(lambda reason: sessions.leave(session, reason))
    sessions.end("unknown", "x")
    sessions.end("one", "limit")
    assert told == [SessionLeft("one", 0, "limit")]
