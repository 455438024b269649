"""What strangers write never makes a line of its own, in either format."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_process import logs

FORGED = "x\n2026-01-01 00:00:00,000 INFO streamer: all is well\r\x1b[2J\x00\x85\u2028\u202e\ud800"


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], _ = before
    root.setLevel(before[1])


def logged(log_format: logs.LogFormat, text: str, *, fail: bool = False) -> list[str]:
    stream = io.StringIO()
    logs.set_up("streamer", logging.INFO, log_format, stream)
    try:
        if fail:
            raise ValueError(text)
    except ValueError:
        logging.getLogger("some.part").exception("stream %s failed", text)
    else:
        logging.getLogger("some.part").warning("stream %s", text)
    written = stream.getvalue()
    written.encode()  # a half of a surrogate pair would raise here, and in the terminal
    assert written.endswith("\n")
    return written[:-1].split("\n")


def test_a_forged_line_stays_in_its_record() -> None:
    (line,) = logged("text", FORGED)
    assert line.isprintable()
    assert r"stream x\n2026-01-01" in line
    assert r"\r\x1b[2J\x00\x85\u2028\u202e\ud800" in line
    (line,) = logged("json", FORGED)
    record = json.loads(line)
    assert record["message"] == f"stream {FORGED}"
    assert (record["level"], record["program"], record["logger"]) == (
        "warning",
        "streamer",
        "some.part",
    )


def test_lines_of_a_traceback_are_no_records() -> None:
    head, *more = logged("text", FORGED, fail=True)
    assert "ERROR streamer: stream x" in head
    assert len(more) > 3
    assert all(line.startswith("  | ") and line.isprintable() for line in more)
    assert r"ValueError: x" in more[-2]
    assert r"all is well\r\x1b[2J" in more[-1]
    (line,) = logged("json", FORGED, fail=True)
    assert "all is well" in json.loads(line)["traceback"]


def test_long_text_is_cut_and_ordinary_text_is_not_touched() -> None:
    (line,) = logged("text", "я" * 100_000)
    assert len(line) < 9000
    assert line.endswith("characters more)")
    assert logged("text", "Первый канал ☂ é")[0].endswith("stream Первый канал ☂ é")


@given(st.text(st.characters()))
def test_whatever_comes_is_one_printable_line(text: str) -> None:
    assert logs.escape(text).isprintable()


def test_words() -> None:
    assert logs.level_of("Notice") == logging.INFO
    assert logs.format_of("JSON") == "json"
    with pytest.raises(ValueError, match="'loud' is no level"):
        logs.level_of("loud")
    with pytest.raises(ValueError, match="'xml' is no format"):
        logs.format_of("xml")


def test_a_worker_starts_whatever_the_words_are() -> None:
    logs.set_up_worker("egress 0", {"STREAMER_LOG_LEVEL": "notice"})
    assert logging.getLogger().level == logging.INFO
    logs.set_up_worker("egress 0", {"STREAMER_LOG_LEVEL": "loud", "STREAMER_LOG_FORMAT": "xml"})
    assert logging.getLogger().level == logging.INFO
    logs.set_up_worker("egress 0", {"STREAMER_LOG_LEVEL": "none"})
    assert not logging.getLogger().isEnabledFor(logging.CRITICAL)
    logs.set_level(None)
    assert logging.getLogger().level == logging.INFO


def test_a_process_that_can_import_nothing_any_more_escapes() -> None:
    """As a confined worker: codecs are modules that are looked for when they are needed first."""
    program = (
        "import sys; from media_process.logs import escape; sys.meta_path.clear();"
        "print(escape('a\\nb\\u202e'))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert found.stdout == "a\\nb\\u202e\n"
