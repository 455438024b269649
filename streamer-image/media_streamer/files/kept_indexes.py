"""Indexes of files that have none, made once: in memory, and for all workers in a folder.

A file of another identity is another one. What is kept has a bound, and a folder that cannot be
written costs what it would have saved. Whoever asks for an index that is being made waits for it.
"""

import contextlib
import hashlib
import os
import tempfile
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from media_streamer.files.names import Identity
from media_streamer.files.outline import MAX_MARKS, Mark

MAX_KEPT = 64
"""In memory; two hours take 30 kB."""
MAX_FILES = 1000
FOLDER = "indexes"
_MAGIC = 0x6D61726B73000001
_kept: OrderedDict[Identity, list[Mark]] = OrderedDict()
_making: dict[Identity, threading.Lock] = {}
_lock = threading.Lock()
_folder: list[Path] = []


def keep_in(runtime: Path) -> None:
    """Keep indexes in a folder of this directory, too."""
    _folder[:] = [runtime / FOLDER]


def folder_in(runtime: Path) -> Path:
    """Where they are kept, made if need be; raises OSError."""
    folder = runtime / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def kept_marks(identity: Identity | None, make: Callable[[], list[Mark]]) -> list[Mark]:
    """The index of a file, which `make` makes where it is not known; raises what that raises."""
    if identity is None:
        return make()
    with _lock:
        making = _making.setdefault(identity, threading.Lock())
    try:
        with making:
            with _lock:
                found = _kept.get(identity)
            if found is None:
                found = _read(identity)
                if found is None:
                    found = make()
                    _write(identity, found)
                with _lock:
                    _kept[identity] = found
                    while len(_kept) > MAX_KEPT:
                        _kept.popitem(last=False)
            return found
    finally:
        with _lock:
            _making.pop(identity, None)


def _path(identity: Identity) -> Path | None:
    if not _folder:
        return None
    return _folder[0] / hashlib.sha256(repr(tuple(identity)).encode()).hexdigest()[:32]


def _read(identity: Identity) -> list[Mark] | None:
    path = _path(identity)
    if path is None:
        return None
    try:
        data = path.read_bytes()
    except OSError:
        return None
    numbers = array("Q")
    if len(data) % 16 != 8 or len(data) > 16 * (MAX_MARKS + 1):
        return None
    numbers.frombytes(data)
    if numbers[0] != _MAGIC:
        return None
    return [Mark(place, time) for place, time in zip(numbers[1::2], numbers[2::2], strict=True)]


def _write(identity: Identity, marks: list[Mark]) -> None:
    path = _path(identity)
    if path is None:
        return
    numbers = array("Q", [_MAGIC])
    for mark in marks:
        numbers.extend((mark.place, mark.time))
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if sum(1 for _ in path.parent.iterdir()) >= MAX_FILES:
            return
        descriptor, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(numbers.tobytes())
        os.replace(name, path)
