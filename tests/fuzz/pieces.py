"""How bytes are given to a reader, and what a summary says of what came of them."""

from collections.abc import Iterator

SIZES = (1, 7, 188, 1000, 65_536)


def portions(data: bytes) -> Iterator[bytes]:
    """The bytes as a socket gives them; the first one says how."""
    if data:
        size = SIZES[data[0] % len(SIZES)]
        for at in range(1, len(data), size):
            yield data[at : at + size]


def text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def size(count: int) -> int:
    """Roughly how many: what a summary says of it."""
    return count.bit_length()
