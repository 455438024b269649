from hypothesis import given
from hypothesis import strategies as st
from media_central.streamers.client import StreamerError
from media_central.streamers.health import (
    RULES,
    Health,
    problems_of_answer,
    problems_of_failure,
)

NOW_MS = 1_800_000_000_000
GOOD = {"streamer_status": "running", "now": NOW_MS}


def test_a_sound_streamer_has_no_problems():
    assert problems_of_answer(GOOD, NOW_MS, None) == {}


def test_a_clock_beyond_the_limit_is_a_problem_with_its_sign():
    problems = problems_of_answer({**GOOD, "now": NOW_MS - 31_000}, NOW_MS, None)
    assert problems == {"time_synchronized": "its clock is -31 s off: synchronise both"}


def test_secrets_in_a_streamers_words_are_hidden():
    stats = {**GOOD, "config_error": {"error": "bad_url", "detail": "rtsp://u:hidden@h/1"}}
    assert "hidden" not in str(problems_of_answer(stats, NOW_MS, None))


def test_a_refused_key_is_told_apart_from_no_answer():
    assert list(problems_of_failure(StreamerError("x", 403))) == ["valid_cluster_key"]
    assert list(problems_of_failure(StreamerError("x"))) == ["reachable"]


def test_nothing_is_claimed_of_an_unreachable_streamer():
    health = Health(5)
    health.update({"reachable": "away"}, 0, NOW_MS)
    checks = health.state()["checks"]
    assert not any(checks[rule] for rule in RULES)


def test_the_time_of_a_change_stays_until_the_next_change():
    health = Health(5)
    assert health.state() is None
    health.update({}, 0, 1000)
    health.update({}, 1, 2000)
    assert health.state()["status_changed_at"] == 1000
    health.update({"reachable": "away"}, 2, 3000)
    assert (health.state()["status"], health.state()["status_changed_at"]) == ("error", 3000)


def test_a_streamer_that_fails_often_is_unhealthy_until_an_hour_has_passed():
    health = Health(3)
    health.update({}, 0, 0)
    for turn in range(3):
        health.update({"reachable": "away"}, 10 + turn, 0)
        health.update({}, 10.5 + turn, 0)
    state = health.state()
    assert state["status"] == "error"
    assert "3 failures within an hour" in state["checks"]["errors_details"][0]["error"]
    health.update({}, 4000, 0)
    assert health.state()["status"] == "ok"


@given(
    st.dictionaries(
        st.sampled_from(["streamer_status", "now", "config_error", "config_external_status", "id"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=8), inner, max_size=3)
            ),
            max_leaves=6,
        ),
    )
)
def test_whatever_a_streamer_says_is_judged(stats):
    problems = problems_of_answer(stats, NOW_MS, None)
    assert set(problems) <= set(RULES)
    assert all(isinstance(text, str) for text in problems.values())
