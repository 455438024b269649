"""Marks in JSON schemas for whoever makes forms of them: what has no effect, and for which URLs.

Role: `media_api.unsupported` and the table of protocols, written into openapi.json. A property that
nothing reads carries `x-no-effect` with the reason in words; one that only some protocols read
carries `x-schemes`, the URL schemes that it belongs to. The `url` of inputs and pushes carries the
schemes that are served in `x-schemes`, and those that are known and not in `x-unserved-schemes`.
So a form offers what works, and nobody keeps a second list.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from media_api import protocols, unsupported
from media_api.playback import DrmSpec
from media_api.protocols import RoleName
from media_api.push import PushConfig

Schemas = Mapping[str, Any]
Words = Mapping[str, str]

_STREAMS = ("StreamConfig", "TemplateConfig", "CentralStream", "StreamState", "CentralStreamState")
_LISTENERS = ("ListenerConfig", "TlsListenerConfig", "HttpListenerConfig", "HttpsListenerConfig")
_INPUTS = ("InputConfig", "InputState")
_PUSHES = ("PushConfig", "PushState")


def mark(schemas: Schemas) -> None:
    """Adds the marks to the definitions of models, by their names; others stay as they are."""
    no_effect = dict.fromkeys
    words: dict[str, Words] = {
        **no_effect(_STREAMS, unsupported.STREAM_WORDS),
        **no_effect(_INPUTS, unsupported.INPUT_WORDS),
        "StreamDvrSpec": no_effect(unsupported.DVR_OPTIONS, unsupported.NO_EFFECT),
        "DrmSpec": no_effect(
            DrmSpec.model_fields.keys() - {*unsupported.DRM_OPTIONS, "hls_ext_x_key_iv"},
            unsupported.NO_EFFECT,
        ),
        "BackupConfig": no_effect(unsupported.BACKUP_OPTIONS, unsupported.NO_EFFECT),
        "VodStorage": no_effect(unsupported.FILE_STORAGE_OPTIONS, unsupported.NO_EFFECT),
        **no_effect(_LISTENERS, no_effect(unsupported.LISTENER_OPTIONS, unsupported.NO_EFFECT)),
        "SrtConfig": no_effect(unsupported.SRT_OPTIONS, unsupported.NO_EFFECT),
        "ProtocolsSpec": protocols.missing_switches(),
    }
    for model, reasons in words.items():
        for name, reason in reasons.items():
            _property(schemas, model, name)["x-no-effect"] = reason
    for model in _INPUTS:
        _mark_schemes(_property(schemas, model, "url"), "pull", [protocols.ANY_PUBLISHER])
        for one in unsupported.INPUT_READERS:
            _property(schemas, model, one.json_name)["x-schemes"] = sorted(one.schemes)
    for model in _PUSHES:
        _mark_schemes(_property(schemas, model, "url"), "push")
        _mark_push_options(schemas, model)


def _property(schemas: Schemas, model: str, name: str) -> dict[str, Any]:
    """The schema of a property; one that nobody reads where there is none."""
    found: dict[str, Any] = schemas.get(model, {}).get("properties", {}).get(name, {})
    return found


def _mark_schemes(url: dict[str, Any], role: RoleName, also: Iterable[str] = ()) -> None:
    served = protocols.served_schemes(role) | frozenset(also)
    url["x-schemes"] = sorted(served)
    url["x-unserved-schemes"] = {
        scheme: protocols.why_not(role, scheme)
        for scheme in sorted(protocols.schemes(role) - served)
    }


def _mark_push_options(schemas: Schemas, model: str) -> None:
    """Options that not every push reads."""
    reads: dict[str, set[str]] = {}
    for _, role in protocols.roles("push"):
        for name in role.push_options if role.served else ():
            reads.setdefault(name, set()).update(role.schemes)
    for name in PushConfig.model_fields:
        if name in protocols.PUSH_OPTIONS:
            continue
        found = _property(schemas, model, name)
        if name in reads:
            found["x-schemes"] = sorted(reads[name])
        else:
            found["x-no-effect"] = unsupported.NO_EFFECT
