"""Names and JSON types of the fields of the published API (tests/data/published_fields.json).

`types` are those of JSON schema, several joined by `|`; `number` takes integers, too.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_DATA = json.loads(
    (Path(__file__).parents[1] / "data" / "published_fields.json").read_text(encoding="utf-8")
)
FIELDS: dict[str, dict[str, str]] = _DATA["fields"]
"""Fields by what has them."""
COLLECTIONS: dict[str, str] = _DATA["collections"]
"""Key of the list in the answer, by path."""

_BELOW = {
    ("stream_stats", "media_info"): "media_info",
    ("stream_stats", "dvr_info"): "dvr_info",
    ("input_stats", "media_info"): "media_info",
    ("media_info", "tracks"): "track_info",
    ("dvr_info", "ranges"): "dvr_range",
    ("server_stats", "partitions"): "partition_stats",
    ("server_stats", "transcoder_devices"): "transcoder_device_stats",
}


def wrong_types(kind: str, value: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Fields of an answer that are of another type than is published, in words."""
    for name, types in FIELDS[kind].items():
        if name not in value:
            continue
        found, where = value[name], f"{path}{kind}.{name}"
        if not any(_is(found, one) for one in types.split("|")):
            yield f"{where} is {found!r}, published is {types}"
        if (below := _BELOW.get((kind, name))) is not None:
            items = found if isinstance(found, list) else [found]
            for item in items:
                yield from wrong_types(below, item, f"{where} > ")


def _is(value: Any, published: str) -> bool:
    if isinstance(value, bool):
        return published == "boolean"
    match published:
        case "integer":
            return isinstance(value, int)
        case "number":
            return isinstance(value, int | float)
        case "string":
            return isinstance(value, str)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
    return False
