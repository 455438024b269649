"""Which SRT ports this server opens, whose they are, and on what terms a peer connects there.

A port is shared (`srt`, `listeners.srt`, blocks `srt_play` and `srt_publish` of the server: the
stream id names the stream) or that of one stream. Passphrases never leave the supervisor but in the
answer to the worker that a peer is connecting to, so a change of them needs no port opened anew.

The first who asks for a port has it; whoever comes later is told so.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Protocol

import msgspec
from media_api.server import ServerConfig
from media_api.stream import StreamConfig

from media_streamer.config import ports
from media_streamer.config.srt_ports import Place, SrtPort, blocks, ports_of
from media_streamer.supervisor.catalog import Stream
from media_streamer.supervisor.sessions import Session
from media_streamer.wire.control import AccessKind, DatagramsDropped, Refusal, SrtQuestion, SrtTerms

SRT = ports.SRT


def public_port(server: ServerConfig, stream: StreamConfig, mode: AccessKind) -> int | None:
    """Where a stream is played or published: its own port, else the shared one."""
    both = chain(ports_of(stream), ports_of(server))
    return next((port.port for port in both if port.mode in (None, mode)), None)


class SrtPorts:
    """All of them; `put` and `drop` follow the streams."""

    def __init__(self) -> None:
        self._server = ServerConfig()
        self._others: Sequence[tuple[str, ports.Place]] = ()
        self._shared: tuple[SrtPort, ...] = ()
        self._own: dict[str, tuple[SrtPort, ...]] = {}
        self._by_place: dict[Place, SrtPort] = {}
        self.problems: list[str] = []
        """Ports that two ask for, in words."""
        self.changed = False
        """For the owner to note and to take back."""

    def set_server(
        self, config: ServerConfig, others: Sequence[tuple[str, ports.Place]] = ()
    ) -> None:
        """`others`: listeners that have ports of UDP, by their names."""
        self._server = config
        self._others = others
        self._shared = ports_of(config)
        self._settle()

    def put(self, stream: StreamConfig) -> None:
        """A stream that is new or has changed."""
        own = ports_of(stream)
        if own != self._own.get(stream.name, ()):
            self._own[stream.name] = own
            self._settle()

    def drop(self, name: str) -> None:
        if self._own.pop(name, None):
            self._settle()

    def __iter__(self) -> Iterator[SrtPort]:
        return iter(self._by_place.values())

    def _settle(self) -> None:
        found: dict[Place, SrtPort] = {}
        problems: list[str] = []
        for port in chain(self._shared, *self._own.values()):
            place = ports.place_of(SRT, *port.place)
            if owner := next((name for name, one in self._others if ports.meet(place, one)), ""):
                problems.append(port.is_that_of(owner))
                continue
            first = found.setdefault(port.place, port)
            if first is not port and not first.serves(port):
                problems.append(port.taken_by(first))
        self._by_place, self.problems, self.changed = found, problems, True

    def wanted(self, question: SrtQuestion) -> tuple[SrtPort, str, AccessKind] | Refusal:
        """Whose port it is, which stream is meant and what for."""
        port = self._by_place.get((question.address, question.port))
        port = port or self._by_place.get(("", question.port))
        if port is None:
            return Refusal(503, "port_closed", "The port is being closed")
        mode = question.mode or port.mode or "play"
        if port.mode is not None and mode != port.mode:
            return Refusal(403, "wrong_port", f"This port is there to {port.mode} only")
        if port.stream and question.name not in ("", port.stream):
            return Refusal(404, "stream_not_found", "This port is that of another stream")
        if not port.stream and not question.name:
            return Refusal(400, "no_name", "The stream id names no stream")
        return port, port.stream or question.name, mode

    def terms(self, port: SrtPort, stream: StreamConfig, name: str, mode: AccessKind) -> SrtTerms:
        """On what terms a peer connects: the words of a stream's own port come first, then the
        stream's, then those of the shared port."""
        own = [port.options] if port.options is not None else []
        given = [*blocks(stream, mode)]
        if port.stream:
            given = [*own, *given]
        else:
            usual = [one for one in blocks(self._server, mode) if one.port is None]
            given = [*given, *own, *usual]

        merged: dict[str, object] = {}
        for block in reversed(given):
            merged |= block.model_dump(exclude_none=True)
        return SrtTerms(
            name=name,
            mode=mode,
            passphrase=str(merged.get("passphrase", "")),
            latency=_number(merged.get("latency")),
            timeout=_number(merged.get("timeout")),
            enforced=merged.get("enforcedencryption") is not False,
            minversion=str(merged.get("minversion", "")),
            version=str(merged.get("version", "")),
            linger=_number(merged.get("linger")),
        )


def _number(value: object) -> int | None:
    """None where nothing is said, 0 for `false`."""
    return int(value) if isinstance(value, int | float) else None


class Finder(Protocol):
    """Who knows streams by their names."""

    async def find(self, name: str, kind: str) -> Stream | None:
        """The stream, or what a template would make of the name."""


class Publishers(Protocol):
    """Who knows the open sessions (`Sessions`)."""

    def of_stream(self, name: str, kind: str = "play") -> list[Session]: ...


class SrtDoor:
    """Answers the workers that a peer connects to.

    Once a handshake is done SRT has no words: a connection that is of no use is refused before.
    """

    def __init__(self, ports: SrtPorts, streams: Finder, sessions: Publishers) -> None:
        self.dropped_datagrams = 0
        """Of all ports, since the start: told by the workers that have them."""
        self._ports = ports
        self._streams = streams
        self._sessions = sessions

    async def answer(self, question: SrtQuestion) -> SrtTerms | Refusal:
        """What is told; whether the peer may is asked apart."""
        found = self._ports.wanted(question)
        if isinstance(found, Refusal):
            return found
        port, name, mode = found
        stream = await self._streams.find(name, mode)
        if stream is None:
            return Refusal(404, "stream_not_found", f"There is no stream {name!r}")
        terms = self._ports.terms(port, stream.config, name, mode)
        refused = self._refusal(stream, mode)
        if refused is None:
            return terms
        if mode == "publish" and terms.passphrase:
            return msgspec.structs.replace(terms, refusal=refused)
        return refused

    def dropped(self, told: DatagramsDropped) -> None:
        self.dropped_datagrams += told.count

    def _refusal(self, stream: Stream, mode: AccessKind) -> Refusal | None:
        """What the media worker would answer, which nobody asks before the handshake is done."""
        there = self._sessions.of_stream(stream.name, "publish")
        if mode == "publish":
            # One that never sent a byte may be a stranger with a wrong passphrase.
            if any(one.first_byte_at is not None for one in there):
                return Refusal(409, "already_published", "Another publisher is sending this stream")
            return None
        config = stream.config
        waits = not config.backup and all(item.scheme == "publish" for item in config.inputs)
        is_here = not config.disabled and stream.elsewhere is None
        if waits and config.inputs and not there and is_here:
            return Refusal(503, "no_data", "The stream is not running now: nobody publishes it")
        return None
