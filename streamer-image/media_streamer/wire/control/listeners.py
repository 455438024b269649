"""Ports of egress workers, and where they find streams."""

import msgspec

from media_streamer.wire.control.values import Value
from media_streamer.wire.peer import Notice, Request


class ListenerSpec(Value, frozen=True):
    """A port to listen at."""

    protocol: str
    address: str
    """Empty for all."""
    port: int
    api: bool = True
    """Whether the API and the UI are served there too."""
    certificate: str = ""
    """PEM text, for the worker reads no such file; the path of one that nobody could read."""
    certificate_key: str = ""
    """The same."""
    certificate_chain: str = ""
    """PEM text of intermediate certificates that are not in `certificate`; may be empty."""
    ssl_protocols: list[str] = msgspec.field(default_factory=list)
    guest: str = ""
    """Another listener that has this port too; empty for none."""

    @property
    def place(self) -> tuple[str, str, int]:
        """What makes it another listener if it changes."""
        return self.protocol, self.address, self.port

    @property
    def title(self) -> str:
        names = f"{self.protocol} and {self.guest}" if self.guest else self.protocol
        return f"{names} {self.address or '*'}:{self.port}"

    def __repr__(self) -> str:
        return f"ListenerSpec({self.title})"  # a key is never printed


class Listen(Request[list[str]], frozen=True):
    """Listen at these ports and no others; answered by what did not work, for people."""

    listeners: list[ListenerSpec]


class Place(Value, frozen=True):
    """Where a stream runs."""

    worker: str
    """Media worker."""
    epoch: int
    """Grows at every placement and restart of a worker."""


class Directory(Notice, frozen=True):
    """All streams that run."""

    streams: dict[str, Place]


class DirectoryChanged(Notice, frozen=True):
    """Streams that came or moved; None: gone."""

    streams: dict[str, Place | None]
