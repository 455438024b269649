"""`streamer --check FILE`: every problem as FILE:LINE:COL: message."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from media_api.unsupported import unsupported_parts

from media_streamer.config.load import load


def check(
    path: Path | str, environ: Mapping[str, str] | None = None, out: TextIO | None = None
) -> int:
    """Print the problems of `path`; returns the exit status: 1 if there is an error, else 0."""
    out = out or sys.stdout
    loaded = load(path, environ)
    for problem in (*loaded.errors, *loaded.warnings):
        print(problem, file=out)
    for text in unsupported_parts(loaded.config).values():
        print(f"{path}: warning: {text}", file=out)
    if loaded.errors:
        count = len(loaded.errors)
        print(f"{path}: {count} error{'s' if count > 1 else ''}", file=out)
        return 1
    config = loaded.config
    count = len(config.streams)
    print(f"{path}: ok, {count} stream{'' if count == 1 else 's'}", file=out)
    return 0
