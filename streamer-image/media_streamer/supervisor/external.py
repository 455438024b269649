"""The streams that a configuration backend (`config_external`) gives, kept in step with it.

Invariants: a backend that fails or talks nonsense changes nothing; what it said last is kept in a
file and holds from the first second of the next start; one wrong stream in an answer costs that
stream only, and keeps what it had. Nothing of it enters the configuration file. A list that is the
same as before costs a comparison.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from media_api.files import write_file
from media_api.stream import StreamConfig
from media_rest.redact import redact_text

from media_streamer.supervisor.catalog import Catalog, Changes
from media_streamer.supervisor.config_backend import (
    BackendError,
    ConfigBackend,
    Page,
    read_page,
)

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

REFRESH_SECONDS = 3.0
FIRST_RETRY_SECONDS = 0.5
"""After the first failure: a pod is often up a moment before its backend knows of it."""
MAX_REFRESH_SECONDS = 10.0
"""Longest pause after failures, so that a backend that comes back is not met by a crowd."""
LOOKUP_TIMEOUT_SECONDS = 5.0
"""A viewer waits for this one."""
UNKNOWN_KEPT_SECONDS = 2.0
"""A name the backend does not know is not asked for again at each request of a player."""
MAX_UNKNOWN = 10_000
NAMES_PER_REQUEST = 100


class ExternalConfig:
    """Keeps the catalog in step with a backend; `on_changes` brings changes to the workers."""

    def __init__(
        self,
        backend: ConfigBackend,
        url: str,
        catalog: Catalog,
        state_file: Path,
        on_changes: Callable[[Changes], None],
        in_use: Callable[[str], bool],
        on_error: Callable[[JsonObject], None],
    ) -> None:
        """`on_error` is told the status when it turns into an error, or into another one."""
        self._backend = backend
        self._mark = hashlib.sha256(url.encode()).hexdigest()
        """Tells whether a state file came from this backend, without holding its key."""
        self._catalog = catalog
        self._state_file = state_file
        self._on_changes = on_changes
        self._in_use = in_use
        self._on_error = on_error
        self._pages: list[Page] = []
        """Of the list that holds now."""
        self._static: dict[str, StreamConfig] = {}
        self._dynamic: dict[str, StreamConfig] = {}
        self._given: dict[str, StreamConfig] = {}
        """Both, as the catalog has them."""
        self._separate = False
        self.knows_episodes = False
        """The backend says what of archives is kept."""
        self._dynamic_allowed = True
        self._lookups: dict[str, asyncio.Task[bool]] = {}
        self._unknown: dict[str, float] = {}
        self._is_saved = False
        self.status: JsonObject | None = None
        self.restored = asyncio.Event()
        """Set once what the backend said before the last stop holds."""

    async def run(self) -> None:
        """Refresh until cancelled."""
        try:
            await self.restore()
        finally:
            self.restored.set()
        retry = FIRST_RETRY_SECONDS
        try:
            while True:
                if await self.refresh():
                    retry = FIRST_RETRY_SECONDS
                    await asyncio.sleep(REFRESH_SECONDS)
                else:
                    await asyncio.sleep(retry)
                    retry = min(retry * 2, MAX_REFRESH_SECONDS)
        finally:
            for lookup in self._lookups.values():
                lookup.cancel()

    async def restore(self) -> None:
        """Run what the backend said before the last stop, until it says otherwise."""
        try:
            state = json.loads(await asyncio.to_thread(self._state_file.read_text))
            if state["backend"] != self._mark:
                return
            self.knows_episodes = bool(state.get("episodes"))
            page = read_page({"streams": state["streams"]}, "", b"")
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            log.error("config_external: %s cannot be used: %s", self._state_file, error)
            return
        log.info("config_external: %d streams of the last run", len(page.streams))
        self._give(page.streams, {})

    async def refresh(self) -> bool:
        """Ask for everything once; False if the backend could not answer."""
        before = set(self._dynamic)
        try:
            answer = await self._backend.list_all()
            self._separate, self._dynamic_allowed = answer.separate, answer.dynamic
            self._is_saved &= answer.episodes == self.knows_episodes
            self.knows_episodes = answer.episodes
            is_same = answer.pages == self._pages
            listed = self._static if is_same else answer.streams
            invalid = answer.invalid
            running = [
                name
                for name in before | (set() if is_same else set(self._static))
                if name not in listed and name not in invalid and self._in_use(name)
            ]
            updated = await self._update(running, invalid)
        except BackendError as error:
            self._failed("refresh", error)
            return False
        for name in invalid:  # keeps what it had
            if (old := self._static.get(name) or self._dynamic.get(name)) is not None:
                updated[name] = old
        came_meanwhile = {k: v for k, v in self._dynamic.items() if k not in before}
        self._pages = answer.pages
        self._give(listed, {**updated, **came_meanwhile})
        self._succeeded(invalid)
        if not (is_same and self._is_saved):
            await self._save()
        return True

    async def _update(self, names: list[str], invalid: dict[str, str]) -> dict[str, StreamConfig]:
        """Streams of `names` that may go on; those left out are stopped."""
        suffix = "/update-streams" if self._separate else "/streams"
        kept: dict[str, StreamConfig] = {}
        for start in range(0, len(names), NAMES_PER_REQUEST):
            part = sorted(names)[start : start + NAMES_PER_REQUEST]
            update = await self._backend.ask(suffix, part)
            kept.update({name: one for name, one in update.streams.items() if name in part})
            invalid.update(update.invalid)
        return kept

    async def find(self, name: str) -> bool:
        """Ask for an unknown name; True if it may run now. A failure means no."""
        now = time.monotonic()
        if not self._dynamic_allowed or now < self._unknown.get(name, 0.0):
            return False
        lookup = self._lookups.get(name)
        if lookup is None:
            lookup = self._lookups[name] = asyncio.create_task(self._look_up(name))
            lookup.add_done_callback(lambda _: self._lookups.pop(name, None))
        return await asyncio.shield(lookup)

    async def _look_up(self, name: str) -> bool:
        suffix = "/dynamic-streams" if self._separate else "/streams"
        try:
            answer = await self._backend.ask(suffix, [name], LOOKUP_TIMEOUT_SECONDS)
        except BackendError as error:
            self._failed("request", error)
            return False
        found = answer.streams.get(name)
        if found is None:
            if len(self._unknown) >= MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown[name] = time.monotonic() + UNKNOWN_KEPT_SECONDS
            return False
        self._give(self._static, {**self._dynamic, name: found})
        return name in self._catalog.streams

    def _give(self, static: dict[str, StreamConfig], dynamic: dict[str, StreamConfig]) -> None:
        """These are the streams from now on; the catalog hears of the differences."""
        self._static, self._dynamic = static, dynamic
        wanted = {**dynamic, **static}
        given = [one for name, one in wanted.items() if self._given.get(name) is not one]
        gone = [name for name in self._given if name not in wanted]
        self._given = wanted
        if given or gone:
            self._on_changes(self._catalog.change_external(given, gone))

    def _succeeded(self, invalid: dict[str, str]) -> None:
        if self.status is not None and self.status["status"] == "error" and not invalid:
            log.info("config_external: the backend answers again")
        if not invalid:
            self.status = {"status": "loaded"}
            return
        name, text = next(iter(invalid.items()))
        before = self.status
        self.status = {
            "status": "error",
            "while": "refresh",
            "reason": "validation_error",
            "error": text,
            "detail": f"stream {name}",
        }
        if before is None or before.get("error") != text:
            log.error("config_external: stream %s is refused: %s", name, text)
            self._on_error(self.status)

    def _failed(self, while_: str, error: BackendError) -> None:
        text = redact_text(str(error))
        before = self.status
        self.status = {"status": "error", "while": while_, "reason": error.reason, "error": text}
        if error.code is not None:
            self.status["code"] = error.code
        if before is None or before.get("error") != text:
            log.error("config_external: %s; streams go on as they are", text)
            self._on_error(self.status)

    async def _save(self) -> None:
        streams = [stream.explicit() for stream in self._static.values()]
        text = json.dumps(
            {"backend": self._mark, "episodes": self.knows_episodes, "streams": streams}
        )
        try:
            await asyncio.to_thread(_write_private, self._state_file, text)
            self._is_saved = True
        except OSError as error:
            self._is_saved = False
            log.error(
                "config_external: %s cannot be written, a restart would begin without streams: %s",
                self._state_file,
                error,
            )


def forget_state(state_file: Path) -> None:
    """There is no backend any more: its secrets shall not lie about."""
    state_file.unlink(missing_ok=True)


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_file(path, text, new_mode=0o600)
