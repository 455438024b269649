"""A body that is made of parts of an open file, and how they are sent. Pure."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from media_streamer.files.samples import Span

LARGE_BYTES = 32 * 1024
"""From here on sendfile costs less than to copy."""
PIECE_BYTES = 256 * 1024
"""What is copied at once, at most."""
Sent = Span | tuple[Span, ...]
"""One place, or several that are small together."""


class OpenFile(Protocol):
    """A file that is open for as long as somebody holds this."""

    @property
    def descriptor(self) -> int: ...

    def is_unchanged(self) -> bool:
        """Whether it is as it was when it was opened."""


class Gathered(NamedTuple):
    """A body: some bytes, and then parts of a file."""

    head: bytes
    parts: Sequence[Sent]
    size: int
    """Of all together."""
    file: OpenFile


def in_parts(spans: Sequence[Span]) -> list[Sent]:
    """How spans are sent, in their order."""
    found: list[Sent] = []
    small: list[Span] = []
    held = 0
    for span in spans:
        is_large = span.size >= LARGE_BYTES
        if small and (is_large or held + span.size > PIECE_BYTES):
            found.append(tuple(small))
            small, held = [], 0
        if is_large:
            found.append(span)
        else:
            small.append(span)
            held += span.size
    if small:
        found.append(tuple(small))
    return found
