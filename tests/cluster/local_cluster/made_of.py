"""What an image was built of, to know whether it must be built again.

Role: a session that finds the images of this tree neither starts an engine nor copies them to the
nodes, which takes minutes on a busy machine.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_COPY = re.compile(r"^COPY (?!--from)(?P<sources>.+?) \S+$", re.MULTILINE)
_IGNORED = "__pycache__"
"""As .dockerignore says of folders that are copied."""


def digest(dockerfile: Path, context: Path, *others: str) -> str:
    """Of the Dockerfile, of all files that it copies from the context, and of `others`."""
    found = hashlib.sha256(dockerfile.read_bytes())
    for text in others:
        found.update(text.encode() + b"\0")
    for match in _COPY.finditer(dockerfile.read_text()):
        for source in match["sources"].split():
            for path in sorted(_files(context / source)):
                found.update(f"{path.relative_to(context)}\0{path.stat().st_mode}\0".encode())
                found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [one for one in path.rglob("*") if one.is_file() and _IGNORED not in one.parts]


def is_made_of(archive: Path, inputs: str) -> bool:
    """Whether an image archive is there, and built of that."""
    note = _note(archive)
    return archive.is_file() and note.is_file() and note.read_text() == inputs


def remember(archive: Path, inputs: str) -> None:
    """Note what an archive was built of, once it is there."""
    _note(archive).write_text(inputs)


def forget(archive: Path) -> None:
    """Before it is built again."""
    _note(archive).unlink(missing_ok=True)


def _note(archive: Path) -> Path:
    return archive.with_suffix(".made-of")
