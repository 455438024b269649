"""`central [-c FILE]`: starts Central and runs it until SIGINT or SIGTERM."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncpg
from media_process import collector, descriptors, logs, reading
from media_process.service_manager import ServiceManager

from media_central.db import DatabaseUnavailable, MigrationError
from media_central.server import Central, StartError, greeting, running
from media_central.settings import SETTINGS_BY_NAME, Settings, load_settings
from media_central.settings_file import SettingsError
from media_central.store.port import StoreError

log = logging.getLogger(__name__)
ALIVE_SECONDS = 5.0
"""Between two words to the service manager; well below the watchdog of the unit."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 after an orderly stop, 1 if Central cannot start, with the reason in words."""
    parser = argparse.ArgumentParser(
        prog="central",
        description="Central of the media servers",
        epilog=_settings_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-c", dest="file", type=Path, help="settings file (default /etc/central/central.conf)"
    )
    options = parser.parse_args(arguments)
    try:
        loaded = load_settings(options.file, os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    _set_up_logging(loaded.settings)
    for line in loaded.warnings:
        log.warning("%s", line)
    descriptors.raise_limit()
    collector.settle()
    reading.bound()
    return asyncio.run(_run(loaded.settings))


def _settings_help() -> str:
    shown: dict[str, str] = {}
    for item in SETTINGS_BY_NAME.values():
        shown.setdefault(item.name.upper(), item.metadata["text"])
    lines = [f"  {name:<42}{text}" for name, text in shown.items()]
    return "\n".join(["settings, of the file and the environment (also with CENTRAL_):", *lines])


def _set_up_logging(settings: Settings) -> None:
    logs.set_up("central", settings.log_level, settings.log_format)
    # The pool logs a stack for every attempt to reconnect; the store says once that it is away.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    requests = logging.getLogger("media_central.requests")
    requests.setLevel(logging.DEBUG if settings.log_requests else logging.WARNING)


def _start(settings: Settings) -> AbstractAsyncContextManager[Central]:
    if not settings.in_cluster:
        return running(settings)
    # The client library weighs 50 MB, which nobody pays for without a cluster.
    from media_central.cluster import running_in_cluster

    return running_in_cluster(settings)


async def _run(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    main_task = asyncio.current_task()
    started = False

    def on_signal() -> None:
        if stop.is_set() or not started:
            assert main_task is not None
            main_task.cancel()  # still starting, or told twice
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    manager = ServiceManager(os.environ)
    try:
        async with _start(settings) as central:
            started = True
            for line in greeting(central):
                print(line, flush=True)
            manager.ready("serving")
            await _until(stop, manager)
            manager.stopping()
            print("Stopping.", flush=True)
    except asyncio.CancelledError:
        print("Stopped while starting." if not started else "Stopped.", file=sys.stderr)
        return 0 if started else 1
    except Exception as error:
        if not _is_expected(error):
            raise
        print(f"central: {error}", file=sys.stderr)
        return 1
    finally:
        manager.close()
    return 0


async def _until(stop: asyncio.Event, manager: ServiceManager) -> None:
    """Wait, and tell the service manager meanwhile that the event loop turns."""
    while not stop.is_set():
        manager.alive()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ALIVE_SECONDS):
                await stop.wait()


def _is_expected(error: Exception) -> bool:
    """True for what the administrator can cure; others are bugs and show their trace."""
    expected = (
        StartError, StoreError, DatabaseUnavailable, MigrationError, OSError, ValueError,
        asyncpg.PostgresError,
    )  # fmt: skip
    # EmbeddedError is told by its name: with DATABASE_URL its module is not imported.
    return isinstance(error, expected) or type(error).__name__ == "EmbeddedError"


if __name__ == "__main__":
    sys.exit(main())
