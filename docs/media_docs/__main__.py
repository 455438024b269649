"""Writes the made parts of README.md and docs: `python -m media_docs [--check]`."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from media_api.protocols import readme

from media_docs import configuration, environment, metrics, moving, resources

ROOT = Path(__file__).resolve().parents[2]
PAGES: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "README.md": readme.TABLES,
    "docs/configuration.md": {"directives": configuration.directives},
    "docs/moving-from-flussonic.md": {"directives": moving.directives},
    "docs/reference/environment.md": {
        "streamer": environment.streamer,
        "central": environment.central,
        "operator": environment.operator,
    },
    "docs/reference/metrics.md": {
        "streamer": metrics.streamer,
        "central": metrics.central,
        "cache": metrics.cache,
        "operator": metrics.operator,
    },
    "docs/reference/protocols.md": {**readme.TABLES, "schemes": configuration.schemes},
    "docs/reference/resources.md": {"resources": resources.resources},
}


def main(arguments: list[str]) -> int:
    status = 0
    for name, tables in PAGES.items():
        page = ROOT / name
        text = page.read_text(encoding="utf-8")
        new = readme.render(text, tables)
        if new == text:
            continue
        if "--check" in arguments:
            print(f"{name}: its tables differ from the code: run make crds", file=sys.stderr)
            status = 1
        else:
            page.write_text(new, encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
