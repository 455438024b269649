"""Files of ended sessions, at times that the test says."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from media_streamer import session_files
from media_streamer.session_files import append, clean, search

DAY = 86_400
NOON = 1_700_000_000 - 1_700_000_000 % DAY + DAY // 2


def record(closed: int, name: str = "a") -> str:
    return json.dumps({"id": f"{closed}", "name": name, "closed_at": closed * 1000})


def found(directory: Path, since: int, until: int, name: str = "") -> list[int]:
    def wanted(one: dict[str, Any]) -> bool:
        return not name or one["name"] == name

    sessions, complete = search(directory, since * 1000, until * 1000, wanted)
    assert complete
    return [one["closed_at"] // 1000 for one in sessions]


def test_they_are_found_by_time_the_newest_first(tmp_path: Path) -> None:
    for day in range(3):
        at = NOON + day * DAY
        append(tmp_path / "log", [record(at), record(at + 1, "b")], at)
    names = sorted(os.listdir(tmp_path / "log"))
    assert names == [f"sessions-2023-11-{day}.jsonl" for day in (14, 15, 16)]
    assert found(tmp_path / "log", NOON, NOON + DAY + 1) == [NOON + DAY, NOON + 1, NOON]
    assert found(tmp_path / "log", NOON, NOON + 9 * DAY, "b") == [
        NOON + 2 * DAY + 1,
        NOON + DAY + 1,
        NOON + 1,
    ]
    assert found(tmp_path / "none", NOON, NOON + DAY) == []


def test_a_large_file_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_files, "FILE_BYTES", 100)
    for second in range(12):
        append(tmp_path, [record(NOON + second)], NOON)
    assert len(os.listdir(tmp_path)) > 3
    assert found(tmp_path, NOON, NOON + DAY) == [NOON + n for n in reversed(range(12))]


def test_old_files_go_and_so_does_what_is_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(400):
        append(tmp_path, [record(NOON + day * DAY)], NOON + day * DAY)
    now = NOON + 399 * DAY
    clean(tmp_path, now)
    assert len(os.listdir(tmp_path)) == session_files.KEPT_DAYS + 1
    monkeypatch.setattr(session_files, "ALL_BYTES", 10 * len(record(NOON)))
    clean(tmp_path, now)
    assert len(os.listdir(tmp_path)) in {9, 10}
    assert found(tmp_path, now, now + 1) == [now]


def test_lines_that_are_none_of_ours_are_left_out(tmp_path: Path) -> None:
    append(tmp_path, ["{cut off", "[1]", "", record(NOON), '{"closed_at": "x"}'], NOON)
    [file] = tmp_path.iterdir()
    with file.open("ab") as tail:
        tail.write(b"\xff\xfe" + b"y" * 500_000)
    (tmp_path / "other.txt").write_text("not ours")
    assert found(tmp_path, NOON, NOON + DAY) == [NOON]


def test_a_search_has_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(tmp_path, [record(NOON + n) for n in range(3000)], NOON)
    clock = iter(range(0, 1000, 4))
    sessions, complete = search(
        tmp_path, NOON * 1000, (NOON + DAY) * 1000, lambda _: True, lambda: next(clock)
    )
    assert (len(sessions), complete) == (1000, False)
    monkeypatch.setattr(session_files, "MAX_FOUND", 10)
    sessions, complete = search(tmp_path, NOON * 1000, (NOON + DAY) * 1000, lambda _: True)
    assert (len(sessions), complete) == (10, False)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "sessions-2023-11-14.jsonl").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=r"symbolic|loop"):
        append(tmp_path / "log", [record(NOON)], NOON)
