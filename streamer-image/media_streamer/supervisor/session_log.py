"""Every session at its end (`session_log`): of viewers, publishers, inputs and pushes.

Invariants: nobody waits for the disk; what waits is bounded, what is too much is counted and said.
The files hold no secrets (`media_rest.redact`): who may read logs need not be who may watch.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from media_rest.redact import redact

from media_streamer import session_files

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

WRITE_SECONDS = 1.0
MAX_WAITING = 50_000
CLEAN_SECONDS = 600.0
READ_SECONDS = 15.0


class SessionLogUnavailable(Exception):  # noqa: N818 - what the API says
    """There are no files, or they cannot be read; the text says why."""


class SessionLog:
    """`add` what has ended; `run` writes it until it is cancelled, `close` the rest."""

    def __init__(self) -> None:
        self._directory: Path | None = None
        self._lines: list[str] = []
        self._some = asyncio.Event()
        self._dropped = 0
        self._problem = ""
        self._clean_at = 0.0

    @property
    def is_kept(self) -> bool:
        return self._directory is not None

    def use(self, directory: str | None) -> None:
        """Write there from now on; None: nowhere."""
        chosen = Path(directory) if directory else None
        if chosen == self._directory:
            return
        self._write(*self._taken())  # what waits belongs there still
        self._directory, self._problem, self._clean_at = chosen, "", 0.0
        if chosen is not None:
            log.info("session_log: sessions that end are written to %s", chosen)

    def alerts(self) -> dict[str, str]:
        return {"session_log": self._problem} if self._problem else {}

    def add(self, fields: JsonObject) -> None:
        """A session has ended; `fields` as of `media_api.status.SessionInfo`, and `reason`."""
        if self._directory is None:
            return
        if len(self._lines) >= MAX_WAITING:
            self._dropped += 1
            return
        fields.setdefault("closed_at", time.time_ns() // 1_000_000)
        opened = fields.get("opened_at")
        if isinstance(opened, int | float):
            fields["duration"] = max(0, int(fields["closed_at"] - opened))
        kept = {key: value for key, value in fields.items() if value not in (None, "")}
        self._lines.append(json.dumps(redact(kept), ensure_ascii=False, separators=(",", ":")))
        self._some.set()

    async def run(self) -> None:
        """Write what waits, each second if there is something."""
        while True:
            await self._some.wait()
            await asyncio.sleep(WRITE_SECONDS)
            await asyncio.to_thread(self._write, *self._taken())

    async def close(self) -> None:
        """Write the rest."""
        await asyncio.to_thread(self._write, *self._taken())

    def _taken(self) -> tuple[Path | None, list[str]]:
        lines, self._lines = self._lines, []
        self._some.clear()
        return self._directory, lines

    def _write(self, directory: Path | None, lines: list[str]) -> None:
        if directory is None or not lines:
            return
        now = time.time()
        try:
            session_files.append(directory, lines, now)
            if time.monotonic() >= self._clean_at:
                self._clean_at = time.monotonic() + CLEAN_SECONDS
                session_files.clean(directory, now)
        except (OSError, ValueError) as error:
            self._dropped += len(lines)
            text = f"session_log: {directory} cannot be written: {error}"
            if not self._problem:
                log.error("%s", text)
            self._problem = text
            return
        if self._problem or self._dropped:
            log.warning("session_log: %d sessions are lost; it is written again", self._dropped)
        self._problem, self._dropped = "", 0

    async def search(
        self, since_ms: int, until_ms: int, wanted: Callable[[JsonObject], bool]
    ) -> tuple[list[JsonObject], bool]:
        """Sessions that ended in a time, the newest first, and whether these are all of them.

        Raises SessionLogUnavailable.
        """
        directory = self._directory
        if directory is None:
            raise SessionLogUnavailable("no sessions are kept: name a directory by session_log")
        await asyncio.to_thread(self._write, *self._taken())
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await asyncio.to_thread(
                    session_files.search, directory, since_ms, until_ms, wanted
                )
        except TimeoutError:
            raise SessionLogUnavailable("the disk of session_log does not answer") from None
        except OSError as error:
            raise SessionLogUnavailable(f"session_log cannot be read: {error}") from None
