"""A source as one file after another: each ends where the tracks change.

Role: lets demuxers follow each other on one connection. The running demuxer reads up to the cut and
sees the end of its file, the next one is opened on what follows.
"""

from collections.abc import Callable

from media_streamer.protocols.flv.watch import FlvWatch
from media_streamer.protocols.ts.watch import TsWatch

Watch = TsWatch | FlvWatch

READ_BYTES = 64 * 1024


class CutReader:
    """A file object for FFmpeg; `read_source` returns some bytes, b"" at the end of the source."""

    def __init__(
        self,
        read_source: Callable[[int], bytes],
        watch: Watch,
        check: Callable[[], None] | None = None,
    ) -> None:
        """`check` looks at the watch after everything that it was fed, before it is read on."""
        self.watch = watch
        self._check = check
        self._read_source = read_source
        self._ready = b""
        self._next: bytes | None = None
        """What the next demuxer starts with, once there is a cut."""
        self._ended = False

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end of the present file; raises what the source does.

        It raises once: FFmpeg asks again after an error, and PyAV prints the second one as lost.
        """
        while not self._ready:
            if self._ended or self._next is not None:
                return b""
            try:
                data = self._read_source(READ_BYTES)
                if data:
                    self._ready, self._next = self.watch.feed(data)
                    if self._check is not None:
                        self._check()
            except BaseException:
                self._ended = True
                self._ready = b""
                raise
            if not data:
                self._ended = True
                self._ready = self.watch.finish()
        piece, self._ready = self._ready[:size], self._ready[size:]
        return piece

    def go_on(self) -> bool:
        """Begin the next file; False if there is none because the source has ended."""
        if self._next is None:
            return False
        self._ready, self._next = self.watch.again(self._next)
        return True
