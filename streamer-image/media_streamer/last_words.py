"""What a worker that ends itself leaves for the supervisor: why, and whose fault it is.

A file, because whoever writes it may have lost its event loop, and with it every channel.
"""

import contextlib
import os
from pathlib import Path

import msgspec

from media_streamer.wire.control import WorkerKind
from media_streamer.wire.homes import home_of

MAX_BYTES = 1024 * 1024


class LastWords(msgspec.Struct, frozen=True):
    """`streams`: those to blame, none if nobody knows; `seconds`: how long it had gone wrong."""

    reason: str
    streams: list[str] = []
    seconds: float = 0.0


def path_of(runtime: Path, kind: WorkerKind, worker: str) -> Path:
    """Where the supervisor looks for them."""
    return home_of(runtime, kind, worker) / "end"


def leave(path: Path, words: LastWords) -> None:
    """Write them; raises OSError."""
    partial = path.with_suffix(".part")
    partial.write_bytes(msgspec.json.encode(words))
    os.replace(partial, path)


def take(path: Path) -> LastWords | None:
    """Read and remove them; None if there are none that can be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        path.unlink()
    try:
        return msgspec.json.decode(data, type=LastWords)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
