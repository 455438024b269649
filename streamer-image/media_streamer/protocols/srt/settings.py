"""Socket options of SRT, as the configuration and the terms of a stream have them."""

from collections.abc import Iterator

from media_streamer.protocols.srt.libsrt import PAYLOAD_BYTES, Option
from media_streamer.wire.control import SrtTerms

DEFAULT_LATENCY_MS = 120
PUBLISHER_IDLE_SECONDS = 30
"""Of a publisher that is there and sends nothing; who is not there libsrt lets go after 5 s."""
Value = int | bool | str


def listener_options() -> Iterator[tuple[int, Value]]:
    """Of a port before it is bound: what no terms say."""
    yield Option.PAYLOADSIZE, PAYLOAD_BYTES
    yield Option.LATENCY, DEFAULT_LATENCY_MS


def peer_options(terms: SrtTerms) -> Iterator[tuple[int, Value]]:
    """Of a connection while its handshake is answered."""
    yield Option.LATENCY, DEFAULT_LATENCY_MS if terms.latency is None else terms.latency
    yield Option.ENFORCEDENCRYPTION, terms.enforced
    if terms.passphrase:
        yield Option.PASSPHRASE, terms.passphrase
    if lowest := lowest_version(terms.minversion, terms.version):
        yield Option.MINVERSION, lowest
    if terms.linger is not None:
        yield Option.LINGER, terms.linger


def lowest_version(*texts: str | None) -> int:
    """That a peer must have: `minversion` and `version` both say it, and the higher one holds. 0
    where nothing is said. Raises ValueError."""
    return max((version_number(text) for text in texts if text), default=0)


def version_number(text: str) -> int:
    """1.3.0 as libsrt has it: 0x010300. Raises ValueError."""
    words = text.split(".")
    parts = [int(part) if part.isdecimal() and len(part) < 4 else 256 for part in words]
    if len(parts) > 3 or max(parts) > 255:
        raise ValueError(f"{text!r} is no version of SRT: write 1.3.0")
    major, minor, patch = (*parts, 0, 0)[:3]
    return major << 16 | minor << 8 | patch
