"""The dashboards are what Grafana's own schema says: read and written back by Grafana's library.

What the library does not know it leaves out, and what it knows by another type it refuses or
changes; so what comes back unchanged is what Grafana reads.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

FOLDER = Path(__file__).parents[2] / "manifests" / "components" / "monitoring" / "dashboards"
WITHOUT_SCHEMA = frozenset({"/templating/list/definition"})
"""Of a variable: its query as Grafana's editor shows it, which no schema has."""


def changed(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Where `after` lacks or alters something of `before`; numbers of lists are left out."""
    if isinstance(before, dict):
        for key, value in before.items():
            place = f"{path}/{key}"
            if not isinstance(after, dict) or key not in after:
                yield place
            else:
                yield from changed(value, after[key], place)
    elif isinstance(before, list):
        if not isinstance(after, list) or len(before) != len(after):
            yield path
        else:
            for one, other in zip(before, after, strict=True):
                yield from changed(one, other, path)
    elif before != after:
        yield path


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_grafana_reads_all_of_a_dashboard(path: Path) -> None:
    plugins.register_default_plugins()
    written = json.loads(path.read_text(encoding="utf-8"))
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(written)))
    assert set(changed(written, read)) <= WITHOUT_SCHEMA
    assert len(read["panels"]) == len(written["panels"]) > 5


def test_what_grafana_does_not_know_is_found() -> None:
    written = {"title": "a", "panels": [{"type": "stat", "titel": "b"}], "refresh": "10s"}
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(written)))
    assert set(changed(written, read)) == {"/panels/titel"}
