"""`streamer`: the media server.

streamer [-c FILE]            serve
streamer --check [-c] FILE    print every error of a configuration file, exit 1 if there is one
streamer --check --explain FILE   and what happens to each directive
"""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from media_process import collector, descriptors, logs, reading

from media_streamer.keeper import keep
from media_streamer.supervisor.settings import (
    DEFAULT_CONFIG_PATH,
    Settings,
    SettingsError,
    read_settings,
    remove_directories,
    variable,
)
from media_streamer.variables import help_text
from media_streamer.version import server_version

if TYPE_CHECKING:
    from media_streamer.supervisor.forks import Forks

log = logging.getLogger("streamer")

BACKEND_CONNECTIONS = 100
"""Of event sinks and the backends of access and configuration, together."""

_EPILOG = """\
SIGHUP reads the configuration file again, SIGTERM and SIGINT end the server. SIGUSR1 says that it
will end soon and that another one serves the same streams: viewers who keep a connection make their
next one there.

environment (wins over the file, ports are added to those of the file):
{variables}
"""


def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.explain and not options.check:
        parser.error("--explain goes with --check")
    path: Path = options.file or options.config
    if options.check:
        from media_streamer.config.check import check

        return check(path, os.environ, every=options.explain)
    try:
        log_format = logs.format_of(variable(os.environ, "LOG_FORMAT"))
    except ValueError as error:
        print(f"streamer: STREAMER_LOG_FORMAT: {error}", file=sys.stderr)
        return 1
    # A level that is none is a problem of the configuration, which says so.
    level = logs.LEVELS.get(variable(os.environ, "LOG_LEVEL").lower(), logging.INFO)
    logs.set_up("streamer", level, log_format)
    if options.config != DEFAULT_CONFIG_PATH and not path.exists():
        log.warning("%s does not exist: serving with defaults, the API will create it", path)
    descriptors.raise_limit()
    try:
        settings = read_settings(path, os.environ)
    except (SettingsError, OSError) as error:
        print(f"streamer: {error}", file=sys.stderr)
        return 1
    try:
        return keep(lambda: _supervise(settings))
    finally:
        remove_directories(settings, os.environ)


def _supervise(settings: Settings) -> int:
    """In the process of the supervisor; what it imports is not in the one that keeps it."""
    collector.hold_off()
    from media_streamer.supervisor.forks import forks_of

    forks = forks_of(settings, os.environ)
    forks.begin()  # what they import they import while we do
    from media_streamer.supervisor.ports import StartFailed

    try:
        asyncio.run(_serve(settings, forks))
    except StartFailed as error:
        print(f"streamer: cannot start: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: Settings, forks: "Forks") -> None:
    """The parts are put together here: the supervisor knows no HTTP, the API no processes."""
    import aiohttp

    from media_streamer.api.server import ApiServer
    from media_streamer.outgoing.connector import guarded_connector
    from media_streamer.supervisor.supervisor import Supervisor

    collector.settle()
    reading.bound()
    connector = guarded_connector(settings.reach, BACKEND_CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as http:
        supervisor = Supervisor(settings, os.environ, http, forks)
        await supervisor.run(
            ApiServer(supervisor.facade, settings.api_socket, supervisor.is_egress)
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="streamer",
        description="Media server.",
        epilog=_EPILOG.format(variables=help_text()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=DEFAULT_CONFIG_PATH,
        help=f"configuration file (default {DEFAULT_CONFIG_PATH})",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="print every error of the configuration file and what has no effect; exit 1 on errors",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="with --check: say of each directive whether it works, differs or has no effect",
    )
    parser.add_argument("--version", action="version", version=server_version())
    parser.add_argument("file", type=Path, nargs="?", help="the file, for --check")
    return parser


if __name__ == "__main__":
    sys.exit(main())
