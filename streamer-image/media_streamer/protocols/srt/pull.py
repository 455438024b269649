"""`srt://HOST:PORT`: a source that this server calls.

Options stand in the input or, as other programs write them, in the URL's query; the input's own go
first. The thread of the input waits within libsrt, which closing the socket ends.
"""

import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from media_api.input import InputConfig

from media_streamer.media.inputs.base import Input, InputError, InputRequest
from media_streamer.media.inputs.cut_input import CutInput
from media_streamer.media.inputs.demux import MPEGTS_OPTIONS, PROBE_OPTIONS
from media_streamer.outgoing.addresses import AddressRefusedError, reach_of_process
from media_streamer.protocols.srt.libsrt import (
    MAX_MESSAGE_BYTES,
    Option,
    SrtError,
    SrtSocket,
    ffi,
)
from media_streamer.protocols.srt.settings import DEFAULT_LATENCY_MS, Value, version_number

CONNECT_SECONDS = 3
WAIT_MS = 200
"""The thread looks whether it shall end this often."""
FIGURES_SECONDS = 1.0
_MODES = ("", "caller")


@dataclass(frozen=True, slots=True)
class SrtAddress:
    """Whom to call, and how."""

    host: str
    port: int
    options: tuple[tuple[int, Value], ...]
    latency: int

    @classmethod
    def of(cls, config: InputConfig) -> "SrtAddress":
        """Raises InputError; no secret is in its text."""
        # A stream id begins with `#`, which people write as it is: nothing here is a fragment.
        place, _, text = config.url.partition("://")[2].partition("?")
        try:
            parts = urlsplit(f"//{place}")
            host, port = parts.hostname, parts.port
            query = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=32))
        except ValueError:
            raise InputError("the URL cannot be read: write srt://HOST:PORT") from None
        if not host or not port:
            raise InputError("the URL lacks host or port: write srt://HOST:PORT")
        if query.get("mode", "") not in _MODES:
            raise InputError(
                "srt:// inputs call their source (mode=caller); to be called, give the stream"
                " publish:// and a port (srt_publish)"
            )
        passphrase = config.passphrase or query.get("passphrase", "")
        if passphrase and not 10 <= len(passphrase) <= 79:
            raise InputError("the passphrase has 10 to 79 characters")
        latency = config.latency or _number(query, "latency") or DEFAULT_LATENCY_MS
        connect = 1000 * (config.connect_timeout or CONNECT_SECONDS)
        options: list[tuple[int, Value]] = [
            (Option.LATENCY, latency),
            (Option.CONNTIMEO, connect),
            (Option.STREAMID, config.streamid or query.get("streamid", "")),
            (Option.ENFORCEDENCRYPTION, config.enforcedencryption is not False),
        ]
        if passphrase:
            options += [(Option.PASSPHRASE, passphrase), (Option.PBKEYLEN, _key_bytes(query))]
        if config.minversion:
            try:
                options.append((Option.MINVERSION, version_number(config.minversion)))
            except ValueError as error:
                raise InputError(str(error)) from None
        return cls(host, port, tuple(options), latency)


def _number(query: dict[str, str], name: str) -> int:
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0


def _key_bytes(query: dict[str, str]) -> int:
    """0: as the other side has it."""
    found = _number(query, "pbkeylen")
    return found if found in (16, 24, 32) else 0


def create(request: InputRequest) -> Input:
    return SrtInput(request, SrtAddress.of(request.config))


class SrtInput(CutInput):
    """One attempt to read a source."""

    def __init__(self, request: InputRequest, address: SrtAddress) -> None:
        super().__init__(
            request.stream,
            request.receiver,
            request.limits,
            "mpegts",
            {**PROBE_OPTIONS, **MPEGTS_OPTIONS},
            programs=frozenset(request.config.programs or ()),
            pids=frozenset(request.config.pids or ()),
        )
        self._address = address
        self._figures_at = 0.0

    def _connect(self) -> Callable[[int], bytes]:
        address = self._address
        try:
            reach_of_process().check_host(address.host, address.port)
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
            place = found[0][4]
            sock = SrtSocket.blocking(WAIT_MS)
        except (SrtError, AddressRefusedError) as error:
            raise InputError(str(error)) from None
        except OSError as error:
            raise InputError(f"{address.host} is not found: {error.strerror}") from None
        self._connection.callback(sock.close)
        try:
            for option, value in address.options:
                sock.set_flag(option, value)
            sock.connect(str(place[0]), int(place[1]))
        except SrtError as error:
            raise InputError(f"{address.host}:{address.port}: {error}") from None
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

    def _measure(self, sock: SrtSocket) -> None:
        now = time.monotonic()
        if now - self._figures_at > FIGURES_SECONDS:
            self._figures_at = now
            with contextlib.suppress(SrtError):
                figures = sock.statistics()
                self.reception = figures.reception if figures else self.reception
