from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.archive.ranges import Range
from media_streamer.archive.retention import Disk, Limits, StoredFile, expired

HOUR = 3_600_000
NOW = 1000 * HOUR
ROOMY = Disk(1000, 0)


def file(hour: int, size: int = 10, stream: str = "a", *, is_open: bool = False) -> StoredFile:
    time = Range(hour * HOUR, (hour + 1) * HOUR)
    return StoredFile(stream, f"{stream}-{hour}", time, size, is_open)


def hours(gone: list[StoredFile]) -> list[int]:
    return [one.time.from_ms // HOUR for one in gone]


def test_age() -> None:
    files = [file(hour) for hour in range(990, 1000)]
    limits = {"a": Limits(expiration_seconds=3 * 3600)}
    assert hours(expired(files, limits, {}, ROOMY, NOW)) == list(range(990, 997))
    assert expired(files, {"a": Limits()}, {}, ROOMY, NOW) == []
    assert expired(files, {}, {}, ROOMY, NOW) == []


def test_size_counts_what_age_has_freed() -> None:
    files = [file(hour) for hour in range(990, 1000)]
    limits = {"a": Limits(expiration_seconds=8 * 3600, size_bytes=60)}
    assert hours(expired(files, limits, {}, ROOMY, NOW)) == list(range(990, 994))


def test_each_disk_deletes_its_own_and_counts_what_others_hold() -> None:
    files = [replace(file(n), disk="d1" if n % 2 else "d2") for n in range(990, 1000)]
    limits = {"a": Limits(size_bytes=60)}
    assert hours(expired(files, limits, {}, ROOMY, NOW, "d1")) == [991, 993]
    assert hours(expired(files, limits, {}, ROOMY, NOW, "d2")) == [990, 992]
    limits = {"a": Limits(disk_percent=50)}
    full = Disk(100, 75)
    assert hours(expired(files, limits, {}, full, NOW, "d1")) == [991, 993, 995]
    assert expired(files, limits, {}, Disk(100, 50), NOW, "d2") == []


def test_the_disk_takes_the_oldest_of_all_streams_that_say_so() -> None:
    files = [file(n, stream=name) for n in range(990, 994) for name in ("a", "b", "c")]
    limits = {"a": Limits(disk_percent=50), "b": Limits(disk_percent=80), "c": Limits()}
    gone = expired(files, limits, {}, Disk(100, 75), NOW)
    assert [(one.stream, hours([one])[0]) for one in gone] == [
        ("a", 990), ("a", 991), ("a", 992),
    ]  # fmt: skip


def test_locks_and_open_files_stay() -> None:
    files = [file(990), file(991), file(992, is_open=True)]
    limits = {"a": Limits(expiration_seconds=1, size_bytes=0, disk_percent=1)}
    locks = {"a": [Range(991 * HOUR - 5, 991 * HOUR + 5)]}
    assert expired(files, limits, locks, Disk(100, 99), NOW) == []
    locks = {"a": [Range(991 * HOUR, 991 * HOUR + 5)]}
    assert hours(expired(files, limits, locks, Disk(100, 99), NOW)) == [990]


files = st.lists(
    st.builds(file, st.integers(0, 999), st.integers(0, 50), st.sampled_from("ab")),
    max_size=12,
    unique_by=lambda one: one.id,
)
maybe = st.none() | st.integers(0, 100)
limits = st.builds(Limits, st.none() | st.integers(0, 4_000_000), maybe, maybe)


@given(files, limits, limits, st.integers(0, 999), st.integers(0, 1000))
def test_every_limit_holds_and_nothing_goes_without_one(
    stored: list[StoredFile], first: Limits, second: Limits, locked: int, used: int
) -> None:
    of = {"a": first, "b": second}
    lock = Range(locked * HOUR, (locked + 1) * HOUR)
    gone = expired(stored, of, {"a": [lock]}, Disk(1000, used), NOW)
    assert len({one.id for one in gone}) == len(gone)
    left = [one for one in stored if one not in gone]
    assert not any(one.stream == "a" and one.time.overlaps(lock) for one in gone)
    for name, limit in of.items():
        free = [
            one for one in left
            if one.stream == name and not (name == "a" and one.time.overlaps(lock))
        ]  # fmt: skip
        if limit.expiration_seconds is not None:
            oldest = NOW - limit.expiration_seconds * 1000
            assert all(one.time.to_ms > oldest for one in free)
        if limit.size_bytes is not None and free:
            assert sum(one.size for one in left if one.stream == name) <= limit.size_bytes
        if limit == Limits():
            assert not any(one.stream == name for one in gone)
    if used == 0 and first.expiration_seconds is None and first.size_bytes is None:
        assert not any(one.stream == "a" for one in gone)
