"""On which disk of a storage a stream is recorded now. Pure.

Every stream goes from disk to disk by the hour, each in an order of its own, so all disks fill and
work alike, whatever the rates of the streams, and a disk that fails takes a share of each with it.
Nothing has to be remembered: the order is a hash (rendezvous hashing), so a disk that comes or goes
moves nothing between the others.
"""

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from media_streamer.archive.places import HOUR_MS


def order(stream: str, unix_ms: int, disks: Iterable[Path]) -> list[Path]:
    """The disks for a stream in the hour of that moment, the best one first."""
    hour = unix_ms // HOUR_MS
    return sorted(disks, key=lambda disk: _draw(stream, hour, disk))


def _draw(stream: str, hour: int, disk: Path) -> bytes:
    return blake2b(f"{stream}\0{hour}\0{disk}".encode(), digest_size=8).digest()
