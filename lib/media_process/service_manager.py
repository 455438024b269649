"""Tells systemd that the program is ready, reloads, stops, and still lives (sd_notify(3)).

Role: a unit of `Type=notify` is started when the program serves, not when it was forked, and one
with `WatchdogSec=` is started again when its event loop hangs. Without a service manager
(`NOTIFY_SOCKET` is not set) nothing is done.

Invariant: telling never raises and never waits: a full or missing socket costs a message.
"""

import contextlib
import socket
from collections.abc import Mapping


class ServiceManager:
    """The other end of `NOTIFY_SOCKET`. `environ` as given to the program."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._is_watched = environ.get("WATCHDOG_USEC", "").isdecimal()
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    def ready(self, status: str) -> None:
        """It serves now; `status` is what `systemctl status` shows."""
        self._tell(f"READY=1\nSTATUS={' '.join(status.split())}")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """Called again and again, more often than the unit's `WatchdogSec`."""
        if self._is_watched:
            self._tell("WATCHDOG=1")

    def _tell(self, message: str) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(message.encode(), self._address)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _address(name: str) -> str:
    """A path, or an abstract name, which is written with @ for its zero byte."""
    if name.startswith("@"):
        return f"\0{name[1:]}"
    return name if name.startswith("/") else ""
