"""Bytes of parts and initialisation sections: read once for all viewers, bounded.

They lie in shared memory, so reading them does not block.
"""

import logging
import os
from collections import OrderedDict
from pathlib import Path

from media_streamer.presentation.track_index import Init, Part
from media_streamer.refusal import AccessDenied

log = logging.getLogger(__name__)

MAX_PARTS = 256
MAX_BYTES = 32 * 1024 * 1024


class PartReader:
    """The newest parts of one stream."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._known: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._bytes = 0

    def read(self, part: Part) -> bytes:
        """Bytes of a part; raises AccessDenied(404)."""
        key = (part.path, part.offset)
        data = self._known.get(key)
        if data is None:
            try:
                data = _read(part.path, part.offset, part.size)
            except OSError as error:
                log.warning("stream %s: part %d: %s", self._stream, part.seq, error)
                raise AccessDenied(404, "not_found", "The part is gone") from error
            self._known[key] = data
            self._bytes += len(data)
            while len(self._known) > MAX_PARTS or self._bytes > MAX_BYTES:
                _, old = self._known.popitem(last=False)
                self._bytes -= len(old)
        return data

    def read_init(self, init: Init) -> bytes:
        """Bytes of an initialisation section; raises AccessDenied(404)."""
        try:
            return Path(init.path).read_bytes()
        except OSError as error:
            log.warning("stream %s: initialisation section: %s", self._stream, error)
            raise AccessDenied(404, "not_found", "It is gone") from error


def _read(path: str, offset: int, size: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)
