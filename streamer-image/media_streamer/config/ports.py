"""Which of the configured listeners open a port, and which have one together.

RTMP may have the port of HTTP, and RTMPS that of HTTPS, as firewalls let those through (`http 80;
rtmp 80;`): the first byte of a client tells which it is (`Listener.first_byte`). With TLS both must
have the same certificate, as that is shown before the first byte comes. Any other two listeners of
one port are an error of the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from media_api import protocols
from media_api.server import ListenerConfig, Listeners, ServerConfig, TlsListenerConfig

from media_streamer.config.binder import ParsedConfig
from media_streamer.config.grammar import Word
from media_streamer.config.problems import ConfigProblem
from media_streamer.config.tls import TlsFiles

HOSTS = {False: "http", True: "https"}
"""Who can have a guest, by whether it is with TLS."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A listener that opens a port."""

    name: str
    index: int
    """Among the listeners of its name."""
    listener: ListenerConfig
    guest: str = ""
    """The listener that has the port with it; empty for none."""

    @property
    def place(self) -> tuple[bool, str, int]:
        """Kind of port, address, number."""
        datagrams = protocols.listeners()[self.name][1].socket == "datagram"
        return datagrams, self.listener.address or "", self.listener.port


def opened(listeners: Listeners | None, directory: Path) -> list[Opened]:
    """All that are served, without those that are guests of another one.

    Relative paths of certificates start at `directory`.
    """
    if listeners is None:
        return []
    return [
        Opened(name, index, item, _guest(listeners, name, item, directory))
        for name in protocols.served_listeners()
        for index, item in enumerate(listeners.of(name))
        if not _is_guest(listeners, name, item, directory)
    ]


def _guest(listeners: Listeners, host: str, item: ListenerConfig, directory: Path) -> str:
    if host not in HOSTS.values():
        return ""
    for name, (_, listener) in protocols.served_listeners().items():
        if listener.first_byte is not None and HOSTS[listener.tls] == host:
            for one in listeners.of(name):
                if _fits(item, one, directory):
                    return name
    return ""


def _is_guest(listeners: Listeners, name: str, item: ListenerConfig, directory: Path) -> bool:
    listener = protocols.listeners()[name][1]
    if listener.first_byte is None:
        return False
    return any(_fits(one, item, directory) for one in listeners.of(HOSTS[listener.tls]))


def _fits(host: ListenerConfig, guest: ListenerConfig, directory: Path) -> bool:
    if (host.address or "", host.port) != (guest.address or "", guest.port):
        return False
    if isinstance(host, TlsListenerConfig) and isinstance(guest, TlsListenerConfig):
        same = TlsFiles.of(host, directory) == TlsFiles.of(guest, directory)
        return same and (host.ssl_protocols or []) == (guest.ssl_protocols or [])
    return True


def check_ports(parsed: ParsedConfig, config: ServerConfig, directory: Path) -> list[ConfigProblem]:
    """A problem at the line of each listener whose port another one has."""
    return [
        _problem(parsed, one, first) for one, first in _clashes(opened(config.listeners, directory))
    ]


def _clashes(ports: list[Opened]) -> Iterator[tuple[Opened, Opened]]:
    seen: dict[tuple[bool, str, int], Opened] = {}
    for one in ports:
        first = seen.setdefault(one.place, one)
        if first is not one:
            yield one, first


def _problem(parsed: ParsedConfig, one: Opened, first: Opened) -> ConfigProblem:
    path = ("listeners", one.name, one.index)
    at = parsed.locate(path) or Word("", "", 0, 0)
    text = f"{one.name}: port {one.listener.port} is that of {first.name} already: give them two"
    if first.name == HOSTS[True] and protocols.listeners()[one.name][1].first_byte is not None:
        text += ", or the same certificate"
    return ConfigProblem(at.line, at.col, path, "port_taken", text, at.file)
