"""The same of documents that need not be valid: of resources, and of what is typed."""

from collections.abc import Mapping, Sequence
from typing import Any

from media_api import protocols
from media_api.unsupported.archives import storages_ask_in_vain
from media_api.unsupported.streams import asked_in_vain
from media_api.unsupported.words import GLOBALS, LISTS


def unserved_options(document: Mapping[str, Any]) -> list[str]:
    """Paths within a stream's or template's document (JSON names) that have no effect."""
    return [one.dotted for one in asked_in_vain(document)]


def unserved_globals(document: Mapping[str, Any]) -> list[str]:
    """The same of a document of global directives, such as a Streamer's `config`."""
    listeners = document.get("listeners") or {}
    ports = protocols.listeners().keys() - protocols.served_listeners().keys()
    return [
        *(key for key in (*LISTS, *GLOBALS) if document.get(key)),
        *(f"listeners.{name}" for name in sorted(ports) if listeners.get(name)),
        *(one.dotted for one in storages_ask_in_vain(_listed(document.get("dvrs")))),
        *(
            f"templates[{template.get('name') or index}].{path}"
            for index, template in enumerate(document.get("templates") or [])
            for path in unserved_options(template)
        ),
        *(
            f"sources[{source.get('url') or index}].{path}"
            for index, source in enumerate(document.get("sources") or [])
            for path in unserved_options(source)
        ),
    ]


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def input_schemes(document: Mapping[str, Any]) -> list[str]:
    """The scheme of each input of a stream's or template's document."""
    inputs = document.get("inputs") or []
    return [str(item.get("url") or "").partition("://")[0] for item in inputs]
