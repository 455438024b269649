"""The text of `central.conf`: lines to named values with their place.

Three spellings have been in use and all are read: `KEY=value`, `KEY value` and `key value;`. A line
that starts with `#` or `%` is a comment, and so is what follows ` #` outside quotes. Names are
case-insensitive. Nothing is interpreted here: what a value means is `media_central.settings`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:\s*=\s*|\s+|;?$)(?P<value>.*)")
_INLINE_COMMENT = re.compile(r"\s#.*$")


@dataclass(frozen=True, slots=True)
class Setting:
    """One value as it was written, and where: `central.conf:3` or `environment`."""

    name: str
    value: str
    place: str


class SettingsError(Exception):
    """A configuration that Central cannot start with. One problem a line, each with its place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_settings_file(path: Path) -> list[Setting]:
    """Settings of the file in their order. Raises SettingsError (unreadable, malformed lines)."""
    return parse_settings(read_text(path), str(path))


def read_text(path: Path) -> str:
    """The file as it is. Raises SettingsError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: not UTF-8 text ({error.reason})"]) from error


def parse_settings(text: str, filename: str) -> list[Setting]:
    """Settings of a file's text, names in upper case. Raises SettingsError for malformed lines."""
    settings: list[Setting] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#%":
            continue
        place = f"{filename}:{number}"
        match = _LINE.fullmatch(stripped)
        if match is None:
            problems.append(f"{place}: expected NAME=value, found {stripped.split()[0]!r}")
            continue
        settings.append(Setting(match["name"].upper(), _unquote(match["value"]), place))
    if problems:
        raise SettingsError(problems)
    return settings


def _unquote(raw: str) -> str:
    value = raw.strip()
    if len(value) >= 2 and value[0] in "\"'":
        end = value.find(value[0], 1)
        if end > 0 and value[end + 1 :].strip(" ;") == "":
            return value[1:end]
    return _INLINE_COMMENT.sub("", value).rstrip().rstrip(";").rstrip()
