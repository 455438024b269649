"""Which of the configured listeners open a port, and which have one together.

RTMP may have the port of HTTP, and RTMPS that of HTTPS, as firewalls let those through (`http 80;
rtmp 80;`): the first byte of a client tells which it is (`Listener.first_byte`). With TLS both must
have the same certificate, as that is shown before the first byte comes. Any other two listeners of
one port are an error of the file. By TCP a listener may have one address, and another one all the
rest of a port; by UDP it may not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from media_api import protocols
from media_api.server import ListenerConfig, Listeners, ServerConfig, TlsListenerConfig

from media_streamer.config.binder import ParsedConfig
from media_streamer.config.grammar import Word
from media_streamer.config.problems import ConfigProblem, PathPart
from media_streamer.config.srt_ports import SrtPort, ports_of
from media_streamer.config.tls import TlsFiles

HOSTS = {False: "http", True: "https"}
"""Who can have a guest, by whether it is with TLS."""
SRT = "srt"
Place = tuple[bool, str, int]
"""Of a socket: whether it is of UDP, address, number."""


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
    def place(self) -> Place:
        return place_of(self.name, self.listener.address or "", self.listener.port)


def place_of(protocol: str, address: str, port: int) -> Place:
    """Where a listener of this protocol has its socket."""
    return protocols.listeners()[protocol][1].socket == "datagram", address, port


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


def check_ports(
    parsed: ParsedConfig, config: ServerConfig, directory: Path, workers: int = 1
) -> list[ConfigProblem]:
    """A problem at the line of each listener that cannot have its port.

    Errors keep the server from starting: two listeners of one port, an SRT port of the server that
    is that of another listener by UDP. All else is a warning: a listener that takes an address from
    another one, SRT ports that two want of which the first has them, and UDP ports that one of the
    `workers` has for itself.
    """
    ports = opened(config.listeners, directory)
    return [
        *(_problem(parsed, one, first) for one, first in _clashes(ports)),
        *_shadows(parsed, ports),
        *_of_workers(parsed, ports, workers),
        *_srt(parsed, config, ports, workers),
    ]


def _clashes(ports: list[Opened]) -> Iterator[tuple[Opened, Opened]]:
    """Of which the second has the port."""
    for index, one in enumerate(ports):
        datagrams = one.place[0]
        for first in ports[:index]:
            if one.place == first.place or (datagrams and meet(one.place, first.place)):
                yield one, first
                break


def meet(one: Place, other: Place) -> bool:
    """Whether two ask for one port of one address; kinds, addresses and numbers."""
    return (one[0], one[2]) == (other[0], other[2]) and _same_address(one[1], other[1])


def _same_address(one: str, other: str) -> bool:
    if one == other or not one or not other:
        return True  # all of them
    try:
        first, second = ip_address(one), ip_address(other)
    except ValueError:
        return False  # a name: the system says at its opening
    either = first.is_unspecified or second.is_unspecified
    return first == second or (either and first.version == second.version)


def _shadows(parsed: ParsedConfig, ports: list[Opened]) -> Iterator[ConfigProblem]:
    """Listeners by TCP that take what comes to an address from one that has all of them: the
    kernel gives a connection to whoever names its address."""
    for one in ports:
        for wide in ports:
            if one.name != wide.name and not one.place[0] and _is_within(one, wide):
                path = ("listeners", one.name, one.index)
                text = (
                    f"{one.name}: connections to {one.listener.address}:{one.listener.port} go to"
                    f" {one.name} and not to {wide.name}, which has that port of all addresses"
                )
                yield _at(parsed, path, text, warns=True)


def _of_workers(parsed: ParsedConfig, ports: list[Opened], workers: int) -> Iterator[ConfigProblem]:
    """Listeners whose port is that of a later worker of another one by UDP."""
    datagrams = [one for one in ports if one.place[0]]
    for wide in datagrams:
        _, *others = _places(wide, workers)
        for one in datagrams:
            if one.name != SRT and any(meet(one.place, place) for place in others):
                text = (
                    f"{one.name}: port {one.listener.port} is that of a worker of {wide.name}:"
                    f" {workers} workers have {wide.listener.port} to {others[-1][2]}, one each"
                )
                yield _at(parsed, ("listeners", one.name, one.index), text, warns=True)


def _places(one: Opened, workers: int) -> list[Place]:
    """Of all workers that have a socket of a listener by UDP."""
    datagram, address, port = one.place
    count = max(1, workers) if protocols.listeners()[one.name][1].per_worker else 1
    return [(datagram, address, port + number) for number in range(count)]


def _is_within(one: Opened, wide: Opened) -> bool:
    if one.place == wide.place or not meet(one.place, wide.place):
        return False
    address = wide.listener.address
    return not address or (bool(one.listener.address) and ip_address(address).is_unspecified)


def _srt(
    parsed: ParsedConfig, config: ServerConfig, ports: list[Opened], workers: int
) -> list[ConfigProblem]:
    """SRT ports that two want, or that are those of other listeners by UDP."""
    others = [one for one in ports if one.place[0] and one.name != SRT]
    found: list[ConfigProblem] = []
    seen: dict[int, list[SrtPort]] = {}
    for path, port in _srt_ports(parsed, config):
        place = (True, port.address, port.port)
        taken = (o for o in others if any(meet(place, its) for its in _places(o, workers)))
        if (first := next(taken, None)) is not None:
            # How many workers there are is not of the file, so it cannot make it wrong.
            warns = bool(port.stream) or not meet(place, first.place)
            text = f"{port.is_that_of(first.name)}: give them two"
            found.append(_at(parsed, path, text, warns=warns))
            continue
        for before in seen.get(port.port, ()):
            same = before.place == port.place
            if (same and before.serves(port)) or not _same_address(before.address, port.address):
                continue
            # Two sockets of one port cannot be had; one socket has the terms of the first.
            warns = same or bool(port.stream)
            text = f"{port.taken_by(before)}: give them two"
            found.append(_at(parsed, path, text, warns=warns))
            break
        seen.setdefault(port.port, []).append(port)
    return found


def _srt_ports(
    parsed: ParsedConfig, config: ServerConfig
) -> Iterator[tuple[tuple[PathPart, ...], SrtPort]]:
    """All of them with their places in the configuration, in the order of who has them first."""
    for port in ports_of(config):
        yield port.path, port
    # A refused stream is left out of the list: those behind it have other places in the file.
    shifted = parsed.locate(("streams", len(config.streams))) is not None
    for index, stream in enumerate(config.streams):
        for port in ports_of(stream):
            yield () if shifted else ("streams", index, *port.path), port


def _problem(parsed: ParsedConfig, one: Opened, first: Opened) -> ConfigProblem:
    text = f"{one.name}: port {one.listener.port} is that of {first.name} already: give them two"
    if first.name == HOSTS[True] and protocols.listeners()[one.name][1].first_byte is not None:
        text += ", or the same certificate"
    return _at(parsed, ("listeners", one.name, one.index), text)


def _at(
    parsed: ParsedConfig, path: tuple[PathPart, ...], text: str, *, warns: bool = False
) -> ConfigProblem:
    at = parsed.locate(path) or (parsed.locate(path[:2]) if path else None) or Word("", "", 0, 0)
    severity: Literal["warning", "error"] = "warning" if warns else "error"
    return ConfigProblem(at.line, at.col, path, "port_taken", text, at.file, severity=severity)
