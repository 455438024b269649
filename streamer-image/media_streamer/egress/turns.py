"""The same bytes written to many viewers, some of them in each turn of the loop.

A write costs 30 to 100 us, most of it the kernel's, so one to each of a thousand viewers holds up
for 30 to 100 ms whoever asks for something else. So a part of them is written to and the loop looks
at what has come meanwhile; whoever asks waits for a part, several times a request.

Invariants: what is written first reaches each viewer first, as a second piece ends the turns of the
first one at once; who came after a piece was begun is not sent it (the cache of the group of
pictures had it), and who has gone is not either.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Iterator

from media_streamer.egress.viewer import UNCOUNTED_BYTES, Viewer

VIEWERS_A_TURN = 32
"""That are written to before others have their turn: 1 to 3 ms."""


class Turns:
    """Of one broadcast. `say_unread` is told whose address leaves too much unread."""

    def __init__(self, counted: bool, say_unread: Callable[[str], None]) -> None:
        self._counted = counted
        self._say_unread = say_unread
        self._left: Iterator[Viewer] = iter(())
        self._chunk, self._key, self._frames = b"", False, 0
        self._next: asyncio.Handle | None = None

    def send(self, viewers: Iterable[Viewer], chunk: bytes, *, key: bool, frames: int) -> None:
        """Begin with a piece; `key`: it begins with a key frame."""
        self.finish()
        self._left = iter(list(viewers))
        self._chunk, self._key, self._frames = chunk, key, frames
        self._turn()

    def finish(self) -> None:
        """Write to all who are left now."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
            self._write(self._left)

    def _turn(self) -> None:
        self._next = None
        if self._write(itertools.islice(self._left, VIEWERS_A_TURN)) == VIEWERS_A_TURN:
            self._next = asyncio.get_running_loop().call_soon(self._turn)

    def _write(self, viewers: Iterable[Viewer]) -> int:
        chunk, key, frames = self._chunk, self._key, self._frames
        length = len(chunk)
        size = length if self._counted else 0
        late: list[tuple[Viewer, int]] = []
        count = 0
        for viewer in viewers:
            count += 1
            transport = viewer.transport
            if viewer.closed.done() or transport.is_closing():
                continue  # one that is cut off is told in the next turn of the loop
            waiting = transport.get_write_buffer_size()
            is_asked = viewer.counted or waiting + length > UNCOUNTED_BYTES
            if is_asked and not viewer.fits(waiting, length):
                late.append((viewer, waiting))
                self._say_unread(viewer.account.who)
                continue
            if viewer.skipping:
                if not key or waiting > viewer.limit >> 1:
                    late.append((viewer, waiting))
                    continue
                viewer.skipping = False
            elif waiting > viewer.limit:
                late.append((viewer, waiting))
                continue
            transport.write(chunk)
            viewer.sent += length
            if viewer.counted:
                viewer.wrote(transport.get_write_buffer_size())
            viewer.account.bytes += size
            viewer.account.frames += frames
        if late:
            now = time.monotonic()
            for viewer, waiting in late:
                viewer.skip(waiting, now)
        return count
