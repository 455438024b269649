"""The log of HTTP requests (`logrequests`), a line a request in the combined format of Apache.

After the seven fields of that format stand the seconds it took, the session and the country of the
viewer, `-` where there is none. A path is told without its query, which may hold tokens.

All workers append to one file. Lines wait up to a second and are written at once by a thread, so a
slow disk holds nobody up; too many for it are dropped and counted. A file that was renamed or
removed (logrotate) is made anew. Where it cannot be written, requests go to the worker's own log.
"""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http import HttpVersion
from media_process.logs import escape

from media_streamer import opening
from media_streamer.egress.http.prepared import Ready
from media_streamer.egress.http.request import COUNTRY, IP, SESSION

log = logging.getLogger(__name__)

FOLDER = Path("/var/log/flussonic")
VARIABLE = "STREAMER_ACCESS_LOG"
WRITE_SECONDS = 1.0
MAX_WAITING = 50_000
MAX_CHARACTERS = 2048
"""Of what a stranger wrote, each."""
_MODE = 0o640


def log_file(environ: Mapping[str, str]) -> Path | None:
    """Where requests are logged; None: in the log of each worker."""
    said = environ.get(VARIABLE, "").strip()
    if said == "-":
        return None
    return Path(said or Path(environ.get("STREAMER_LOG_DIR") or FOLDER, "access.log")).absolute()


class AccessLog:
    """`add` lines, `run` writes them until it is cancelled."""

    def __init__(self, path: Path | None) -> None:
        """`path` None: the worker's own log."""
        self.enabled = False
        self._path = path
        self._lines: list[str] = []
        self._some = asyncio.Event()
        """Lines wait."""
        self._dropped = 0
        self._file = -1
        self._inode = (0, 0)
        self._failed = False

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "AccessLog":
        """As STREAMER_ACCESS_LOG says: a file, or `-` for the worker's own log.

        Else `access.log` in the folder of logs, STREAMER_LOG_DIR.
        """
        return cls(log_file(environ))

    def add(self, line: str) -> None:
        """A line without its end."""
        if self._path is None or self._failed:
            log.info("%s", line)
        elif len(self._lines) < MAX_WAITING:
            self._lines.append(line)
            self._some.set()
        else:
            self._dropped += 1

    async def run(self) -> None:
        """Write what waits, each second if there is something; the rest when this is cancelled."""
        try:
            while True:
                await self._some.wait()
                await asyncio.sleep(WRITE_SECONDS)
                self._some.clear()
                await asyncio.to_thread(self.write)
        finally:
            self.write()
            self._close()

    def write(self) -> None:
        """Append what waits to the file, in one piece."""
        lines, self._lines = self._lines, []
        dropped, self._dropped = self._dropped, 0
        if dropped:
            log.error("%s: the disk is too slow, %d requests are not logged", self._path, dropped)
        if not lines or self._path is None:
            return
        try:
            self._open(self._path)
            data = memoryview("".join([line + "\n" for line in lines]).encode())
            while data:
                data = data[os.write(self._file, data) :]
            self._failed = False
        except OSError as error:
            self._close()
            if not self._failed:
                self._failed = True
                text = "%s cannot be written, requests are logged here: %s; see %s"
                log.error(text, self._path, error, VARIABLE)
            for line in lines:
                log.info("%s", line)

    def _open(self, path: Path) -> None:
        """The file that has this name now."""
        if self._file >= 0:
            try:
                now = path.stat()
            except FileNotFoundError:
                now = None
            if now is not None and (now.st_dev, now.st_ino) == self._inode:
                return
            self._close()
        self._file = opening.append(path, _MODE)
        opened = os.fstat(self._file)
        self._inode = (opened.st_dev, opened.st_ino)

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def logger(self) -> type[AbstractAccessLogger]:
        """For aiohttp, which tells of each request once its answer is sent."""
        return type("RequestLogger", (_RequestLogger,), {"to": self})


class _RequestLogger(AbstractAccessLogger):
    to: AccessLog

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        if self.to.enabled:
            self.to.add(line(request, response, time))


def line(request: web.BaseRequest, response: web.StreamResponse, seconds: float) -> str:
    """A request and its answer; see the module."""
    return text(
        request.get(IP) or request.remote or "",
        request.headers,
        (request.method, request.raw_path, request.version),
        (response.status, _size(request, response)),
        seconds,
        request.get(SESSION) or "",
        request.get(COUNTRY) or "",
    )


def text(
    ip: str,
    headers: Mapping[str, str],
    asked: tuple[str, str, HttpVersion],
    answered: tuple[int, int],
    seconds: float,
    session: str = "",
    country: str = "",
) -> str:
    """The same of its parts: method, target and version; status and bytes of the body."""
    method, target, version = asked
    status, size = answered
    return (
        f"{ip or '-'} - - [{_stamp(int(time.time()))}] "
        f'"{method} {_quoted(target.partition("?")[0])} '
        f'HTTP/{version.major}.{version.minor}" '
        f"{status} {size or '-'} "
        f'"{_quoted(headers.get("Referer", "").partition("?")[0]) or "-"}" '
        f'"{_quoted(headers.get("User-Agent", "")) or "-"}" '
        f"{seconds:.3f} {session or '-'} {country or '-'}"
    )


def _size(request: web.BaseRequest, response: web.StreamResponse) -> int:
    """Bytes of the body. aiohttp counts the head of what has no length before it is sent."""
    if request.method == "HEAD":
        return 0
    declared = None if isinstance(response, Ready) else response.content_length
    return response.body_length if declared is None else declared


_second, _text = 0, ""


def _stamp(second: int) -> str:
    global _second, _text  # the same for the thousands of requests of a second
    if second != _second:
        _text = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))
        _second = second
    return _text


def _quoted(text: str) -> str:
    return escape(text, MAX_CHARACTERS).replace("\\", "\\\\").replace('"', '\\"')
