"""Everything that is tried."""

import contextlib
from collections.abc import Iterator

from tests.fuzz import archives, films, readers, rtsp, servers, srt, webrtc
from tests.fuzz.engine import Target


@contextlib.contextmanager
def all_targets() -> Iterator[list[Target]]:
    """The readers, and the servers while the block runs."""
    with servers.targets() as running, srt.targets() as ports:
        yield [
            *readers.targets(),
            *rtsp.targets(),
            *films.targets(),
            *archives.targets(),
            *webrtc.targets(),
            *running,
            *ports,
        ]
