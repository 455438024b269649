"""Tables of `docs/reference/environment.md`: what each program reads from its environment."""

import dataclasses
import inspect
import logging
import re
from typing import Any

from media_central.settings import Settings as CentralSettings
from media_operator.settings import Settings as OperatorSettings
from media_streamer.variables import VARIABLES

from media_docs.tables import code, table

_DOCUMENTED = re.compile(r'"""`([A-Z_]+)`: (.+?)"""', re.DOTALL)


def streamer() -> str:
    rows = []
    for one in VARIABLES:
        twin = "`FLUSSONIC_…`" if one.twin else ""
        rows.append((", ".join(code(name) for name in one.names), twin, one.about))
    return table(("variable", "also", "what"), rows)


def central() -> str:
    rows = []
    for field in dataclasses.fields(CentralSettings):
        if "text" not in field.metadata:
            continue
        also = ", ".join(code(name) for name in field.metadata["also"])
        default = "" if field.metadata["secret"] else _default(field.name, field.default)
        rows.append((code(field.name.upper()), also, code(default), field.metadata["text"]))
    return table(("variable", "also", "default", "what"), rows)


def _default(name: str, value: Any) -> str:
    if value is None or value == ():
        return ""
    if name == "log_level":
        return str(logging.getLevelName(value)).lower()
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}s" if isinstance(value, float) else str(value)


def operator() -> str:
    found = _DOCUMENTED.findall(inspect.getsource(OperatorSettings))
    return table(("variable", "what"), ((code(name), text) for name, text in found))
