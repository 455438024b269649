"""What a batch of patches makes of the objects, before anything is written. Pure.

A draft is one object and the patches to it. It can be put on a newer state of its object, because a
patch is a merge: the result is that of the patches on what is there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from media_api.base import JsonObject
from media_kube import client as kube

from media_central.store.documents import next_document, target_key
from media_central.store.kubernetes import translate
from media_central.store.kubernetes.credentials import with_references
from media_central.store.kubernetes.ownership import MANAGER, spec_to_apply
from media_central.store.kubernetes.table import Body, Key
from media_central.store.port import Condition, InvalidResourceError, Kind, NameTakenError

MUST_NOT_EXIST = "0"
"""As resourceVersion of an apply: created, or refused with 422 if there is one (kube 1.34)."""
_MADE_BY_US = {"app.kubernetes.io/managed-by": MANAGER}
Find = Callable[[str], Body | None]


@dataclass(slots=True, eq=False)
class Draft:
    """`live`: the object to change, None for a new one. `patches`: (name after it, patch)."""

    kind: Kind
    namespace: str
    name: str
    live: Body | None
    patches: list[tuple[str, JsonObject]] = field(default_factory=list)
    attempt: int = 0
    condition: Condition | None = None
    shown: Callable[[Body], JsonObject] | None = None
    """The configuration as the record has it, which tags are made of; None: the document."""

    @property
    def target(self) -> str:
        """The resource's key after the write."""
        return self.patches[-1][0]

    @property
    def resource(self) -> kube.Kind:
        return kube.STREAM if self.kind is Kind.STREAM else kube.STREAMER

    def body(self) -> Body:
        """What to apply. Raises InvalidResourceError, ConditionError, OwnerConflictError."""
        if self.condition is not None:
            self.condition.check(self.shown_before())
        metadata: Body = {"name": self.name}
        spec = self._spec()
        if self.live is None:
            metadata["resourceVersion"] = MUST_NOT_EXIST
            metadata["labels"] = _MADE_BY_US
            return {"metadata": metadata, "spec": spec}
        before = self.live["metadata"]
        # Of this object in this state only: others write too.
        metadata |= {"resourceVersion": before["resourceVersion"], "uid": before["uid"]}
        if (before.get("labels") or {}).items() >= _MADE_BY_US.items():
            metadata["labels"] = _MADE_BY_US
        if self.kind is Kind.STREAM and not spec:
            # The API server makes null of a spec whose last field is taken back, and refuses that.
            spec = {"name": self.target}
        return {"metadata": metadata, "spec": spec_to_apply(self.live, spec)}

    def shown_before(self) -> JsonObject | None:
        """What readers saw of it."""
        if self.live is None or self.shown is None:
            return self.before()
        return self.shown(self.live)

    def before(self) -> JsonObject | None:
        """The document that the patches are put on."""
        if self.live is None:
            return None
        if self.kind is Kind.STREAM:
            return translate.to_document(self.live)
        return translate.external_document(self.live)

    def put_on(self, live: Body | None) -> None:
        """The object was changed, deleted or created by others meanwhile.

        Raises NameTakenError if an object of another stream has its name.
        """
        if live is not None and self.live is None and not self._is_same(live):
            self.attempt += 1
            if self.kind is not Kind.STREAM or self.attempt > 5:
                raise NameTakenError(f"an object {self.name} exists for something else")
            self.name, live = translate.object_name(self.target, self.attempt), None
        self.live = live

    def _is_same(self, live: Body) -> bool:
        if self.kind is Kind.STREAM:
            return translate.stream_name(live) == self.target
        return bool((live.get("spec") or {}).get("apiUrl"))

    def _spec(self) -> JsonObject:
        """The whole spec after the patches."""
        before: Mapping[str, Any] = (self.live or {}).get("spec") or {}
        document = self._document()
        if self.kind is Kind.STREAM:
            kept = {key: before[key] for key in before if key == "edgeCache"}
            return with_references({**translate.to_spec(document, self.name), **kept}, before)
        lost = translate.not_kept(document)
        if lost:
            raise InvalidResourceError(
                f"a Streamer resource has no {', '.join(lost)} for an external streamer",
                f"/{lost[0]}",
            )
        kept = {
            key: value for key, value in before.items() if key not in translate.EXTERNAL_SPEC_FIELDS
        }
        return {**kept, **translate.to_external_spec(document)}

    def _document(self) -> JsonObject:
        document = self.before()
        for target, patch in self.patches:
            key_field = "name" if self.kind is Kind.STREAM else "hostname"
            current = None if document is None else {**document, key_field: target}
            document = next_document(self.kind, target, current, patch)
        assert document is not None
        return document


class StreamDrafts:
    """Drafts of streams; a later patch of a batch sees what an earlier one made."""

    def __init__(self, find: Find, taken: Callable[[Key], bool], home: str) -> None:
        """`find`: object of a stream's name; `taken`: whether there is an object; `home`: where
        objects are created."""
        self._find = find
        self._taken = taken
        self._home = home
        self._by_name: dict[str, Draft | None] = {}
        self._all: dict[Draft, None] = {}

    def add(self, key: str, patch: JsonObject) -> None:
        """Raises NameTakenError."""
        target = target_key(Kind.STREAM, key, patch)
        draft, other = self._draft(key), self._draft(target)
        if target != key and draft is not None and other is not None:
            raise NameTakenError(f"{target} exists: {key} cannot get its name")
        found = draft or other or self._new(target)
        found.patches.append((target, patch))
        self._all[found] = None
        self._by_name[key] = None
        self._by_name[target] = found

    def all(self) -> list[Draft]:
        """One for each object, in the order of the batch."""
        return list(self._all)

    def _draft(self, name: str) -> Draft | None:
        if name not in self._by_name:
            live = self._find(name)
            if live is None:
                return None
            meta = live["metadata"]
            self._by_name[name] = Draft(Kind.STREAM, meta["namespace"], meta["name"], live)
        return self._by_name[name]

    def _new(self, name: str) -> Draft:
        used = {(draft.namespace, draft.name) for draft in self._all}
        attempt = 0
        while True:
            candidate = self._home, translate.object_name(name, attempt)
            if candidate not in used and not self._taken(candidate):
                return Draft(Kind.STREAM, *candidate, live=None, attempt=attempt)
            attempt += 1
