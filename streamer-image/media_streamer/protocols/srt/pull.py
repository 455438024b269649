"""`srt://HOST:PORT`: a source that this server calls, or (`?mode=listener`) that calls this server.

Where it listens, one caller is the source; others are refused with 409 until it is gone.

The thread of the input waits within libsrt, which closing the socket ends.
"""

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable

from media_streamer.media.inputs.base import Input, InputError, InputRequest
from media_streamer.media.inputs.cut_input import PulledInput
from media_streamer.outgoing.addresses import AddressRefusedError, reach_of_process
from media_streamer.protocols.srt.address import SrtAddress
from media_streamer.protocols.srt.libsrt import (
    MAX_MESSAGE_BYTES,
    SrtError,
    SrtSocket,
    ffi,
    set_hook,
)

WAIT_MS = 200
"""The thread looks whether it shall end this often."""
ACCEPT_SECONDS = 0.05
"""Between two looks for a caller."""
REOPEN_SECONDS = 5.0
"""libsrt gives the port of a listener back some seconds after it was closed."""
BUSY = 409
FIGURES_SECONDS = 1.0


def create(request: InputRequest) -> Input:
    try:
        return SrtInput(request, SrtAddress.of(request.config, may_listen=True))
    except ValueError as error:
        raise InputError(str(error)) from None


class SrtInput(PulledInput):
    """One attempt to read a source."""

    def __init__(self, request: InputRequest, address: SrtAddress) -> None:
        super().__init__(request)
        self._address = address
        self._figures_at = 0.0

    def _connect(self) -> Callable[[int], bytes]:
        address = self._address
        try:
            sock = self._called() if address.listens else self._call()
        except SrtError as error:
            raise InputError(f"{address.host}:{address.port}: {error}") from None
        if sock is None:
            return lambda _: b""
        self._connection.callback(sock.close)
        self.receiver.connected()
        buffer = ffi.new("char[]", MAX_MESSAGE_BYTES)

        def read(_: int) -> bytes:
            deadline = time.monotonic() + self.limits.read_seconds
            while not self._stopping.is_set():
                self._measure(sock)
                try:
                    if message := sock.receive(buffer):
                        self.allow(self.limits.read_seconds)
                        return message
                except SrtError:
                    return b""  # the source has closed the connection
                if time.monotonic() > deadline:
                    raise InputError("the source sends nothing")
            return b""

        return read

    def _call(self) -> SrtSocket:
        """Connected; raises SrtError and InputError."""
        address = self._address
        try:
            reach_of_process().check_host(address.host, address.port)
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
        except AddressRefusedError as error:
            raise InputError(str(error)) from None
        except OSError as error:
            raise InputError(f"{address.host} is not found: {error.strerror}") from None
        place = found[0][4]
        sock = SrtSocket.blocking(WAIT_MS)
        try:
            for option, value in address.options:
                sock.set_flag(option, value)
            sock.call_from(str(place[0]))
            sock.connect(str(place[0]), int(place[1]))
        except BaseException:
            sock.close()
            raise
        return sock

    def _called(self) -> SrtSocket | None:
        """Once somebody calls; None when this shall end. Raises SrtError and InputError."""
        address = self._address
        listener = SrtSocket()
        self._connection.callback(listener.close)
        for option, value in address.options:
            listener.set_flag(option, value)
        if (bound := self._bound()) is None:
            return None
        listener.use(bound)
        taken = threading.Event()
        hook = set_hook(listener, lambda *_: BUSY if taken.is_set() else 0)
        self._connection.callback(lambda: hook)  # kept for as long as the listener
        listener.listen()
        deadline = time.monotonic() + self.limits.read_seconds
        while not self._stopping.wait(ACCEPT_SECONDS):
            self.allow(self.limits.read_seconds)
            if (sock := listener.accept(WAIT_MS)) is not None:
                taken.set()
                return sock
            if time.monotonic() > deadline:
                raise InputError("nobody calls")
        return None

    def _bound(self) -> socket.socket | None:
        """None when this shall end. Raises InputError, also if somebody else has the port."""
        host, port = self._address.host, self._address.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        deadline = time.monotonic() + REOPEN_SECONDS
        while not self._stopping.is_set():
            sock = socket.socket(family, socket.SOCK_DGRAM)
            try:
                sock.bind((host, port))
            except OSError as error:
                sock.close()
                if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                    raise InputError(f"port {port}: {error.strerror or error}") from None
                self._stopping.wait(WAIT_MS / 1000)
            else:
                return sock
        return None

    def _measure(self, sock: SrtSocket) -> None:
        now = time.monotonic()
        if now - self._figures_at > FIGURES_SECONDS:
            self._figures_at = now
            with contextlib.suppress(SrtError):
                figures = sock.statistics()
                self.reception = figures.reception if figures else self.reception
