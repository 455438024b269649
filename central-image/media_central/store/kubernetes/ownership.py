"""Who owns which field of an object, and what Central has to apply. Pure.

Server-side apply takes back every field that a manager applied before and leaves out now, and makes
it an owner of every field that it sends. So Central must send all that it owns, and nothing that it
only read: else a later removal by Git would be without effect. Field sets are the `fieldsV1` of
`metadata.managedFields` (structured-merge-diff: `f:` field, `k:` list item by key, `v:` by value).
"""

import json
from collections.abc import Mapping
from typing import Any

from media_central.store.port import OwnerConflictError

MANAGER = "central"
Fields = Mapping[str, Any]
_MISSING = object()
_ITSELF = "."


def spec_fields(body: Mapping[str, Any]) -> dict[str, Fields]:
    """Field sets of the spec by manager; a manager that wrote in several ways has them united."""
    found: dict[str, Fields] = {}
    for entry in body["metadata"].get("managedFields") or []:
        fields = (entry.get("fieldsV1") or {}).get("f:spec")
        if fields is not None and entry.get("subresource") != "status":
            manager = str(entry.get("manager"))
            found[manager] = _united(found.get(manager, {}), fields)
    return found


def foreign_owners(body: Mapping[str, Any]) -> set[str]:
    """Everybody but Central who owns a part of the spec."""
    return set(spec_fields(body)) - {MANAGER}


def spec_to_apply(live: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What Central applies so that the spec becomes `after`.

    Raises OwnerConflictError for a change of what belongs to somebody else.
    """
    owned = spec_fields(live)
    mine = owned.pop(MANAGER, {})
    return _changed("", live.get("spec") or {}, after, mine, owned)


def _changed(
    path: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    mine: Fields,
    others: Mapping[str, Fields],
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key in sorted({*before, *after}):
        name = f"f:{key}"
        old, new = before.get(key, _MISSING), after.get(key, _MISSING)
        own = mine.get(name)
        foreign = {manager: fields[name] for manager, fields in others.items() if name in fields}
        if old == new:
            if own is not None:
                result[key] = owned_part(old, own)
        elif isinstance(old, Mapping) and isinstance(new, Mapping) and all(foreign.values()):
            # An empty field set is that of a whole value: no part of it can be had.
            whole = own is not None and not own
            result[key] = (
                dict(new) if whole else _changed(f"{path}{key}.", old, new, own or {}, foreign)
            )
        elif foreign:
            raise OwnerConflictError(path + key, ", ".join(sorted(foreign)))
        elif new is not _MISSING:
            result[key] = new
    return result


def owned_part(value: Any, fields: Fields) -> Any:
    """The part of a value that a field set names."""
    inner = {name: item for name, item in fields.items() if name != _ITSELF}
    if not inner and not (fields and isinstance(value, Mapping | list)):
        return value
    if isinstance(value, Mapping):
        return {
            key: owned_part(item, inner[f"f:{key}"])
            for key, item in value.items()
            if f"f:{key}" in inner
        }
    if isinstance(value, list):
        found = ((item, _fields_of_item(index, item, inner)) for index, item in enumerate(value))
        return [owned_part(item, part) for item, part in found if part is not None]
    return value


def _fields_of_item(index: int, item: Any, fields: Fields) -> Fields | None:
    for name, part in fields.items():
        kind, _, text = name.partition(":")
        if kind == "i" and text == str(index):
            return {}
        if kind == "v" and json.loads(text) == item:
            return {}
        if kind == "k" and isinstance(item, Mapping):
            keys = json.loads(text)
            if all(item.get(key) == value for key, value in keys.items()):
                return dict(part)
    return None


def _united(left: Fields, right: Fields) -> Fields:
    """Both field sets; one of a whole value (empty) wins over one of its parts."""
    result = dict(left)
    for name, item in right.items():
        known = result.get(name)
        result[name] = item if known is None else (known and item and _united(known, item)) or {}
    return result
