"""`streamer --check FILE`: every problem as FILE:LINE:COL: message; with `--explain` every line."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from media_api.cluster import SourceConfig
from media_api.stream import StreamConfig, TemplateConfig
from media_api.unsupported import (
    InVain,
    asked_in_vain,
    server_asks_in_vain,
    vod_directories,
)

from media_streamer.config.explain import explain, summary
from media_streamer.config.load import LoadedConfig, load
from media_streamer.config.named_files import missing_files
from media_streamer.config.problems import ConfigProblem, PathPart


def check(
    path: Path | str,
    environ: Mapping[str, str] | None = None,
    out: TextIO | None = None,
    *,
    every: bool = False,
) -> int:
    """Print the problems of `path`; returns the exit status: 1 if there is an error, else 0.

    `every`: a line for each directive, whatever becomes of it.
    """
    out = out or sys.stdout
    try:
        return _check(path, environ, out, every)
    except BrokenPipeError:
        # The reader has seen enough (`| head`). Python would still flush at its end.
        if out is sys.stdout:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _check(path: Path | str, environ: Mapping[str, str] | None, out: TextIO, every: bool) -> int:
    loaded = load(path, environ)
    problems = (*loaded.errors, *loaded.warnings, *missing_files(loaded), *not_served(loaded))
    if every:
        lines = explain(loaded.directives, problems)
        print(*lines, f"{path}: {summary(lines)}", sep="\n", file=out)
    else:
        for problem in problems:
            print(problem, file=out)
    if loaded.errors:
        count = len(loaded.errors)
        print(f"{path}: {count} error{'s' if count > 1 else ''}", file=out, flush=True)
        return 1
    config = loaded.config
    count = len(config.streams)
    print(f"{path}: ok, {count} stream{'' if count == 1 else 's'}", file=out, flush=True)
    return 0


def not_served(loaded: LoadedConfig) -> list[ConfigProblem]:
    """A warning at the place of everything that is asked for and not done, file by file."""
    order = {str(file): index for index, file in enumerate(loaded.files)}
    return sorted(
        _in_vain(loaded),
        key=lambda item: (order.get(item.filename, len(order)), item.line, item.col),
    )


def _in_vain(loaded: LoadedConfig) -> Iterator[ConfigProblem]:
    config = loaded.config
    for one in server_asks_in_vain(config):
        yield _warning(loaded, one, ())
    vods = vod_directories(config)
    items: list[tuple[str, int, str, StreamConfig | TemplateConfig | SourceConfig]] = [
        *(("templates", index, item.name, item) for index, item in enumerate(config.templates)),
        *(("sources", index, item.url, item) for index, item in enumerate(config.sources)),
        *(("streams", index, item.name, item) for index, item in enumerate(config.streams)),
    ]
    # A refused object is left out of its list: those behind it have other places in the file.
    shifted = {
        key
        for key in ("templates", "sources", "streams")
        if _is_shifted(loaded, key, getattr(config, key))
    }
    for key, index, name, item in items:
        for one in asked_in_vain(item, vods, bool(config.geoip)):
            yield _warning(loaded, one, () if key in shifted else (key, index), name)


def _is_shifted(loaded: LoadedConfig, key: str, items: Sequence[object]) -> bool:
    """Whether the files have more of them than were taken."""
    return loaded.locate((key, len(items))) is not None


def _warning(
    loaded: LoadedConfig, one: InVain, base: tuple[PathPart, ...], name: str = ""
) -> ConfigProblem:
    full = (*base, *one.path)
    # Of a list as a whole the first item is shown.
    at = None if name and not base else loaded.locate(full) or loaded.locate((*full, 0))
    if at is None:
        text = f"{name}: {one.text}" if name else one.text
        return ConfigProblem(
            0, 0, one.path, "not_served", text, str(loaded.files[0]), severity="warning"
        )
    path = (*base, *one.path)
    return ConfigProblem(at.line, at.col, path, "not_served", one.text, at.file, severity="warning")
