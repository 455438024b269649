"""A body that is made of parts of an open file, and how they are sent. Pure."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from media_streamer.files.samples import Span

LARGE_BYTES = 256 * 1024
"""From here on sendfile costs less than to copy: one call of the kernel for many small parts is
cheaper than to go out of it and back for each that is larger, such as key frames."""
LAST_BYTES = 4 * 1024
"""The end of a body is read before it is sent, to see then whether its file is the same still."""
Body = bytes | bytearray | memoryview
"""What was made in memory."""
Places = tuple[Span, ...]
"""Of one file."""
Mapped = Callable[[Places], list[memoryview]]
"""Gives places of a file as it is mapped. Only the kernel may read them: the file may be shorter
than it was."""
Sent = Span | Places
"""One place, or several that are small together."""


class OpenFile(Protocol):
    """A file that is open for as long as somebody holds this."""

    @property
    def descriptor(self) -> int: ...

    @property
    def mapped(self) -> Mapped | None:
        """None for one that is sent as a whole."""

    def is_unchanged(self) -> bool:
        """Whether it is as it was when it was opened; never asked of the file of a cache."""


class Gathered(NamedTuple):
    """A body: some bytes, and then parts of a file."""

    head: Body
    parts: Sequence[Sent]
    size: int
    """Of all together."""
    file: OpenFile | None = None
    """None where there are no parts."""
    is_kept: bool = False
    """It is the file of a cache."""
    on_end: Callable[[], None] = lambda: None
    """Called once when it was sent, or was not."""


def in_parts(spans: Sequence[Span]) -> list[Sent]:
    """How spans are sent, in their order; the last part is small, at most `LAST_BYTES`."""
    found: list[Sent] = []
    small: list[Span] = []
    *most, last = spans
    end = min(last.size, LAST_BYTES)
    if last.size > end:
        most.append(Span(last.offset, last.size - end))
    for span in most:
        if span.size < LARGE_BYTES:
            small.append(span)
            continue
        if small:
            found.append(tuple(small))
            small = []
        found.append(span)
    if small:
        found.append(tuple(small))
    found.append((Span(last.offset + last.size - end, end),))
    return found
