"""Where a script lies: `/path/script.lua` or `lua:///path/script.lua`. Pure."""

from pathlib import Path

SCHEME = "lua"
ENDING = ".lua"


def script_path(url: str) -> Path | None:
    """The file; None if that is no script's address.

    Only `*.lua`: what is wrong with a script is told in the log, words of it included, and other
    files of the server are nobody's business.
    """
    text = url.removeprefix(f"{SCHEME}://")
    path = Path(text)
    if "://" in text or "\0" in text or not path.is_absolute() or path.suffix != ENDING:
        return None
    return path if ".." not in path.parts else None
