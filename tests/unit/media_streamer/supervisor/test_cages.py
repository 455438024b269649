"""Which media worker may record where, and when another one begins."""

from pathlib import Path

from media_streamer.supervisor.cages import MAX_MORE, REST_SECONDS, Cages, Needs
from media_streamer.supervisor.settings import QUARANTINE_ID

A, B = Path("/srv/a"), Path("/srv/b")


def writes(*folders: Path) -> Needs:
    return Needs(written=frozenset(folders))


def reads(*folders: Path) -> Needs:
    return Needs(read=frozenset(folders))


def test_who_has_not_said_what_it_knows_may() -> None:
    cages = Cages(["0", "1"])
    assert cages.fitting(writes(A)) == ["0", "1"]
    cages.said("0", ["/srv/a"], [], 0.0)
    cages.said("1", [], [], 0.0)
    assert cages.fitting(writes(A)) == ["0"]
    assert cages.fitting(writes(A, B)) == []
    assert cages.fitting(Needs()) == ["0", "1"]
    cages.died("1")
    assert cages.fitting(writes(A, B)) == ["1"]


def test_a_worker_begins_for_a_folder_that_is_new_to_all() -> None:
    cages = Cages(["0"])
    cages.said("0", [], [], 0.0)
    assert cages.begin(writes(A), 1.0) == "1"
    assert cages.fitting(writes(A)) == ["1"]
    assert cages.begin(writes(B), 2.0) == "2"
    cages.said("1", ["/srv/a"], [], 3.0)
    assert cages.fitting(writes(A)) == ["1", "2"]
    assert cages.workers == ["0", "1", "2"]


def test_none_is_begun_again_for_a_folder_that_nobody_can_know() -> None:
    cages = Cages(["0"])
    cages.said("0", [], [], 0.0)
    cages.begin(writes(A), 1.0)
    cages.said("1", [], [], 2.0)
    assert cages.fitting(writes(A)) == ["0", "1"], "who records there says what is wrong"
    cages.said("0", ["/srv/a"], [], 3.0)
    assert cages.fitting(writes(A)) == ["0"]


def test_beyond_the_bound_one_is_begun_anew() -> None:
    cages = Cages(["0"])
    cages.said("0", [], [], 0.0)
    for number in range(MAX_MORE):
        assert not cages.full
        worker = cages.begin(writes(Path(f"/srv/{number}")), float(number))
        cages.said(worker, [f"/srv/{number}"], [], float(number))
    assert cages.full
    assert cages.begin(writes(A), 10.0) == "1"
    assert len(cages.workers) == 1 + MAX_MORE
    assert cages.fitting(writes(A)) == ["1"]


def test_one_without_streams_ends_and_a_regular_one_never_does() -> None:
    cages = Cages(["0"])
    cages.said("0", [], [], 0.0)
    cages.said("1", ["/srv/a"], [], 0.0)  # of a supervisor that was killed
    assert cages.workers == ["0", "1"]
    assert cages.resting({"1"}, REST_SECONDS) == []
    assert cages.resting((), 2 * REST_SECONDS) == []
    assert cages.resting((), 2 * REST_SECONDS + 1) == ["1"]
    assert cages.workers == ["0"]
    assert cages.begin(writes(A), 200.0) == "1"


def test_the_worker_of_suspects_is_none_of_them() -> None:
    cages = Cages(["0"])
    cages.said(QUARANTINE_ID, [], [], 0.0)
    assert cages.workers == ["0"]
    assert not cages.may(QUARANTINE_ID, writes(A))


def test_who_reads_may_read_what_lies_below_what_it_knows() -> None:
    cages = Cages(["0", "1"])
    cages.said("0", ["/srv/a"], [], 0.0)
    cages.said("1", [], ["/srv/a", "/srv/b"], 0.0)
    assert cages.fitting(writes(A)) == ["0"], "to read is not to write"
    assert cages.fitting(reads(A)) == ["0", "1"], "to write is to read"
    assert cages.fitting(reads(A / "new" / "films", B)) == ["1"]
    assert cages.fitting(reads(Path("/srv"))) == []


def test_a_worker_that_was_begun_to_read_stays() -> None:
    """What it plays is no stream."""
    cages = Cages(["0"])
    cages.said("0", [], [], 0.0)
    assert cages.begin(reads(B), 0.0) == "1"
    cages.said("1", [], ["/srv/b"], 1.0)
    assert cages.resting((), 10 * REST_SECONDS) == []
    assert cages.fitting(reads(B)) == ["1"]


def test_a_disk_that_was_replaced_is_known_to_no_worker() -> None:
    """What confines a worker is of the folder that was there when it began."""
    cages = Cages(["0", "1"])
    cages.said("0", ["/srv/a", "/srv/b"], [], 0.0)
    cages.said("1", [], ["/srv/a", "/srv/b"], 0.0)
    cages.replaced([A])
    assert cages.fitting(writes(A)) == cages.fitting(reads(A)) == []
    assert (cages.fitting(writes(B)), cages.fitting(reads(B))) == (["0"], ["0", "1"])
    assert cages.begin(writes(A), 0.0) == "2"
    cages.said("2", ["/srv/a"], [], 1.0)
    assert cages.fitting(writes(A)) == ["2"]
