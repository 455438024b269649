"""What a transcoder answers when it cannot do what it was asked for."""

from collections.abc import Iterator
from contextlib import contextmanager

import av
import av.logging


class EncoderRefused(Exception):  # noqa: N818 - an answer
    """Something cannot be made as it was asked for; the text says what and why."""


@contextmanager
def muted() -> Iterator[None]:
    """FFmpeg's own words of an error are kept for `words_of`, and not logged."""
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture():
            yield
    finally:
        av.logging.set_level(None)


def words_of(error: Exception) -> str:
    """An error of FFmpeg in its own words."""
    said = getattr(error, "log", None)
    detail = f" ({said[2].strip()})" if said else ""
    return f"{getattr(error, 'strerror', None) or error}{detail}"
