"""The configuration backend (`config_external`): asks it which streams shall run here.

The protocol is config_external of Flussonic: `/streams` for what runs without viewers,
`/update-streams` for the others that run, `/dynamic-streams` for a name that somebody asks for,
each with `host`, paged by `cursor`.

Invariants: a backend that fails or talks nonsense changes nothing; what it said last is kept in a
file and holds from the first second of the next start; one wrong stream in an answer costs that
stream only. Nothing of it enters the configuration file.
"""

import asyncio
import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import aiohttp
from media_api.stream import StreamConfig
from media_rest.credentials import basic_header
from media_rest.redact import redact_text
from pydantic import ValidationError

from media_streamer.supervisor.catalog import Catalog, Changes

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

REFRESH_SECONDS = 3.0
FIRST_RETRY_SECONDS = 0.5
"""After the first failure: a pod is often up a moment before its backend knows of it."""
MAX_REFRESH_SECONDS = 10.0
"""Longest pause after failures, so that a backend that comes back is not met by a crowd."""
REQUEST_TIMEOUT_SECONDS = 10.0
LOOKUP_TIMEOUT_SECONDS = 5.0
"""A viewer waits for this one."""
UNKNOWN_KEPT_SECONDS = 2.0
"""A name the backend does not know is not asked for again at each request of a player."""
MAX_UNKNOWN = 10_000
MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_PAGES = 1000
NAMES_PER_REQUEST = 100
_SEPARATE = "X-Config-Server-Separate-Endpoints"
_DYNAMIC = "X-Config-Server-Dynamic-Streams"


