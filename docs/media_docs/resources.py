"""Tables of `docs/reference/resources.md`: the fields of the custom resources, from their CRDs."""

from collections.abc import Iterator

from media_api.crd import definitions
from media_api.structural import Schema

from media_docs.tables import code, table

MAX_DEPTH = 4
"""Deeper fields are those of the configuration, which has a page of its own."""


def resources() -> str:
    parts = []
    for definition in definitions().values():
        version = definition["spec"]["versions"][0]
        schema = version["schema"]["openAPIV3Schema"]
        names = definition["spec"]["names"]
        parts += [
            f"## {names['kind']}",
            "",
            f"{schema['description']} Short name: {code(names['shortNames'][0])}.",
            "",
        ]
        for part in ("spec", "status"):
            rows = list(_fields(schema["properties"][part], part, 1))
            parts += [f"### {names['kind']}.{part}", "", table(("field", "type", "what"), rows), ""]
            rules = schema["properties"][part].get("x-kubernetes-validations", ())
            parts += [f"- {rule['message']}" for rule in rules]
            parts += [""] if rules else []
    return "\n".join(parts).rstrip()


def _fields(schema: Schema, path: str, depth: int) -> Iterator[tuple[str, str, str]]:
    for name, field in schema.get("properties", {}).items():
        below = f"{path}.{name}"
        yield code(below), _type(field), str(field.get("description", ""))
        inner = field.get("items", field) if field.get("type") == "array" else field
        ending = "[]" if field.get("type") == "array" else ""
        if (depth < MAX_DEPTH and path != "spec") or (depth == 1 and name in _OPENED):
            yield from _fields(inner, f"{below}{ending}", depth + 1)


_OPENED = frozenset({"inputs", "pushes", "service", "gpu"})
"""Fields of a spec whose own fields are told here, too."""


def _type(field: Schema) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "number or text"
    kind = str(field.get("type", "any"))
    if kind == "array":
        return f"list of {_type(field.get('items', {}))}"
    return {"string": "text", "integer": "number", "boolean": "true or false"}.get(kind, kind)
