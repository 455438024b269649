"""What the configuration says of an SRT port (`srt`, `srt_play`, `srt_publish`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from media_streamer.protocols.srt.libsrt import PAYLOAD_BYTES, Option

DEFAULT_LATENCY_MS = 120


@dataclass(frozen=True, slots=True)
class SrtSettings:
    """Times in ms. `mode` is what peers want that do not say; a passphrase has 10 to 79 letters."""

    mode: Literal["play", "publish"] | None = None
    passphrase: str = ""
    key_bytes: int = 0
    """16, 24 or 32; 0: as the peer has it."""
    latency: int = DEFAULT_LATENCY_MS
    enforced: bool = True
    """A peer with another passphrase, or none, is refused."""

    def options(self) -> Iterator[tuple[int, int | bool | str]]:
        """Options of a socket before it is bound."""
        yield Option.PAYLOADSIZE, PAYLOAD_BYTES
        yield Option.LATENCY, self.latency
        yield Option.ENFORCEDENCRYPTION, self.enforced
        if self.passphrase:
            yield Option.PASSPHRASE, self.passphrase
        if self.key_bytes:
            yield Option.PBKEYLEN, self.key_bytes
