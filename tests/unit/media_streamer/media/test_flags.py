"""Files that switch inputs: read beside the loop, a hung one holds nobody up."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from media_streamer.media import flags as module
from media_streamer.media.flags import Flags, read_flag


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_the_first_character_counts(tmp_path: Path) -> None:
    path = tmp_path / "flag"
    assert read_flag(str(path)) == ""
    path.write_bytes(b" 1\n")
    assert read_flag(str(path)) == "1"
    path.write_bytes(b"\xff\xfe")
    assert read_flag(str(path)) == ""
    assert read_flag("a\0b") == ""


def test_what_a_file_says_is_known_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REREAD_SECONDS", 0.0)
    flags, path = Flags(), tmp_path / "flag"
    assert flags.get(str(path), "s") in (None, "")
    until(lambda: flags.get(str(path), "s") == "")
    path.write_text("1")
    until(lambda: flags.get(str(path), "s") == "1")


def test_a_file_that_hangs_holds_nobody_up_and_its_last_word_holds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "REREAD_SECONDS", 0.0)
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.0)
    hanging, go_on = threading.Event(), threading.Event()

    def read(path: str) -> str:
        if path == "/nfs" and hanging.is_set():
            go_on.wait(20)
        return "1"

    flags = Flags(read)
    until(lambda: flags.get("/nfs", "live") == "1")
    hanging.set()
    until(lambda: "stream live: no answer from /nfs" in (flags.get("/nfs", "live"), caplog.text)[1])
    assert flags.get("/nfs", "live") == "1"
    until(lambda: flags.get("/local", "other") == "1")
    caplog.clear()
    assert flags.get("/nfs", "live") == "1"
    assert "no answer" not in caplog.text, "said once"
    go_on.set()
    until(lambda: not flags._files["/nfs"].reading)


def test_a_file_that_was_never_read_counts_as_missing_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = threading.Event()
    flags = Flags(lambda path: "1" if go_on.wait(20) else "")
    assert flags.get("/nfs", "s") is None
    assert flags.get("/nfs", "s") is None
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.0)
    assert flags.get("/nfs", "s") == ""
    go_on.set()


def test_threads_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    flags = Flags(lambda path: "1" if go_on.wait(20) else "")
    for number in range(50):
        flags.get(f"/nfs/{number}", "s")
    assert flags._threads == module.MAX_THREADS
    go_on.set()
    until(lambda: all(flags.get(f"/nfs/{number}", "s") == "1" for number in range(50)))
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.0)
    flags.get("/new", "s")
    assert set(flags._files) == {"/new"}
