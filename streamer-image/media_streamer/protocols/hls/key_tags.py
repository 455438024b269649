"""EXT-X-KEY in a media playlist (RFC 8216, 4.3.2.4): it holds for all that follows it."""

from collections.abc import Callable

KeyLine = Callable[[str], str]
"""The tag before a segment of this name; empty: it is not encrypted."""
NO_KEY = "#EXT-X-KEY:METHOD=NONE"


def not_encrypted(_: str) -> str:
    """The `KeyLine` of what is in clear."""
    return ""


class KeyTags:
    """Says what has changed, in the order of a playlist."""

    def __init__(self, key_line: KeyLine) -> None:
        self._key_line = key_line
        self._held = ""

    def before(self, name: str) -> list[str]:
        """What stands before the segment of this name."""
        line = self._key_line(name)
        if line == self._held:
            return []
        self._held = line
        return [line or NO_KEY]

    def before_section(self) -> list[str]:
        """The same of an initialisation section, which is in clear."""
        if not self._held:
            return []
        self._held = ""
        return [NO_KEY]
