"""State files that a crash has cut, or a disk has garbled: the program starts and says so."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from media_rest.first_password import FILE_NAME, LEAST_CHARACTERS, first_password
from media_streamer import folders, last_words, session_files
from media_streamer.archive import locks
from media_streamer.archive.places import LOCKS_FILE
from media_streamer.archive.ranges import Range

FOLDERS = json.dumps({"media": {"read": ["/srv/a"], "written": ["/srv/b"]}}).encode()
LOCKS = json.dumps([Range(1000, 2000)._asdict()]).encode()
WORDS = msgspec.json.encode(last_words.LastWords("memory", ["a", "b"], 2.0))
PASSWORD = b"abcdefghijklmnopqrst\n"
SESSION = b'{"id":"x","closed_at":1769853600000}\n{"id":"y","closed_at":1769853600001}\n'
DAY = "sessions-2026-01-31.jsonl"
ODD = (b"", b"null", b"5", b"{}", b"[5]", b'["\\u0000"]', b"\xff\xfe", bytes(64), b"[" * 50_000)


def read_folders(directory: Path, data: bytes) -> None:
    (directory / folders.FILE).write_bytes(data)
    found = folders.told(directory, "media")
    assert all(isinstance(one, Path) for one in (*found.written, *found.read))


def read_locks(directory: Path, data: bytes) -> None:
    """Where it is not known what is locked, ValueError says so, and nothing is deleted."""
    (directory / LOCKS_FILE).write_bytes(data)
    try:
        found = locks.read_locks(directory)
    except ValueError:
        return
    assert all(isinstance(one, Range) for one in found)


def read_words(directory: Path, data: bytes) -> None:
    (directory / "media-0.end").write_bytes(data)
    last_words.take(directory / "media-0.end")
    assert not (directory / "media-0.end").exists()


def read_sessions(directory: Path, data: bytes) -> None:
    (directory / DAY).write_bytes(data)
    found, whole = session_files.search(directory, 0, 2**42, lambda _: True)
    assert whole
    assert len(found) <= data.count(b"\n") + 1


def read_password(directory: Path, data: bytes) -> None:
    """What is left of a password is none: a new one is made, and told."""
    (directory / FILE_NAME).write_bytes(data)
    found = first_password(directory)
    assert len(found.password) >= LEAST_CHARACTERS
    assert found.password.isprintable()
    assert first_password(directory).password == found.password


FILES: dict[str, tuple[Callable[[Path, bytes], None], bytes]] = {
    "folders.json": (read_folders, FOLDERS),
    "locks": (read_locks, LOCKS),
    "last words": (read_words, WORDS),
    "sessions": (read_sessions, SESSION),
    "first password": (read_password, PASSWORD),
}


@pytest.mark.parametrize("name", FILES)
def test_cut_at_every_length(name: str, tmp_path: Path) -> None:
    read, whole = FILES[name]
    for data in (*(whole[:size] for size in range(len(whole) + 1)), *ODD):
        read(tmp_path, data)


@pytest.mark.parametrize("name", FILES)
def test_garbled(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    read, whole = FILES[name]
    directory = tmp_path_factory.mktemp("state")

    @given(st.integers(0, len(whole) - 1), st.binary(min_size=1, max_size=4))
    @example(0, b"\xff")
    def garble(at: int, other: bytes) -> None:
        read(directory, whole[:at] + other + whole[at + len(other) :])

    garble()


def test_a_damaged_list_of_folders_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    assert folders.told(tmp_path, "media") == folders.Folders()
    assert not caplog.records, "there is none at first"
    (tmp_path / folders.FILE).write_bytes(FOLDERS[:-1])
    assert folders.told(tmp_path, "media") == folders.Folders()
    assert str(tmp_path / folders.FILE) in caplog.text
