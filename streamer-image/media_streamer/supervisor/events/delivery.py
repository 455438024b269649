"""Ways out of the server for a batch of events: an HTTP receiver, a file, a script.

HTTP gets a POST of a JSON array and answers 2xx. Files hold no secrets (`media_rest.redact`):
who may read logs need not be who may watch.
"""

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from media_rest.redact import redact, redact_text

from media_streamer.lua.host import ScriptFailed, ScriptHost
from media_streamer.supervisor.events.sink import DeliveryError, Event

log = logging.getLogger(__name__)

HTTP_SECONDS = 10.0
SCRIPT_SECONDS = 60.0
ROTATED_KEPT = 7
FILE_MODE = 0o640


class HttpDelivery:
    """POST to one URL; user info in it becomes basic authentication."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def deliver(self, batch: list[Event]) -> None:
        """Raises DeliveryError unless the answer is 2xx. A redirect is no answer to a POST."""
        timeout = aiohttp.ClientTimeout(total=HTTP_SECONDS)
        shown = redact_text(self._url)
        try:
            async with self._http.post(
                self._url, json=batch, timeout=timeout, allow_redirects=False
            ) as answer:
                status = answer.status
        except (TimeoutError, aiohttp.ClientError, ValueError, OSError) as error:
            reason = redact_text(str(error)) or f"no answer within {HTTP_SECONDS:g} s"
            raise DeliveryError(f"{shown} does not answer: {reason}") from error
        if not 200 <= status < 300:
            raise DeliveryError(f"{shown} answered {status}")


class ScriptDelivery:
    """A run of a script for each batch: it finds `events` and, of the sink's further options,
    `args`. One that fails has not taken the batch."""

    def __init__(self, host: ScriptHost, path: Path, args: Mapping[str, str]) -> None:
        self._host = host
        self._path = path
        self._args = dict(args)

    async def deliver(self, batch: list[Event]) -> None:
        """Raises DeliveryError."""
        given = {"events": batch, "args": self._args}
        try:
            await self._host.run(self._path, given, SCRIPT_SECONDS)
        except ScriptFailed as error:
            raise DeliveryError(f"script {self._path}: {error}") from None


class FileDelivery:
    """Lines appended to a file, which is rotated by size: FILE, FILE.1 (newest) … FILE.N.

    It lies below `directory`; links that lead out of that are not followed.
    """

    def __init__(
        self, path: Path, directory: Path, *, as_json: bool, max_size: int | None, kept: int | None
    ) -> None:
        self._path = path
        self._directory = directory
        self._as_json = as_json
        self._max_size = max_size
        self._kept = max(ROTATED_KEPT if kept is None else kept, 1)

    async def deliver(self, batch: list[Event]) -> None:
        """Raises DeliveryError if the file cannot be written."""
        text = "".join(f"{self._line(redact(event))}\n" for event in batch)
        try:
            await asyncio.to_thread(self._append, text)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DeliveryError(f"{self._path} cannot be written: {reason}") from error

    def _line(self, event: Event) -> str:
        if self._as_json:
            return json.dumps(event, ensure_ascii=False)
        return " ".join(f"{key}={_word(value)}" for key, value in event.items())

    def _append(self, text: str) -> None:
        if not self._path.parent.resolve().is_relative_to(self._directory.resolve()):
            raise ValueError(f"a link leads out of {self._directory}")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        data = text.encode("utf-8", "replace")
        if self._max_size and self._path.exists():
            size = self._path.stat().st_size
            if size and size + len(data) > self._max_size:
                self._rotate()
        with open(self._path, "ab", opener=_open_no_link) as file:
            file.write(data)

    def _rotate(self) -> None:
        for number in range(self._kept, 0, -1):
            older = self._path if number == 1 else self._numbered(number - 1)
            if older.exists():
                os.replace(older, self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, FILE_MODE)


def _word(value: object) -> str:
    """One word of a log line; JSON quoting where it is not one already."""
    if isinstance(value, str) and value.isprintable() and not set(value) & set(' "='):
        return value
    return json.dumps(value, ensure_ascii=False)
