import pytest
from media_streamer import budgets
from media_streamer.supervisor import session_quota
from media_streamer.supervisor.session_quota import SessionQuota

EACH, RATE = budgets.ADDRESS_SESSIONS, budgets.ADDRESS_SESSIONS_PER_SECOND


def opened(quota: SessionQuota, ip: str, number: int, now: float) -> int:
    """How many of so many are let in."""
    return sum(quota.take(ip, now) for _ in range(number))


def test_an_address_opens_some_at_once_and_then_so_many_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    quota = SessionQuota()
    assert opened(quota, "192.0.2.1", EACH + 50, 10.0) == EACH
    assert opened(quota, "192.0.2.1", EACH, 12.0) == 2 * RATE
    assert opened(quota, "192.0.2.2", 5, 12.0) == 5, "others are not kept waiting"
    assert caplog.text.count("192.0.2.1 asked for") == 1, "a line, not one for each"


def test_an_ipv6_client_has_a_whole_network() -> None:
    quota = SessionQuota()
    assert opened(quota, "2001:db8::1", EACH, 0.0) == EACH
    assert not quota.take("2001:db8::2", 0.0)
    assert quota.take("2001:db8:0:1::1", 0.0)


def test_this_machine_is_not_counted() -> None:
    quota = SessionQuota()
    assert opened(quota, "127.0.0.1", EACH + 5, 0.0) == EACH + 5
    assert not len(quota)


def test_quiet_addresses_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_quota, "MAX_ADDRESSES", 3)
    quota = SessionQuota()
    for number in range(3):
        assert quota.take(f"192.0.2.{number}", 0.0)
    assert quota.take("192.0.2.9", 60.0)
    assert len(quota) == 1
