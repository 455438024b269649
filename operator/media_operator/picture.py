"""The operator's picture of the cluster, fed by the watch one object at a time."""

import logging
import time
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from media_operator import metrics
from media_operator.objects import PodObject, Snapshot, StreamObject, TierObject

log = logging.getLogger(__name__)

Object = Mapping[str, Any]

_VOLATILE = ("managedFields", "resourceVersion")
_STATUS = {
    "Service": ("loadBalancer",),
    "StatefulSet": ("updateRevision",),
    "PersistentVolumeClaim": ("phase", "capacity", "conditions"),
}
"""What plans look at of the statuses of objects that are not ours."""


class ClusterPicture:
    """Holds the snapshot; `on_change` is called when something that plans look at changed."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.snapshot = Snapshot()
        self.last_event = time.monotonic()
        self._on_change = on_change

    def touch(self) -> None:
        """The watch is alive."""
        self.last_event = time.monotonic()
        metrics.LAST_EVENT.set_to_current_time()

    def excuse_silence(self) -> None:
        """The API server is away, and this program knows it: a restart would not help."""
        self.last_event = time.monotonic()

    def put(self, body: Object) -> None:
        """An object exists as `body` says. One that cannot be parsed is logged and left out."""
        table, key = self._place(body)
        try:
            record = self._parse(body, table.get(key))
        except (KeyError, TypeError, ValueError, AttributeError):
            log.exception("%s %s/%s is not understood and left alone", body.get("kind"), *key[-2:])
            self.remove(body)
            return
        if table.get(key) != record:
            table[key] = record
            self._changed(body)

    def remove(self, body: Object) -> None:
        """An object is gone."""
        table, key = self._place(body)
        if table.pop(key, None) is not None:
            self._changed(body)

    def begin_list(self, kind: str) -> "Listing":
        """All objects of `kind` are going to be put."""
        return Listing(self, kind)

    def replace(self, kind: str, bodies: Iterable[Object]) -> None:
        """These are all objects of `kind` that exist: others are gone."""
        listing = self.begin_list(kind)
        for body in bodies:
            self.put(body)
            listing.saw(body)
        listing.end()

    def keep(self, kind: str, present: Container[tuple[str, ...]]) -> None:
        """Objects of `kind` with other keys are gone."""
        for table in self._tables():
            for key in [key for key, record in table.items() if _kind(key, record) == kind]:
                if key not in present:
                    del table[key]
                    self._on_change()

    def key(self, body: Object) -> tuple[str, ...]:
        """What identifies an object in its table."""
        return self._place(body)[1]

    def _tables(self) -> tuple[dict[Any, Any], ...]:
        snapshot = self.snapshot
        return snapshot.streams, snapshot.tiers, snapshot.pods, snapshot.children

    def _changed(self, body: Object) -> None:
        table, _ = self._place(body)
        metrics.OBJECTS.labels(body["kind"]).set(len(table))
        self._on_change()

    def _place(self, body: Object) -> tuple[dict[Any, Any], tuple[str, ...]]:
        kind = body["kind"]
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        match kind:
            case "Stream":
                return self.snapshot.streams, (namespace, name)
            case "Streamer" | "Cache":
                return self.snapshot.tiers, (kind, namespace, name)
            case "Pod":
                return self.snapshot.pods, (namespace, name)
            case _:
                return self.snapshot.children, (kind, namespace, name)

    @staticmethod
    def _parse(body: Object, before: Any) -> object:
        match body["kind"]:
            case "Stream":
                return StreamObject.parse(body, before)
            case "Streamer" | "Cache":
                return TierObject.parse(body)
            case "Pod":
                return PodObject.parse(body)
            case _:
                meta = body["metadata"]
                kept = {k: v for k, v in meta.items() if k not in _VOLATILE}
                status = body.get("status") or {}
                return {
                    **{k: v for k, v in body.items() if k not in ("metadata", "status")},
                    "metadata": kept,
                    "status": {k: status.get(k) for k in _STATUS.get(body["kind"], ())},
                }


class Listing:
    """A list of one kind while it is read, object by object; without `end`, it never was."""

    def __init__(self, picture: ClusterPicture, kind: str) -> None:
        self._picture = picture
        self._kind = kind
        self._present: set[tuple[str, ...]] = set()

    def saw(self, body: Object) -> None:
        """This object is in the list."""
        self._present.add(self._picture.key(body))

    def end(self) -> None:
        """That was all: what was not seen is gone."""
        self._picture.keep(self._kind, self._present)


def _kind(key: tuple[str, ...], record: object) -> str:
    match record:
        case StreamObject():
            return "Stream"
        case PodObject():
            return "Pod"
        case _:
            return key[0]
