"""Which media worker may record where, and when another one begins."""

from pathlib import Path

from media_streamer.supervisor.cages import MAX_MORE, REST_SECONDS, Cages
from media_streamer.supervisor.settings import QUARANTINE_ID

A, B = Path("/srv/a"), Path("/srv/b")


def test_who_has_not_said_what_it_knows_may() -> None:
    cages = Cages(["0", "1"])
    assert cages.fitting({A}) == ["0", "1"]
    cages.said("0", ["/srv/a"], 0.0)
    cages.said("1", [], 0.0)
    assert cages.fitting({A}) == ["0"]
    assert cages.fitting({A, B}) == []
    assert cages.fitting(()) == ["0", "1"]
    cages.died("1")
    assert cages.fitting({A, B}) == ["1"]


def test_a_worker_begins_for_a_folder_that_is_new_to_all() -> None:
    cages = Cages(["0"])
    cages.said("0", [], 0.0)
    assert cages.begin({A}, 1.0) == "1"
    assert cages.fitting({A}) == ["1"]
    assert cages.begin({B}, 2.0) == "2"
    cages.said("1", ["/srv/a"], 3.0)
    assert cages.fitting({A}) == ["1", "2"]
    assert cages.workers == ["0", "1", "2"]


def test_none_is_begun_again_for_a_folder_that_nobody_can_know() -> None:
    cages = Cages(["0"])
    cages.said("0", [], 0.0)
    cages.begin({A}, 1.0)
    cages.said("1", [], 2.0)
    assert cages.fitting({A}) == ["0", "1"], "who records there says what is wrong"
    cages.said("0", ["/srv/a"], 3.0)
    assert cages.fitting({A}) == ["0"]


def test_beyond_the_bound_one_is_begun_anew() -> None:
    cages = Cages(["0"])
    cages.said("0", [], 0.0)
    for number in range(MAX_MORE):
        assert not cages.full
        worker = cages.begin({Path(f"/srv/{number}")}, float(number))
        cages.said(worker, [f"/srv/{number}"], float(number))
    assert cages.full
    assert cages.begin({A}, 10.0) == "1"
    assert len(cages.workers) == 1 + MAX_MORE
    assert cages.fitting({A}) == ["1"]


def test_one_without_streams_ends_and_a_regular_one_never_does() -> None:
    cages = Cages(["0"])
    cages.said("0", [], 0.0)
    cages.said("1", ["/srv/a"], 0.0)  # of a supervisor that was killed
    assert cages.workers == ["0", "1"]
    assert cages.resting({"1"}, REST_SECONDS) == []
    assert cages.resting((), 2 * REST_SECONDS) == []
    assert cages.resting((), 2 * REST_SECONDS + 1) == ["1"]
    assert cages.workers == ["0"]
    assert cages.begin({A}, 200.0) == "1"


def test_the_worker_of_suspects_is_none_of_them() -> None:
    cages = Cages(["0"])
    cages.said(QUARANTINE_ID, [], 0.0)
    assert cages.workers == ["0"]
    assert not cages.may(QUARANTINE_ID, {A})
