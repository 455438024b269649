"""Writes what is made from the code: `python -m media_docs [--check]`.

Those are parts of README.md and docs, and the files of monitoring.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from media_api.protocols import readme

from media_docs import alarms, configuration, dashboards, environment, metrics, moving, resources

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
        "alarms": alarms.alarms,
    },
    "docs/reference/protocols.md": {**readme.TABLES, "schemes": configuration.schemes},
    "docs/reference/resources.md": {"resources": resources.resources},
}
FILES: Mapping[str, Callable[[], str]] = {
    "packaging/compose/alarms.yaml": alarms.as_rules,
    **{
        f"manifests/components/monitoring/dashboards/{name}.json": partial(
            dashboards.as_json, board
        )
        for name, board in dashboards.DASHBOARDS.items()
    },
}


def main(arguments: list[str]) -> int:
    status = 0
    for name, new in _made():
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == new:
            continue
        if "--check" in arguments:
            print(f"{name} differs from the code: run make crds", file=sys.stderr)
            status = 1
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(new, encoding="utf-8")
    return status


def _made() -> Iterator[tuple[str, str]]:
    """Each file with the text that it should have."""
    for name, tables in PAGES.items():
        yield name, readme.render((ROOT / name).read_text(encoding="utf-8"), tables)
    for name, text in FILES.items():
        yield name, text()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
