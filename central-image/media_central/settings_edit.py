"""Changes of `central.conf` by the API: the file keeps its comments, its order and its spelling.

Only what is asked for is touched. The new text is checked as a whole before it is written, and it
is written beside the old one and put in its place at once. What is in force does not change:
Central reads its settings at the start.
"""

import threading
from collections.abc import Mapping
from pathlib import Path

from media_api.files import write_file

from media_central.settings import LoadedSettings, set_by_environment, setting_name, settings_of
from media_central.settings_file import SettingsError, parse_settings, read_text

NEW_FILE_MODE = 0o600
"""It holds keys and passwords."""
_WRITING = threading.Lock()


class SetByEnvironmentError(Exception):
    """A variable of the environment wins over the file: the change would do nothing."""


def edit_settings(text: str, changes: Mapping[str, str | None]) -> str:
    """`text` with settings set (None: removed). Keys are names of fields of `Settings`.

    A setting that is there several times, where the last one counts, is left once.
    """
    lines = text.splitlines()
    kept: list[str] = []
    pending = {name: _line(name, value) for name, value in changes.items() if value is not None}
    for line in lines:
        stripped = line.strip()
        found = None
        if stripped and stripped[0] not in "#%":
            found = setting_name(parse_settings(stripped, "")[0].name)
        if found not in changes:
            kept.append(line)
        elif found in pending:
            kept.append(pending.pop(found))
    return "\n".join([*kept, *pending.values()]) + "\n"


def _line(name: str, value: str) -> str:
    if not value.isprintable():
        raise SettingsError([f"{name}: line breaks and control characters cannot be written"])
    quote = next((mark for mark in "\"'" if mark not in value), None)
    plain = value.strip() == value and value[:1] not in "\"'" and not set(value) & set("#;")
    if not plain and quote is None:
        raise SettingsError([f"{name}: both kinds of quotes in one value cannot be written"])
    return f"{name.upper()}={value if plain else f'{quote}{value}{quote}'}"


def change_file(
    path: Path, changes: Mapping[str, str | None], environ: Mapping[str, str]
) -> LoadedSettings:
    """Save changes; returns the settings of the next start. Blocks.

    Raises SettingsError (nothing is written), SetByEnvironmentError or OSError.
    """
    fixed = sorted(set(changes) & set_by_environment(environ))
    if fixed:
        names = ", ".join(name.upper() for name in fixed)
        raise SetByEnvironmentError(f"{names} comes from the environment: change it there")
    with _WRITING:
        text = edit_settings(read_text(path) if path.exists() else "", changes)
        loaded = settings_of(parse_settings(text, str(path)), path, environ)
        write_file(path, text, new_mode=NEW_FILE_MODE)
    return loaded
