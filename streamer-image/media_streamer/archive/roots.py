"""The folders that media workers may record below, told before they begin.

A media worker confines itself to some folders when it starts and cannot widen that later, so the
supervisor leaves word in the runtime directory; a folder that is new to a worker needs another one.
"""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

import msgspec
from media_api.files import write_file

log = logging.getLogger(__name__)

FILE = "archives.json"


def tell_roots(runtime: Path, roots: Iterable[Path]) -> None:
    """Workers that start from now on may record below these; raises OSError."""
    text = json.dumps(sorted(map(str, roots)))
    write_file(runtime / FILE, text + "\n", new_mode=0o600)


def told_roots(runtime: Path) -> list[Path]:
    """What was told last; nothing where the file cannot be read."""
    path = runtime / FILE
    try:
        return [Path(root) for root in msgspec.json.decode(path.read_bytes(), type=list[str])]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        log.error("archives: %s cannot be used: %s", path, error)
        return []


def usable_roots(roots: Iterable[Path]) -> list[Path]:
    """Those that are there or can be made."""
    found = []
    for root in roots:
        try:
            root.mkdir(parents=True, exist_ok=True)
            found.append(root)
        except (OSError, ValueError) as error:
            log.error("archive %s: nothing can be recorded there: %s", root, error)
    return found
