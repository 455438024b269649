"""The SRT ports that a configuration asks for: whose each is, and where it is said.

A port is shared (`srt`, `listeners.srt`, blocks `srt_play` and `srt_publish` of the server: the
stream id names the stream) or that of one stream. The first who asks for a port has it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from media_api.server import ServerConfig
from media_api.srt import SrtConfig, split_place
from media_api.stream import StreamConfig

Mode = Literal["play", "publish"]
MODES: tuple[Mode, ...] = ("play", "publish")
Place = tuple[str, int]
_LISTENER = "srt"
"""Its name in the table of protocols."""


@dataclass(frozen=True, slots=True)
class SrtPort:
    """A port that somebody asks for."""

    address: str
    port: int
    stream: str = ""
    """Its only stream; empty: the stream id names one."""
    mode: Mode | None = None
    """What alone can be done there; None: the stream id says, playing if it does not."""
    options: SrtConfig | None = None
    path: tuple[str | int, ...] = ()
    """Where the owner's configuration says it."""

    @property
    def place(self) -> Place:
        return self.address, self.port

    @property
    def owner(self) -> str:
        """For people."""
        return f"stream {self.stream}" if self.stream else "the server"

    def serves(self, other: "SrtPort") -> bool:
        """Whether the other one of the same place asks for the same."""
        return (self.stream, self.mode) == (other.stream, other.mode)

    def taken_by(self, first: "SrtPort") -> str:
        """What is said where `first` has the port."""
        return self.is_that_of(first.owner + (f" to {first.mode}" if first.mode else ""))

    def is_that_of(self, owner: str) -> str:
        """The same where it is another listener's."""
        return f"srt port {self.port} of {self.owner} is that of {owner} already"


def ports_of(config: ServerConfig | StreamConfig) -> tuple[SrtPort, ...]:
    """The ports that a stream, or the server itself, asks for."""
    return tuple(_ports_of(config))


def _ports_of(config: ServerConfig | StreamConfig) -> Iterator[SrtPort]:
    stream = ""
    if isinstance(config, StreamConfig):
        if config.disabled:
            return
        stream = config.name
    elif config.listeners is not None:
        for index, item in enumerate(config.listeners.of(_LISTENER)):
            path = ("listeners", _LISTENER, index)
            yield SrtPort(item.address or "", item.port, path=path)
    for name in ("srt", "srt2"):
        spec = getattr(config, name)
        if spec is not None:
            yield SrtPort(*split_place(spec), stream, path=(name,))
    for mode in MODES:
        for name, options in _named_blocks(config, mode):
            if options.port is not None:
                place = split_place(options.port)
                yield SrtPort(*place, stream, mode, options, path=(name, "port"))


def blocks(config: ServerConfig | StreamConfig, mode: Mode) -> Iterator[SrtConfig]:
    """Options of ports where one plays, or publishes."""
    for _, block in _named_blocks(config, mode):
        yield block


def _named_blocks(
    config: ServerConfig | StreamConfig, mode: Mode
) -> Iterator[tuple[str, SrtConfig]]:
    for name in (f"srt_{mode}", f"srt2_{mode}"):
        block: SrtConfig | None = getattr(config, name)
        if block is not None:
            yield name, block
