"""Names that one object uses and another declares: templates, storages, caches, rule sets.

Role: finds names that nothing declares. They are warnings, not errors: the stream runs, but without
what the name should have given, and a file that is otherwise right stays in force.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from media_streamer.config.problems import did_you_mean
from media_streamer.config.scope import Path, Reading
from media_streamer.config.shapes import show

Json = Mapping[str, Any]
AUTH_SCHEME = "auth://"
_USERS = ("streams", "templates", "sources", "vods")


def check_references(values: Json, reading: Reading) -> None:
    """Record a warning at each name in the JSON `values` of a configuration that nothing declares.

    `values` may hold anything where the binder has refused it already.
    """
    names = {
        kind: {item.get("name") for item in _items(values.get(kind))}
        for kind in ("templates", "dvrs", "caches", "auth_backends")
    }
    for list_key in _USERS:
        for index, item in enumerate(_items(values.get(list_key))):
            for path, kind, name in _uses(item):
                if name not in names[kind]:
                    full = (list_key, index, *path)
                    what = kind.removesuffix("s")
                    known = [known for known in names[kind] if isinstance(known, str)]
                    word = reading.position(full)
                    if word is not None:
                        reading.problem(
                            word,
                            full,
                            "unknown_reference",
                            f"no {what} is called {show(name)}",
                            did_you_mean(name, known),
                            warn=True,
                        )


def _items(values: Any) -> Sequence[Json]:
    return [item for item in values or () if isinstance(item, Mapping)]


def _uses(item: Json) -> Iterator[tuple[Path, str, str]]:
    """(path of the name, list that should declare it, name)."""
    template = item.get("template")
    if isinstance(template, str):
        yield ("template",), "templates", template
    for key, kind in (("dvr", "dvrs"), ("cache", "caches"), ("segment_cache", "caches")):
        reference = _text(item.get(key), "reference")
        if reference:
            yield (key, "reference"), kind, reference
    for key in ("on_play", "on_publish"):
        url = _text(item.get(key), "url")
        if url.startswith(AUTH_SCHEME):
            yield (key, "url"), "auth_backends", url.removeprefix(AUTH_SCHEME)


def _text(values: Any, key: str) -> str:
    value = values.get(key) if isinstance(values, Mapping) else None
    return value if isinstance(value, str) else ""
