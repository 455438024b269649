"""Names that one object uses and another declares: templates, storages, caches, rule sets, copied
streams.

Role: finds names that nothing declares, or two do. They are warnings, not errors: the stream runs,
but without what the name should have given, and a file that is otherwise right stays in force.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from media_streamer.config.problems import did_you_mean
from media_streamer.config.scope import Path, Reading
from media_streamer.config.shapes import show

Json = Mapping[str, Any]
AUTH_SCHEME = "auth://"
COPY_SCHEME = "copy://"
UNUSED = "unused_name"
"""Code of what is declared and that nothing uses yet."""
_USERS = ("streams", "templates", "sources", "vods")


def check_references(values: Json, reading: Reading) -> None:
    """Record a warning at each name in the JSON `values` of a configuration that nothing declares.

    `values` may hold anything where the binder has refused it already.
    """
    names = {
        kind: {item.get("name") for item in _items(values.get(kind))}
        for kind in ("templates", "dvrs", "caches", "auth_backends")
    }
    used: set[str] = set()
    for list_key in _USERS:
        for index, item in enumerate(_items(values.get(list_key))):
            for path, kind, name in _uses(item):
                if kind == "caches":
                    used.add(name)
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
    _check_copies(values, reading)
    _check_prefixes(values, reading)
    for index, item in enumerate(_items(values.get("caches"))):
        name, word = _text(item, "name"), reading.position(("caches", index))
        if name not in used and word is not None:
            text = (
                f"nothing names this cache yet: write `cache @{name[:40]};` in a source, a stream"
            )
            where: Path = ("caches", index)
            reading.problem(word, where, UNUSED, f"{text} or a vod location", warn=True)


def _check_copies(values: Json, reading: Reading) -> None:
    """Copies of streams that are not there, and of copies."""
    copies = {
        item.get("name"): any(_copied(one) for one in _items(item.get("inputs")))
        for item in _items(values.get("streams"))
    }
    # Others may come by servers, backends and names below a prefix.
    others = any(values.get(key) for key in ("sources", "peers", "config_external"))
    prefixes = [prefix for _, _, prefix in _prefixes(values)]
    for list_key in ("streams", "templates"):
        for index, item in enumerate(_items(values.get(list_key))):
            for number, one in enumerate(_items(item.get("inputs"))):
                name = _copied(one)
                made = any(not prefix or name.startswith(f"{prefix}/") for prefix in prefixes)
                if not name or (name not in copies and (others or made)):
                    continue
                path: Path = (list_key, index, "inputs", number, "url")
                if name not in copies:
                    known = [known for known in copies if isinstance(known, str)]
                    text, hint = f"no stream is called {show(name)}", did_you_mean(name, known)
                elif copies[name]:
                    text, hint = f"{show(name)} is a copy itself", "copy what it copies"
                else:
                    continue
                if (word := reading.position(path)) is not None:
                    reading.problem(word, path, "unknown_reference", text, hint, warn=True)


def _copied(one: Json) -> str:
    """Name of the stream that an input copies; empty for none."""
    url = _text(one, "url")
    return url.removeprefix(COPY_SCHEME).strip("/") if url.startswith(COPY_SCHEME) else ""


def _check_prefixes(values: Json, reading: Reading) -> None:
    """Prefixes of templates that an earlier one has, which makes all streams below it."""
    first: dict[str, str] = {}
    for path, name, prefix in _prefixes(values):
        before = first.setdefault(prefix, name)
        word = reading.position(path)
        if before != name and word is not None:
            text = (
                f"prefix {show(prefix)} is that of template {show(before)}, which has its streams"
            )
            reading.problem(word, path, "duplicate_name", text, "give them two", warn=True)


def _prefixes(values: Json) -> Iterator[tuple[Path, str, str]]:
    """(path, name of the template, prefix)."""
    for index, item in enumerate(_items(values.get("templates"))):
        found = item.get("prefixes")
        for number, prefix in enumerate(found if isinstance(found, list) else ()):
            if isinstance(prefix, str):
                yield ("templates", index, "prefixes", number), str(item.get("name")), prefix


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
    groups = item.get("group_config")
    for group, options in groups.items() if isinstance(groups, Mapping) else ():
        if isinstance(options, Mapping) and (name := _text(options.get("cache"), "reference")):
            yield ("group_config", group, "cache", "reference"), "caches", name
    for key in ("on_play", "on_publish"):
        url = _text(item.get(key), "url")
        if url.startswith(AUTH_SCHEME):
            yield (key, "url"), "auth_backends", url.removeprefix(AUTH_SCHEME)


def _text(values: Any, key: str) -> str:
    value = values.get(key) if isinstance(values, Mapping) else None
    return value if isinstance(value, str) else ""
