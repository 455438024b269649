"""Folders that are opened before a worker is confined: real ones, and disks that hang."""

import logging
import os
import time
from pathlib import Path

import pytest
from media_streamer import folders
from media_streamer.folders import Folders

from tests.support import proc


def test_they_are_told_and_opened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = proc.children(os.getpid())
    films, new, file = tmp_path / "films", tmp_path / "a" / "new", tmp_path / "file"
    films.mkdir()
    file.touch()
    wanted = Folders([new, file], [films, tmp_path / "missing", Path("/a\0b")])
    folders.tell(tmp_path, {"media": wanted, "egress": Folders(read=[films])})
    assert folders.told(tmp_path, "egress") == Folders(read=[films])
    told = folders.told(tmp_path, "media")
    assert told.written == [new, file]
    caplog.set_level(logging.INFO)
    opened = folders.opened(told)
    try:
        assert list(opened.written) == [new], "it is made"
        assert list(opened.read) == [films]
        assert os.path.samestat(os.fstat(opened.read[films]), films.stat())
        assert not os.get_inheritable(opened.read[films])
        assert set(opened.folders.read) == set(told.read), "no other worker would have them"
        assert f"folder {file}: nothing can be written there" in caplog.text
        assert opened.missing[tmp_path / "missing"] == "No such file or directory"
    finally:
        opened.close()
    left = set(proc.children(os.getpid())) - set(before)
    until = time.monotonic() + 30
    while any(map(proc.is_alive, left)):
        assert time.monotonic() < until, "who opened them ends"
        time.sleep(0.01)


def test_a_disk_that_hangs_keeps_nobody_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = [tmp_path / name for name in ("a", "hangs", "b")]
    for path in read:
        path.mkdir()
    whole = folders._open

    def hanging(answers: object, path: Path, written: bool) -> None:
        if path.name == "hangs":
            time.sleep(600)
        whole(answers, path, written)  # type: ignore[arg-type]

    monkeypatch.setattr(folders, "_open", hanging)
    opened = folders.opened(Folders(read=read), 2.0)
    opened.close()
    assert list(opened.read) == [read[0], read[2]]
    assert opened.missing == {read[1]: "it does not answer within 2 s"}


def test_without_folders_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("it forks"))
    assert folders.opened(Folders()).folders == Folders()
