"""The trial's streamer: a child process with its own configuration file, restarted when it ends.

It is a streamer like any other: Central talks to it over HTTP and gives it its streams as
config_external. Its file is written at each start, because the ports and keys are Central's
settings; lasting settings of its own belong into `streamer.conf.d`, which the streamer reads too.
"""

import asyncio
import contextlib
import importlib.util
import logging
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from media_api.base import JsonObject

from media_central.setting_values import Login

log = logging.getLogger(__name__)

HOSTNAME = "local"
BACKOFF_MIN_SECONDS = 0.5
BACKOFF_MAX_SECONDS = 30.0
STEADY_SECONDS = 10.0
"""A streamer that ran this long has started: the next failure begins with a short pause."""
STOP_TIMEOUT_SECONDS = 15.0
PACKAGE = "media_streamer"
MODULE = f"{PACKAGE}.cli"


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """`address` None: all. `external_url` is the streamer's config_external."""

    directory: Path
    ports: Mapping[str, int]
    """By listener; `http` is always there."""
    address: str | None
    cluster_key: str
    external_url: str
    login: Login | None
    public_url: str | None = None
    """Where viewers reach it, if not where Central does: behind a proxy, or other ports outside of
    a container than inside."""
    public_ports: Mapping[str, int] = field(default_factory=dict)


def config_text(options: LocalOptions) -> str:
    """The streamer's configuration file."""

    def listener(protocol: str, port: int) -> str:
        address = f"[{options.address}]" if ":" in (options.address or "") else options.address
        return f"{protocol} {address}:{port};" if address else f"{protocol} {port};"

    lines = [
        "# Written by Central at each start; put your own settings into streamer.conf.d/.",
        "listeners {",
        *(f"  {listener(protocol, port)}" for protocol, port in options.ports.items()),
        "}",
    ]
    lines.append(f"cluster_key {options.cluster_key};")
    if options.login is not None:
        lines.append(f"edit_auth {_word(options.login.login)} {_word(options.login.password)};")
    lines.append(f"config_external {options.external_url};")
    return "\n".join(lines) + "\n"


def _word(text: str) -> str:
    plain = all(letter.isalnum() or letter in "-_.!@%+=:,/" for letter in text)
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def record(options: LocalOptions) -> JsonObject:
    """The streamer as it is declared to Central."""
    host = options.address or "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    outside = {**options.ports, **options.public_ports}
    outside = {name: port for name, port in outside.items() if name not in ("http", "https")}
    return {
        "hostname": HOSTNAME,
        "api_url": f"http://{host}:{options.ports['http']}",
        "cluster_key": options.cluster_key,
        "public_payload_url": options.public_url,
        "public_ports": outside if options.public_ports else None,
    }


def is_installed() -> bool:
    """False in a Central without the streamer's package."""
    return importlib.util.find_spec(PACKAGE) is not None


class LocalStreamer:
    """`start()`, `close()`; between them the process is kept running."""

    def __init__(self, options: LocalOptions, command: list[str] | None = None) -> None:
        self._options = options
        self._file = (options.directory / "streamer.conf").absolute()
        self._command = command or [sys.executable, "-m", MODULE, "-c", str(self._file)]
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Raises OSError where its directory cannot be written."""
        self._options.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._file.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(config_text(self._options))
        unfinished.rename(self._file)
        self._task = asyncio.create_task(self._keep_running(), name="local-streamer")

    async def close(self) -> None:
        """Orderly stop, within STOP_TIMEOUT_SECONDS."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _keep_running(self) -> None:
        pause = BACKOFF_MIN_SECONDS
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            status = await self._run_once()
            if loop.time() - started >= STEADY_SECONDS:
                pause = BACKOFF_MIN_SECONDS
            log.error(
                "the local streamer ended with status %s; starting it again in %.1f s."
                " See its lines above, or run: streamer --check -c %s",
                status, pause, self._file,
            )  # fmt: skip
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACKOFF_MAX_SECONDS)

    async def _run_once(self) -> int | str:
        try:
            process = await asyncio.create_subprocess_exec(
                *_dying_with_parent(self._command),
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, "STREAMER_HOSTNAME": HOSTNAME},
                # Ctrl-C in a terminal reaches the whole group; Central ends the streamer itself.
                start_new_session=True,
            )
        except OSError as error:
            return str(error)
        self._process = process
        try:
            return await process.wait()
        finally:
            self._process = None
            await _end(process)


def _dying_with_parent(command: list[str]) -> list[str]:
    """The kernel sends SIGTERM when Central is killed (PR_SET_PDEATHSIG)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *command] if setpriv else command


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
                await process.wait()