class BackendError(Exception):
    """The backend could not be asked; `reason` is a word of the API."""

    def __init__(self, reason: str, detail: str, code: int | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.code = code


@dataclass(slots=True)
class Answer:
    """Streams of all pages of one question, and what was wrong with single ones."""

    streams: list[StreamConfig] = field(default_factory=list)
    invalid: dict[str, str] = field(default_factory=dict)
    separate: bool = False
    dynamic: bool = True


def base_and_authorization(url: str) -> tuple[str, str | None]:
    """The URL without user info, and the Authorization header made of that."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    base = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
    if parts.username is None:
        return base, None
    user = unquote(parts.username)
    if parts.password:
        return base, basic_header(user, unquote(parts.password))
    return base, f"Bearer {user}"


class ConfigBackend:
    """Asks one backend; knows nothing of what is done with the answers."""

    def __init__(self, session: aiohttp.ClientSession, url: str, host: str) -> None:
        self._session = session
        self._base, authorization = base_and_authorization(url)
        self._headers = {"Authorization": authorization} if authorization else {}
        self._host = host

    async def ask(
        self,
        suffix: str,
        names: Collection[str] = (),
        timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
    ) -> Answer:
        """All pages of one question. Raises BackendError."""
        answer = Answer()
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            query = {"host": self._host}
            if names:
                query["name"] = ",".join(names)
            if cursor:
                query["cursor"] = cursor
            page, headers = await self._get(suffix, query, timeout_seconds)
            answer.separate = headers.get(_SEPARATE, "").lower() == "true"
            answer.dynamic = headers.get(_DYNAMIC, "true").lower() != "false"
            _read_page(page, answer)
            cursor = page.get("next")
            if not cursor:
                return answer
        raise BackendError("invalid_request", f"{suffix} has more than {MAX_PAGES} pages")

    async def _get(
        self, suffix: str, query: dict[str, str], timeout_seconds: float
    ) -> tuple[JsonObject, Any]:
        # Commas between names stay as they are: servers split the raw value.
        text = "&".join(f"{key}={quote(value, safe=',/')}" for key, value in query.items())
        try:
            async with self._session.get(
                f"{self._base}{suffix}?{text}",
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            ) as response:
                if response.status != 200:
                    raise BackendError(
                        "invalid_request", f"{suffix} answered {response.status}", response.status
                    )
                body = await response.content.read(MAX_BODY_BYTES + 1)
                while not response.content.at_eof() and len(body) <= MAX_BODY_BYTES:
                    body += await response.content.read(MAX_BODY_BYTES + 1 - len(body))
                headers = response.headers
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            text = redact_text(str(error)) or type(error).__name__
            raise BackendError("network_error", text) from error
        if len(body) > MAX_BODY_BYTES:
            raise BackendError("malformed_json", f"{suffix} sent more than {MAX_BODY_BYTES} bytes")
        try:
            page = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BackendError("malformed_json", f"{suffix}: {error}") from error
        if not isinstance(page, dict) or not isinstance(page.get("streams"), list):
            raise BackendError("malformed_json", f'{suffix} sent no object with "streams"')
        return page, headers


def _read_page(page: JsonObject, answer: Answer) -> None:
    for item in page["streams"]:
        name = item.get("name") if isinstance(item, dict) else None
        try:
            answer.streams.append(StreamConfig.model_validate(item))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            path = ".".join(str(part) for part in first["loc"])
            answer.invalid[str(name)] = redact_text(f"{path}: {first['msg']}")


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
    ) -> None:
        self._backend = backend
        self._mark = hashlib.sha256(url.encode()).hexdigest()
        """Tells whether a state file came from this backend, without holding its key."""
        self._catalog = catalog
        self._state_file = state_file
        self._on_changes = on_changes
        self._in_use = in_use
        self._static: dict[str, StreamConfig] = {}
        self._dynamic: dict[str, StreamConfig] = {}
        self._separate = False
        self._dynamic_allowed = True
        self._lookups: dict[str, asyncio.Task[bool]] = {}
        self._unknown: dict[str, float] = {}
        self._saved = ""
        self.status: JsonObject | None = None
        self.on_error: Callable[[JsonObject], None] = lambda _: None
        """Told the status when it turns into an error, or into another one."""

    async def run(self) -> None:
        """Refresh until cancelled."""
        await self.restore()
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
            answer = Answer()
            _read_page({"streams": state["streams"]}, answer)
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("config_external: %s cannot be used: %s", self._state_file, error)
            return
        self._static = {stream.name: stream for stream in answer.streams}
        log.info("config_external: %d streams of the last run", len(self._static))
        self._apply()

    async def refresh(self) -> bool:
        """Ask for everything once; False if the backend could not answer."""
        before = set(self._dynamic)
        try:
            answer = await self._backend.ask("/streams")
            self._separate, self._dynamic_allowed = answer.separate, answer.dynamic
            listed = {stream.name: stream for stream in answer.streams}
            running = [
                name
                for name in before | set(self._static)
                if name not in listed and name not in answer.invalid and self._in_use(name)
            ]
            updated = await self._update(running, answer)
        except BackendError as error:
            self._failed("refresh", error)
            return False
        for name in answer.invalid:  # keeps what it had
            if (old := self._static.get(name) or self._dynamic.get(name)) is not None:
                updated[name] = old
        came_meanwhile = {k: v for k, v in self._dynamic.items() if k not in before}
        self._static = listed
        self._dynamic = {**updated, **came_meanwhile}
        self._apply()
        self._succeeded(answer.invalid)
        await self._save()
        return True

    async def _update(self, names: list[str], answer: Answer) -> dict[str, StreamConfig]:
        """Streams of `names` that may go on; those left out are stopped."""
        suffix = "/update-streams" if answer.separate else "/streams"
        kept: dict[str, StreamConfig] = {}
        for start in range(0, len(names), NAMES_PER_REQUEST):
            part = sorted(names)[start : start + NAMES_PER_REQUEST]
            update = await self._backend.ask(suffix, part)
            kept.update({item.name: item for item in update.streams if item.name in part})
            answer.invalid.update(update.invalid)
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
        found = next((item for item in answer.streams if item.name == name), None)
        if found is None:
            if len(self._unknown) >= MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown[name] = time.monotonic() + UNKNOWN_KEPT_SECONDS
            return False
        self._dynamic[name] = found
        self._apply()
        return name in self._catalog.streams

    def _apply(self) -> None:
        streams: Iterable[StreamConfig] = {**self._dynamic, **self._static}.values()
        self._on_changes(self._catalog.set_external(streams))

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
            self.on_error(self.status)

    def _failed(self, while_: str, error: BackendError) -> None:
        text = redact_text(str(error))
        before = self.status
        self.status = {"status": "error", "while": while_, "reason": error.reason, "error": text}
        if error.code is not None:
            self.status["code"] = error.code
        if before is None or before.get("error") != text:
            log.error("config_external: %s; streams go on as they are", text)
            self.on_error(self.status)

    async def _save(self) -> None:
        streams = [stream.explicit() for stream in self._static.values()]
        text = json.dumps({"backend": self._mark, "streams": streams})
        if text == self._saved:
            return
        try:
            await asyncio.to_thread(_write_private, self._state_file, text)
            self._saved = text
        except OSError as error:
            log.error(
                "config_external: %s cannot be written, a restart would begin without streams: %s",
                self._state_file,
                error,
            )


def forget_state(state_file: Path) -> None:
    """There is no backend any more: its secrets shall not lie about."""
    state_file.unlink(missing_ok=True)


def _write_private(path: Path, text: str) -> None:
    """Replace `path` at once, mode 0600."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
