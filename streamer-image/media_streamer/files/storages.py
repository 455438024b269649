"""From a name to an open file, in the storages of a location in their order: directories, what is
reached by HTTP, buckets. Blocks.

The first storage that has the file wins. One that does not answer is passed over, and is not asked
again for a while; only if no other has the file it is said that it failed, for nobody knows then.
"""

import logging
import os
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from media_rest.redact import redact_url

from media_streamer.files.disk import Changed, FileReader, Read
from media_streamer.files.names import (
    Identity,
    NoFile,
    OpenFile,
    check_path,
    local_root,
    open_below,
)
from media_streamer.files.objects import ObjectStorage
from media_streamer.files.remote import Fetch, HttpStorage, RemoteContent, Unreachable
from media_streamer.s3.address import SCHEMES, BadAddress, is_s3

log = logging.getLogger(__name__)

REMOTE_SCHEMES = ("http://", "https://", *SCHEMES)
"""Of storages that are read over the network."""
REST_SECONDS = 5.0
"""How long a storage that failed is not asked."""
_failed: dict[str, tuple[float, str]] = {}


class Content(Protocol):
    """A file that can be read; whoever opened it closes it."""

    @property
    def identity(self) -> Identity: ...

    @property
    def path(self) -> str:
        """On this machine; empty if it is elsewhere."""

    @property
    def read(self) -> Read: ...

    def close(self) -> None: ...


class LocalContent:
    """A file of a directory."""

    def __init__(self, opened: OpenFile) -> None:
        self.descriptor = opened.descriptor
        self.identity = opened.identity
        self.path = opened.path
        self.read = FileReader(opened.descriptor)

    def is_unchanged(self) -> bool:
        """Whether what is open is as it was then."""
        found = os.fstat(self.descriptor)
        return (found.st_size, found.st_mtime_ns) == self.identity[2:]

    def close(self) -> None:
        os.close(self.descriptor)


def is_remote(storage: str) -> bool:
    """Whether it is read over the network."""
    return storage.startswith(REMOTE_SCHEMES)


def is_served(storage: str) -> bool:
    """Whether files of a storage can be played."""
    return local_root(storage) is not None or is_remote(storage)


def open_content(storages: Sequence[str], path: str, *, only_look: bool = False) -> Content:
    """Open the first that there is. Raises BadName, NoFile, OSError.

    `only_look`: to see whether it is there and what it is, not to read it.
    """
    check_path(path)
    failure: OSError | None = None
    for storage in storages:
        try:
            found = _open_in(storage, path, only_look)
        except OSError as error:
            failure = failure or error
            continue
        if found is not None:
            return found
    if failure is not None:
        raise failure
    raise NoFile("there is no such file in the location")


def open_again(storages: Sequence[str], path: str, known: Content) -> Content:
    """The very content that is known, to be closed anew. Raises Changed, BadName, NoFile, OSError.

    Of a remote one every answer says whether it still is that.
    """
    if not known.path:
        return known
    found = open_content(storages, path)
    if found.identity != known.identity:
        found.close()
        raise Changed("the file was changed")
    return found


def identity_of(storages: Sequence[str], path: str) -> Identity:
    """Of what is there now; raises like `open_content`."""
    found = open_content(storages, path, only_look=True)
    found.close()
    return found.identity


def _open_in(storage: str, path: str, only_look: bool) -> Content | None:
    if (root := local_root(storage)) is not None:
        opened = open_below(str(root), path)
        return LocalContent(opened) if opened is not None else None
    if not is_remote(storage):
        return None
    failed_at, reason = _failed.get(storage, (0.0, ""))
    if reason and time.monotonic() - failed_at < REST_SECONDS:
        raise Unreachable(reason)
    try:
        found = RemoteContent(storage, path, _way(storage), only_look=only_look)
    except FileNotFoundError:
        found = None
    except Unreachable as error:
        if len(_failed) > 64:
            _failed.clear()
        _failed[storage] = (time.monotonic(), str(error.strerror))
        log.warning(
            "storage %s: %s; not asked for %.0f s", redact_url(storage), error, REST_SECONDS
        )
        raise
    _failed.pop(storage, None)
    return found


@lru_cache(maxsize=64)
def _way(storage: str) -> Fetch:
    """Raises Unreachable."""
    try:
        return ObjectStorage(storage) if is_s3(storage) else HttpStorage(storage)
    except BadAddress as error:
        raise Unreachable(str(error)) from None
