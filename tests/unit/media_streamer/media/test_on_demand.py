"""When a stream has to run."""

import pytest
from media_api.stream import StreamConfig
from media_streamer.media.on_demand import CLIENTS_TIMEOUT_SECONDS, RETRY_LIMIT, OnDemand


def demand(**options: object) -> OnDemand:
    return OnDemand(StreamConfig.model_validate({"name": "s", **options}), 0.0)


def test_a_static_stream_runs_unless_it_is_disabled() -> None:
    assert demand(static=True).wanted
    assert not demand(static=True).idle
    assert not demand(static=True, disabled=True).wanted
    made = demand(static=True)
    assert made.stop_if_unused(False, 1e6) is None
    assert not made.failed(1000, "refused")


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(None, CLIENTS_TIMEOUT_SECONDS), (True, 60), (5, 5)]
)
def test_one_on_demand_runs_from_its_start_until_it_is_unused(
    timeout: object, seconds: float
) -> None:
    made = demand(static=False, clients_timeout=timeout)
    assert made.idle
    assert not made.wanted
    made.start(10.0)
    assert made.wanted
    assert made.stop_if_unused(True, 100.0) is None
    assert made.stop_if_unused(False, 100.0 + seconds) is None
    made.used(101.0)
    assert made.stop_if_unused(False, 101.0 + seconds) is None
    assert made.stop_if_unused(False, 101.1 + seconds) == seconds
    assert not made.wanted


def test_one_without_a_timeout_runs_on() -> None:
    made = demand(static=False, clients_timeout=False)
    made.start(0.0)
    assert made.stop_if_unused(False, 1e9) is None


def test_it_gives_up_and_tries_again_when_it_is_asked() -> None:
    made = demand(static=False)
    made.start(0.0)
    assert not made.failed(RETRY_LIMIT - 1, "refused")
    assert made.failed(RETRY_LIMIT, "refused")
    assert (made.wanted, made.failing, made.given_up) == (False, True, "refused")
    assert not made.failed(RETRY_LIMIT, "refused"), "once"
    made.start(1.0)
    assert (made.wanted, made.given_up) == (True, None)
    endless = demand(static=False, retry_limit=0)
    endless.start(0.0)
    assert not endless.failed(1000, "refused")
