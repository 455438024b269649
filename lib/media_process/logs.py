"""The log of every program: one line a record, whatever strangers put into it.

Names of streams, headers, URLs and answers of other servers reach the log. None of them may start
a line of its own, colour a terminal or turn the reading direction, and none may raise: what is not
printable is escaped, what is long is cut. A traceback keeps its lines, each of them indented, so
that no line of it can be taken for a record.
"""

import codecs
import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Literal, TextIO

log = logging.getLogger(__name__)

LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "alert": logging.CRITICAL,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 1,
}
"""Words for how much is said, those of configuration files, of the environment and of manifests."""

LogFormat = Literal["text", "json"]
MAX_MESSAGE_CHARACTERS = 8192
MAX_TRACEBACK_CHARACTERS = 65_536


def level_of(word: str) -> int:
    """The level a word stands for, in any case. Raises ValueError that lists the words."""
    try:
        return LEVELS[word.strip().lower()]
    except KeyError:
        raise ValueError(f"{word!r} is no level of the log: {', '.join(LEVELS)}") from None


def format_of(word: str) -> LogFormat:
    """`text` or `json`, in any case; empty is text. Raises ValueError."""
    match word.strip().lower():
        case "" | "text":
            return "text"
        case "json":
            return "json"
    raise ValueError(f"{word!r} is no format of the log: text, json")


def set_up(
    program: str, level: int, log_format: LogFormat = "text", stream: TextIO | None = None
) -> None:
    """Log to `stream` (standard error) from now on, in place of what was set up before."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(program) if log_format == "json" else LineFormatter(program))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def set_up_worker(program: str, environ: Mapping[str, str]) -> None:
    """The same for a process whose parent has checked STREAMER_LOG_LEVEL and _LOG_FORMAT."""
    json_wanted = environ.get("STREAMER_LOG_FORMAT", "").strip().lower() == "json"
    set_up(program, logging.INFO, "json" if json_wanted else "text")
    set_level(environ.get("STREAMER_LOG_LEVEL"))


def set_level(word: str | None) -> None:
    """Say this much from now on; None and a word that is none are the default, info."""
    root, level = logging.getLogger(), LEVELS.get((word or "").lower(), logging.INFO)
    before = root.level
    if level == before:
        return
    root.setLevel(min(level, before))  # who made the log quiet finds the line that says so
    log.info("level of the log: %s", logging.getLevelName(level).lower())
    root.setLevel(level)


def escape(text: str, most: int = MAX_MESSAGE_CHARACTERS) -> str:
    r"""Printable text on one line, at most about `most` characters: `\n`, `\x1b`, `\u202e`."""
    if len(text) > most:
        text = f"{text[:most]}… ({len(text) - most} characters more)"
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


_escape = codecs.lookup("unicode_escape").encode
"""Looked up now: a worker that has confined itself imports nothing any more."""


def _escaped(character: str) -> str:
    return _escape(character, "surrogatepass")[0].decode("ascii")


class LineFormatter(logging.Formatter):
    """`2026-01-31 12:00:00,123 INFO egress 0: message`, then the lines of a traceback."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        head = f"{self.formatTime(record)} {record.levelname} {self._program}: "
        line = head + escape(record.getMessage())
        more = _traceback(self, record)
        return "\n".join([line, *("  | " + escape(one) for one in more.split("\n") if one)])


class JsonFormatter(logging.Formatter):
    """One JSON object a line; `time` is UTC."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        message = record.getMessage()
        line = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "program": self._program,
            "pid": record.process,
            "logger": record.name,
            "message": message[:MAX_MESSAGE_CHARACTERS],
        }
        if traceback := _traceback(self, record):
            line["traceback"] = traceback
        return json.dumps(line)  # ASCII: all else is escaped, halves of surrogate pairs too


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The traceback of a record, its end where it is too long: the exception stands there."""
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    elif record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)[-MAX_TRACEBACK_CHARACTERS:]
