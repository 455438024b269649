"""The objects of one kind in memory, as the API server has them. Pure.

Invariants: an object never goes back to an older version, whatever the order in which a write's
answer, a list and the watch's events arrive; what was deleted here does not come back with an event
from before; what was written here while a list was read is not lost at the end of that list.
Resource versions are compared as numbers (KEP-5504).
"""

from collections.abc import Iterable, Mapping
from typing import Any

Body = dict[str, Any]
Key = tuple[str, str]


def key_of(body: Mapping[str, Any]) -> Key:
    """(namespace, name)"""
    return body["metadata"]["namespace"], body["metadata"]["name"]


def version_of(body: Mapping[str, Any]) -> int:
    return int(body["metadata"].get("resourceVersion") or 0)


def age_of(body: Mapping[str, Any]) -> tuple[str, Key]:
    """Sorts the oldest first; the names decide within a second."""
    return body["metadata"].get("creationTimestamp") or "", key_of(body)


class Table:
    """Objects by namespace and name."""

    def __init__(self) -> None:
        self._bodies: dict[Key, Body] = {}
        self._by_name: dict[str, set[Key]] = {}
        self._deleted: set[str] = set()
        """uid of what was deleted here and whose DELETED event has not come."""
        self._listed: set[Key] = set()

    def get(self, key: Key) -> Body | None:
        return self._bodies.get(key)

    def all(self) -> Iterable[Body]:
        return list(self._bodies.values())

    def named(self, name: str) -> list[Body]:
        """Objects of that name in all namespaces, the oldest first."""
        return sorted((self._bodies[key] for key in self._by_name.get(name, ())), key=age_of)

    def put(self, body: Body) -> bool:
        """False if it is known already, older than what is known, or deleted."""
        key = key_of(body)
        known = self._bodies.get(key)
        if _uid(body) in self._deleted:
            return False
        if known is not None and version_of(known) >= version_of(body):
            return False
        self._bodies[key] = body
        self._by_name.setdefault(key[1], set()).add(key)
        return True

    def deleted_here(self, body: Body) -> None:
        """A deletion that the API server has confirmed."""
        if _uid(body):
            self._deleted.add(_uid(body))
        known = self._bodies.get(key_of(body))
        if known is not None and _uid(known) == _uid(body):
            self._drop(key_of(body))

    def deleted_event(self, body: Body) -> bool:
        """The watch tells of a deletion; False if that object was gone already."""
        self._deleted.discard(_uid(body))
        known = self._bodies.get(key_of(body))
        if known is None or _uid(known) != _uid(body):
            return False
        self._drop(key_of(body))
        return True

    def begin_list(self) -> None:
        self._listed = set()

    def listed(self, body: Body) -> bool:
        """An object of the list; True if it is news."""
        self._listed.add(key_of(body))
        return self.put(body)

    def end_list(self, version: int) -> list[Body]:
        """Drops and returns what is not in the list of that resource version."""
        gone = [
            body
            for key, body in self._bodies.items()
            if key not in self._listed and version_of(body) <= version
        ]
        for body in gone:
            self._drop(key_of(body))
        self._deleted.clear()
        self._listed = set()
        return gone

    def _drop(self, key: Key) -> None:
        del self._bodies[key]
        named = self._by_name[key[1]]
        named.discard(key)
        if not named:
            del self._by_name[key[1]]


def _uid(body: Mapping[str, Any]) -> str:
    return str(body["metadata"].get("uid") or "")
