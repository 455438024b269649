"""Warnings of `kubectl apply`: policies that name what has no effect in this version.

Role: `media_api.unsupported` as ValidatingAdmissionPolicies (Kubernetes 1.30), which the API server
evaluates by itself; nothing is refused. `media_api.crd` writes them beside the definitions, and a
test holds the file in step.
"""

from collections.abc import Collection
from typing import Any

from media_api.protocols import served_schemes
from media_api.resources.meta import GROUP, VERSION
from media_api.unsupported import (
    DVR_OPTIONS,
    GLOBALS,
    HARMLESS,
    INPUT_SCHEMES,
    LISTS,
    STREAM_CHECKS,
)

Object = dict[str, Any]
MANAGED_BY = {"app.kubernetes.io/part-of": "media-appliance"}


def policies(stream_spec: Object, streamer_spec: Object) -> list[Object]:
    """Policies with their bindings, for the structural schemas of the two specs."""
    properties = stream_spec["properties"]
    streams = [
        _validation(f"spec.{name}", _asks_nothing(name, properties[name]))
        for name in sorted(STREAM_CHECKS)
    ]
    archive = properties["dvr"]["properties"]
    for name in sorted(DVR_OPTIONS):
        nothing = _asks_nothing(f"dvr.{name}", archive[name])
        streams.append(_validation(f"spec.dvr.{name}", f"{_unset('object.spec.dvr')} || {nothing}"))
    directives = streamer_spec["properties"]["config"]["properties"]
    streamers = [
        _validation(f"spec.config.{name}", _unset(f"object.spec.config.{name}"))
        for name in sorted({*LISTS, *GLOBALS})
        if name in directives
    ]
    for validation in streamers:
        validation["expression"] = f"!has(object.spec.config) || {validation['expression']}"
    return [
        *_policy("streams", [*streams, _urls("inputs", INPUT_SCHEMES), _pushes(), *_logins()]),
        *_policy("streamers", streamers),
    ]


def _validation(path: str, expression: str) -> Object:
    return {"expression": expression, "message": f"{path} has no effect in this version"}


def _unset(path: str) -> str:
    return f"!has({path})"


def _asks_nothing(name: str, schema: Object) -> str:
    """CEL: the option is not set, or to a value that asks for nothing."""
    path = f"object.spec.{name}"
    if name in HARMLESS:
        value = HARMLESS[name]
        literal = str(value).lower() if isinstance(value, bool) else f"'{value}'"
        return f"{_unset(path)} || {path} == {literal}"
    match schema.get("type"):
        case "boolean":
            return f"{_unset(path)} || !{path}"
        case "array":
            return f"{_unset(path)} || size({path}) == 0"
        case None if False in schema.get("enum", []):
            return f"{_unset(path)} || {path} == false"
        case _:
            return _unset(path)


def _pushes() -> Object:
    served = served_schemes("push")
    if served:
        return _urls("pushes", served)
    return _validation(
        "spec.pushes", f"{_unset('object.spec.pushes')} || size(object.spec.pushes) == 0"
    )


def _urls(what: str, schemes: Collection[str]) -> Object:
    """The list `what` names URLs of these schemes only."""
    served = "[" + ", ".join(f"'{scheme}'" for scheme in sorted(schemes)) + "]"
    found = f"object.spec.{what}.map(i, i.url.split('://')[0])"
    return {
        "expression": f"!has(object.spec.{what}) || {found}.all(s, s in {served})",
        "messageExpression": (
            f"'{what} are not served in this version: ' + "
            f"{found}.filter(s, !(s in {served})).map(s, s + '://').join(', ')"
        ),
    }


def _logins() -> list[Object]:
    """A password in a URL is read by whoever may read the Stream, and by Git."""
    return [
        {
            "expression": (
                f"!has(object.spec.{name}) || "
                f"!object.spec.{name}.exists(i, i.url.matches('://[^/@]*:[^/@]*@'))"
            ),
            "message": f"spec.{name}: a password in a URL is seen by all who see the Stream: "
            "name a Secret by credentialsSecretRef",
        }
        for name in ("inputs", "pushes")
    ]


def _policy(plural: str, validations: list[Object]) -> list[Object]:
    name = f"not-served.{plural}.{GROUP}"
    version = "admissionregistration.k8s.io/v1"
    rule = {
        "apiGroups": [GROUP],
        "apiVersions": [VERSION],
        "operations": ["CREATE", "UPDATE"],
        "resources": [plural],
    }
    return [
        {
            "apiVersion": version,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name, "labels": MANAGED_BY},
            "spec": {
                # Never in the way: who cannot be warned applies all the same.
                "failurePolicy": "Ignore",
                "matchConstraints": {"resourceRules": [rule]},
                "validations": validations,
            },
        },
        {
            "apiVersion": version,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name, "labels": MANAGED_BY},
            "spec": {"policyName": name, "validationActions": ["Warn"]},
        },
    ]
