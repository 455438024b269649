"""What a streamer's own configuration must say, and what is missing there. Pure.

Central writes four things: where its streams come from, where its events go, the rule sets of
viewers, and the block `config` of its record. What somebody else wrote there stays, but for items
of the same name. Items that Central wrote and that are gone are taken away as long as it remembers
them (`pushed`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from media_api.base import JsonObject
from media_rest.redact import HIDDEN

SINK_NAME = "central"
LISTS: Mapping[str, tuple[str, str]] = {
    "event_sinks": ("/event_sinks", "name"),
    "auth_backends": ("/auth_backends", "name"),
    "http_proxies": ("/http_proxies", "prefix"),
}
"""List of the configuration -> path of its collection, key of its items."""
_WHOLE = ("server_names",)
"""Lists without names in their items: set as a whole."""
Names = frozenset[tuple[str, str]]
"""(list, name of an item)"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`external`: URL of config_external; `items`: list -> name -> item; `whole`: plain keys."""

    external: str
    items: Mapping[str, Mapping[str, JsonObject]] = field(default_factory=dict)
    whole: JsonObject = field(default_factory=dict)

    @property
    def names(self) -> Names:
        return frozenset((key, name) for key, items in self.items.items() for name in items)


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the streamer's API."""

    method: str
    path: str
    body: JsonObject | None = None


def wanted(
    external: str, events_url: str | None, record: JsonObject, rule_sets: Mapping[str, JsonObject]
) -> Wanted:
    """What the streamer of `record` must say."""
    block: JsonObject = record.get("config") or {}
    items: dict[str, dict[str, JsonObject]] = {key: {} for key in LISTS}
    items["auth_backends"] = dict(rule_sets)
    if events_url is not None:
        items["event_sinks"][SINK_NAME] = {"name": SINK_NAME, "url": events_url}
    for key, (_, identity) in LISTS.items():
        for item in block.get(key) or ():
            items[key][str(item[identity])] = item
    return Wanted(external, items, {key: block[key] for key in _WHOLE if block.get(key)})


def calls(config: Mapping[str, Any], now: Wanted, pushed: Names) -> list[Call]:
    """What to ask of a streamer whose configuration is `config`; empty where all is as it shall be.

    config_external is the first: everything else may fail without harm to the streams.
    """
    found: list[Call] = []
    changed: JsonObject = {}
    if not same_backend(config.get("config_external"), now.external):
        changed["config_external"] = now.external
    changed |= {key: value for key, value in now.whole.items() if config.get(key) != value}
    if changed:
        found.append(Call("PUT", "/config", changed))
    for key, items in now.items.items():
        path, identity = LISTS[key]
        present = _by_name(config.get(key), identity)
        for name, item in items.items():
            if not _says(present.get(name), item):
                found.append(Call("PUT", _path(path, name), {"$reset": True, **item}))
        gone = {name for one, name in pushed if one == key} - items.keys()
        found += [Call("DELETE", _path(path, name)) for name in sorted(gone & present.keys())]
    return found


def _path(collection: str, name: str) -> str:
    return f"{collection}/{quote(name, safe='')}"


def _by_name(items: Any, identity: str) -> dict[str, Any]:
    if not isinstance(items, list):
        return {}
    return {
        str(item[identity]): item for item in items if isinstance(item, dict) and identity in item
    }


def _says(present: Any, expected: Any) -> bool:
    """Whether the streamer's value has all that is expected; what it hides counts as right."""
    if isinstance(expected, Mapping):
        if not isinstance(present, Mapping):
            return False
        return all(_says(present.get(key), value) for key, value in expected.items())
    if isinstance(expected, list):
        return (
            isinstance(present, list)
            and len(present) == len(expected)
            and all(map(_says, present, expected))
        )
    if isinstance(present, str) and HIDDEN in present:
        return isinstance(expected, str)
    return bool(present == expected)


def record_of(found: Any, expected: str) -> str:
    """Of what record of this Central the streamer asks for its streams, where that is another than
    `expected`; else empty."""
    if not isinstance(found, str):
        return ""
    there, _, name = found.rstrip("/").rpartition("/streamers/")
    ours, _, own = expected.rpartition("/streamers/")
    places = {
        (one.netloc.rpartition("@")[2], one.path) for one in (urlsplit(there), urlsplit(ours))
    }
    return unquote(name) if there and len(places) == 1 and name != own else ""


def same_backend(found: Any, expected: str) -> bool:
    """True if the streamer already asks Central; a key it hides in answers counts as right."""
    if not isinstance(found, str):
        return False
    if found.rstrip("/") == expected.rstrip("/"):
        return True
    left, right = urlsplit(found), urlsplit(expected)
    hidden = HIDDEN in left.netloc.rpartition("@")[0]
    same_place = left.netloc.rpartition("@")[2] == right.netloc.rpartition("@")[2]
    return hidden and same_place and left.path.rstrip("/") == right.path.rstrip("/")
