"""The configuration in force: loaded, reloaded, changed by the API and written back.

Invariants: a file with errors never replaces a good configuration (at the start, what could be
read of it holds, as there is nothing else); a change by the API is first written to the file and
then applied, so that a restart shows the same; changes happen one after another.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from media_api.base import ApiModel, JsonObject
from media_api.events import EventSinkConfig
from media_api.files import write_file
from media_api.protocols import usual_listeners
from media_api.server import Listeners, ServerConfig

from media_streamer.config import ConfigProblem, EditError, load, parse, save_global, save_objects
from media_streamer.config.binder import NAMED_LISTS
from media_streamer.config.edit import NEW_FILE_MODE
from media_streamer.config.log_files import check_log_files, log_directory, refused_sinks
from media_streamer.supervisor.first_login import settle_login

log = logging.getLogger(__name__)

DEFAULT_LISTENERS = Listeners.model_validate(
    {name: [item.port] for name, (_, item) in usual_listeners().items() if item.port}
)
"""For a machine without a configuration file."""

Apply = Callable[[ServerConfig, ServerConfig], None]
"""`apply(old, new)`: bring everything in step."""


class Configuration:
    """One per supervisor. `apply` is called after each change that holds.

    `state`: directory of what is kept beside the file.
    """

    def __init__(self, path: Path, environ: Mapping[str, str], apply: Apply, state: Path) -> None:
        self.path = path
        self.log_directory = log_directory(environ)
        self._state = state
        self._environ = environ
        self._apply = apply
        self._lock = asyncio.Lock()
        self._files: list[Path] = [path]
        self._started = int(time.time())
        self._changes = 0
        self.current = ServerConfig()
        self.problems: list[ConfigProblem] = []
        """Errors of the file as it lies on disk; empty if it is in force."""
        self.file_exists = False

    @property
    def version(self) -> list[int]:
        """Grows with each change: start time (Unix seconds), counter."""
        return [self._started, self._changes]

    async def start(self) -> None:
        """The first load: what can be read holds, whatever is wrong elsewhere in the file."""
        async with self._lock:
            config, problems = await self._load()
            self.problems = problems
            await self._hold(config)

    async def reload(self) -> list[ConfigProblem]:
        """Read the file again; returns its errors, and then the old configuration still holds."""
        async with self._lock:
            config, problems = await self._load()
            self.problems = problems
            if not problems:
                await self._hold(config)
            return problems

    async def text(self) -> str:
        """The main file as it is."""
        return await asyncio.to_thread(_read_text, self.path)

    async def save_text(self, text: str) -> list[ConfigProblem]:
        """Replace the main file; with errors in `text` nothing happens and they are returned."""
        problems = await self.check_text(text)
        if problems:
            return problems
        async with self._lock:
            before = await asyncio.to_thread(_contents, [self.path])
            await asyncio.to_thread(self._write, text)
            return await self._hold_or_undo(before)

    async def check_text(self, text: str) -> list[ConfigProblem]:
        """Errors of a text that somebody would like to save."""
        parsed = await asyncio.to_thread(parse, text, str(self.path))
        return [*parsed.errors, *check_log_files(parsed, parsed.config, self.log_directory)]

    async def save_object(self, key: str, name: str, item: ApiModel | None) -> None:
        """Save one object of the list `key` (None deletes it) and apply it.

        An item under another name than `name` renames it. Raises EditError or OSError; nothing is
        changed then.
        """
        unique = NAMED_LISTS[key][1]
        new_name = name if item is None else str(getattr(item, unique))
        self._refuse_sinks([item])
        async with self._lock:
            items = list(getattr(self.current, key))
            if new_name != name and any(getattr(one, unique) == new_name for one in items):
                raise EditError(f"{new_name} exists already")
            await asyncio.to_thread(self._save_object, key, name, new_name, item)
            places = [at for at, one in enumerate(items) if getattr(one, unique) == name]
            if item is None:
                items = [one for one in items if getattr(one, unique) != name]
            elif places:
                items[places[0]] = item
            else:
                items.append(item)
            self._take(self.current.model_copy(update={key: items}))

    async def save_globals(self, changes: Mapping[str, Any]) -> list[ConfigProblem]:
        """Save global keys (JSON values, None deletes) and lists of objects, then apply them.

        What the files then have wrong (a certificate that is not there, one port for two) is
        returned, and they are as they were. Raises EditError, OSError or ValidationError.
        """
        checked = ServerConfig.model_validate({k: v for k, v in changes.items() if v is not None})
        self._refuse_sinks(checked.event_sinks)
        async with self._lock:
            before = await asyncio.to_thread(_contents, [self.path, *self._files])
            try:
                for key, value in changes.items():
                    if key in NAMED_LISTS:
                        await asyncio.to_thread(self._save_list, key, getattr(checked, key))
                    elif key in ServerConfig.model_fields:
                        saved = None if value is None else checked.explicit().get(key)
                        await asyncio.to_thread(self._save_global, key, saved)
            except (EditError, OSError):
                await asyncio.to_thread(_restore, before)  # of what came before this key
                raise
            return await self._hold_or_undo(before)

    async def _hold_or_undo(self, before: Mapping[Path, bytes | None]) -> list[ConfigProblem]:
        """What was written holds, unless it has errors that only the files show."""
        known = {(one.code, one.detail) for one in self.problems}
        files, existed = self._files, self.file_exists
        config, problems = await self._load()
        if problems and any((one.code, one.detail) not in known for one in problems):
            await asyncio.to_thread(_restore, before)
            # What was refused may include others: the next change goes into those that hold.
            self._files, self.file_exists = files, existed
            return problems
        self.problems = problems
        if not problems:
            await self._hold(config)
        return problems

    def _refuse_sinks(self, items: Iterable[ApiModel | None]) -> None:
        """Raises EditError for an event sink that would write somewhere else."""
        sinks = [item for item in items if isinstance(item, EventSinkConfig)]
        for reason in refused_sinks(sinks, self.log_directory).values():
            raise EditError(reason)

    async def _hold(self, config: ServerConfig) -> None:
        await asyncio.to_thread(settle_login, config, self._state)
        self._take(config)

    def _take(self, config: ServerConfig) -> None:
        """Its login is settled."""
        old, self.current = self.current, config
        self._changes += 1
        self._apply(old, config)

    async def _load(self) -> tuple[ServerConfig, list[ConfigProblem]]:
        began = time.monotonic()
        loaded = await asyncio.to_thread(load, self.path, self._environ)
        self._files = list(loaded.files) or [self.path]
        self.file_exists = self.path.exists()
        problems = loaded.errors
        if not self.file_exists:
            problems = [
                item
                for item in problems
                if (item.code, item.filename) != ("missing_file", str(self.path))
            ]
            if loaded.config.listeners is None:
                loaded.config.listeners = DEFAULT_LISTENERS
        for problem in problems:
            log.error("configuration: %s", problem)
        for problem in loaded.warnings:
            log.warning("configuration: %s", problem)
        count, seconds = len(loaded.config.streams), time.monotonic() - began
        log.info("configuration %s: %d streams, read in %.2f s", self.path, count, seconds)
        return loaded.config, problems

    def _save_object(self, key: str, name: str, new_name: str, item: ApiModel | None) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # The new one first: a fault between two files leaves two, not none.
        save_objects(
            self._files, key, {new_name: item, **({name: None} if new_name != name else {})}
        )

    def _save_list(self, key: str, items: list[ApiModel]) -> None:
        unique = NAMED_LISTS[key][1]
        before = {getattr(item, unique): item for item in getattr(self.current, key)}
        after = {getattr(item, unique): item for item in items}
        changed: dict[str, ApiModel | None] = {
            name: item for name, item in after.items() if before.get(name) != item
        }
        changed.update(dict.fromkeys(before.keys() - after.keys()))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save_objects(self._files, key, changed)

    def _save_global(self, key: str, value: Any) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save_global(self._files, key, value)

    def _write(self, text: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_file(self.path, text, new_mode=NEW_FILE_MODE)


def config_error(problems: list[ConfigProblem]) -> JsonObject | None:
    """`media_api.server_status.ConfigError` of a file's problems, None without any."""
    if not problems:
        return None
    first = problems[0]
    return {
        **first.as_json(),
        "detail": str(first),
        "first_error_line": first.line,
        "first_error_col": first.col,
    }


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _contents(paths: Iterable[Path]) -> dict[Path, bytes | None]:
    """What lies there; None where nothing does."""
    return {path: path.read_bytes() if path.exists() else None for path in dict.fromkeys(paths)}


def _restore(before: Mapping[Path, bytes | None]) -> None:
    for path, data in before.items():
        if data is None:
            path.unlink(missing_ok=True)
        elif path.read_bytes() != data:
            text = data.decode("utf-8", "replace")  # another encoding was an error before, too
            write_file(path, text, new_mode=NEW_FILE_MODE)
