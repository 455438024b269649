"""Writes the CustomResourceDefinitions from the models: `python -m media_api.crd`.

And the policies that warn of what has no effect (`media_api.admission`). The models are the only
source; a unit test holds the files in step. A definition must stay under 256 KiB as JSON, because
`kubectl apply` keeps a copy of it in one annotation.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from media_api.admission import policies
from media_api.input import INPUT_SCHEMES
from media_api.push import PUSH_SCHEMES
from media_api.resources.cache import CacheResourceSpec, CacheResourceStatus
from media_api.resources.meta import GROUP, VERSION
from media_api.resources.stream import StreamResourceStatus, StreamSpec
from media_api.resources.streamer import StreamerResourceStatus, StreamerSpec
from media_api.structural import Schema, structural

ADMISSION_FILE = "admission.yaml"
MAX_SIZE = 256 * 1024  # bytes of one annotation
DIRECTORY = Path(__file__).resolve().parent.parent
HEADER = "# Made by `python -m media_api.crd` from the models in media_api: do not edit.\n"
Rule = dict[str, Any]


def rule(expression: str, message: str, field_path: str | None = None) -> Rule:
    """One element of x-kubernetes-validations (CEL)."""
    found: Rule = {"rule": expression, "message": message}
    if field_path:
        found["fieldPath"] = field_path
    return found


def _column(name: str, path: str, kind: str = "string", priority: int = 0, text: str = "") -> Rule:
    column: Rule = {"name": name, "type": kind, "jsonPath": path}
    if text:
        column["description"] = text
    if priority:
        column["priority"] = priority
    return column


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


AGE = _column("Age", ".metadata.creationTimestamp", "date")
READY = _column("Ready", _condition("Ready", "status"))
REASON = _column("Reason", _condition("Ready", "reason"))


def _scheme_rule(schemes: frozenset[str], what: str, examples: str) -> Rule:
    words = "|".join(sorted(schemes))
    return rule(
        f"self.matches('^({words})://')",
        f"{what} must begin with a known scheme such as {examples}",
    )


def _keyed(schema: Schema, name: str, key: str) -> Schema:
    """Makes the list `name` a map by `key`, so that appliers own single elements."""
    field: Schema = schema["properties"][name]
    field["x-kubernetes-list-type"] = "map"
    field["x-kubernetes-list-map-keys"] = [key]
    return field


def stream_spec() -> Schema:
    """Structural schema of a Stream's spec with its rules."""
    schema = structural(StreamSpec)
    # Kubernetes has namespaces of its own.
    del schema["properties"]["namespace"]
    inputs = _keyed(schema, "inputs", "url")
    inputs["items"]["properties"]["url"]["x-kubernetes-validations"] = [
        _scheme_rule(INPUT_SCHEMES, "input URL", "rtsp://, rtmp://, srt://, hls:// or publish://")
    ]
    pushes = _keyed(schema, "pushes", "url")
    pushes["items"]["properties"]["url"]["x-kubernetes-validations"] = [
        _scheme_rule(PUSH_SCHEMES, "push URL", "rtmp://, srt://, tshttp:// or udp://")
    ]
    schema["properties"]["name"]["x-kubernetes-validations"] = [
        rule("!self.contains('..')", "a stream name must not contain ..")
    ]
    schema["x-kubernetes-validations"] = [
        rule(
            "!has(self.dvr) || has(self.dvr.root) || has(self.dvr.reference) || has(self.template)",
            "dvr needs root (a directory or URL) or reference (a global storage)",
            ".dvr",
        ),
        rule(
            "!has(self.streamer) || !has(self.preferredStreamer)",
            "streamer already fixes the place: give only one of streamer and preferredStreamer",
            ".preferredStreamer",
        ),
        rule(
            "!has(self.cache) || !has(self.cache.path) || !has(self.cache.reference)",
            "cache has a path of its own or a reference to a global cache, not both",
            ".cache",
        ),
    ]
    return schema


_POD_FIELDS = (
    "replicas", "minReplicas", "maxReplicas", "image", "version", "nodeName", "nodeSelector",
    "hostPort", "hostPorts", "adminHostPort", "hostNetwork", "volumes", "env", "gpu",
    "nvidiaGpuCount", "service", "resources", "configExtra", "archive",
)  # fmt: skip
_SCALE_RULES = (
    rule(
        "!has(self.replicas) || !has(self.maxReplicas)",
        "give replicas for a fixed number, or minReplicas and maxReplicas for scaling, not both",
        ".replicas",
    ),
    rule(
        "!has(self.minReplicas) || has(self.maxReplicas)",
        "minReplicas needs maxReplicas",
        ".minReplicas",
    ),
    rule(
        "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
        "minReplicas must not exceed maxReplicas",
        ".minReplicas",
    ),
    rule(
        "!has(self.nodeName) || !has(self.maxReplicas) || self.maxReplicas <= 1",
        "nodeName pins a single pod: use nodeSelector for more",
        ".nodeName",
    ),
)
_POD_RULES = (
    rule(
        "!has(self.nodeName) || !has(self.replicas) || self.replicas <= 1",
        "nodeName pins a single pod: use nodeSelector for more",
        ".nodeName",
    ),
    rule(
        "!has(self.selectorLabels) == !has(oldSelf.selectorLabels)"
        " && (!has(self.selectorLabels) || self.selectorLabels == oldSelf.selectorLabels)",
        "selectorLabels cannot change: make a new resource",
        ".selectorLabels",
    ),
)


_PORT_RULES = (
    rule(
        "!has(self.hostPorts) || !has(self.hostNetwork) || !self.hostNetwork",
        "with hostNetwork the pod has all ports of its node: leave hostPorts out",
        ".hostPorts",
    ),
    rule(
        "!has(self.publicPorts) || has(self.publicUrl)",
        "publicPorts are ports at the host of publicUrl: name that, too",
        ".publicPorts",
    ),
    rule(
        "!has(self.publicPorts) || self.publicPorts.all(k, k in ['rtmp', 'rtsp', 'srt'])",
        "publicPorts are those of rtmp, rtsp and srt",
        ".publicPorts",
    ),
)
_ARCHIVE_RULES = (
    rule(
        "has(self.archive) == has(oldSelf.archive)",
        "archive volumes come and go with the pool: make a new one",
        ".archive",
    ),
    rule(
        "!has(self.archive) || !has(oldSelf.archive)"
        " || self.archive.accessMode == oldSelf.archive.accessMode"
        " && has(self.archive.storageClassName) == has(oldSelf.archive.storageClassName)"
        " && (!has(self.archive.storageClassName)"
        " || self.archive.storageClassName == oldSelf.archive.storageClassName)",
        "storage class and access mode of archive volumes cannot change: make a new pool",
        ".archive",
    ),
    rule(
        "!has(self.archive) || self.archive.mountPath.matches('^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$')"
        " && !(self.archive.mountPath in ['/etc', '/run', '/run/media', '/tmp', '/var/lib/media'])",
        "mountPath of archive is the full path of a directory that nothing else needs",
        ".archive",
    ),
    rule(
        "!has(self.archive) || !has(self.volumes)"
        " || self.volumes.all(v, v.mountPath != self.archive.mountPath)",
        "a volume of the pool is mounted at archive.mountPath already",
        ".archive",
    ),
)


def streamer_spec() -> Schema:
    """Structural schema of a Streamer's spec with its rules."""
    schema = structural(StreamerSpec)
    taken = " || ".join(f"has(self.{name})" for name in _POD_FIELDS)
    schema["x-kubernetes-validations"] = [
        rule(
            f"!has(self.apiUrl) || !({taken})",
            "a Streamer is a pool of pods or an external server with apiUrl, not both",
            ".apiUrl",
        ),
        rule(
            "!has(self.apiUrl) || self.apiUrl.matches('^https?://[^/]')",
            "apiUrl must be an http:// or https:// URL",
            ".apiUrl",
        ),
        rule(
            "!has(self.gpu) || !has(self.nvidiaGpuCount)",
            "nvidiaGpuCount is short for gpu.count: give only one of them",
            ".nvidiaGpuCount",
        ),
        *_SCALE_RULES,
        *_POD_RULES,
        *_PORT_RULES,
        *_ARCHIVE_RULES,
    ]
    return schema


def cache_spec() -> Schema:
    """Structural schema of a Cache's spec with its rules."""
    schema = structural(CacheResourceSpec)
    schema["x-kubernetes-validations"] = list(_POD_RULES)
    return schema


def _definition(
    kind: str,
    plural: str,
    short: str,
    about: str,
    spec: Schema,
    status: Schema,
    columns: list[Rule],
    *,
    scale: bool = False,
    selectable: tuple[str, ...] = (),
    spec_required: bool = False,
) -> Schema:
    subresources: Schema = {"status": {}}
    if scale:
        subresources["scale"] = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    version: Schema = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {
                "description": about,
                "type": "object",
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"type": "object"},
                    "spec": spec,
                    "status": status,
                },
                **({"required": ["spec"]} if spec_required else {}),
            }
        },
        "subresources": subresources,
        "additionalPrinterColumns": columns,
    }
    if selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["all", "media"],
            },
            "versions": [version],
        },
    }


def definitions() -> dict[str, Schema]:
    """File name -> CustomResourceDefinition."""
    pods = [
        _column("Ready Pods", ".status.readyReplicas", "integer"),
        _column("Pods", ".status.replicas", "integer"),
    ]
    return {
        "streams.yaml": _definition(
            "Stream",
            "streams",
            "strm",
            "A stream: where it comes from, what is made of it, and where it shall run.",
            stream_spec(),
            structural(StreamResourceStatus),
            [
                READY,
                REASON,
                _column("Streamer", ".status.streamer"),
                _column("Input", _condition("InputActive", "status"), text="Frames come in."),
                _column("URL", ".status.urls.hls", priority=1),
                AGE,
            ],
            selectable=(".spec.streamer", ".status.streamer"),
            spec_required=True,
        ),
        "streamers.yaml": _definition(
            "Streamer",
            "streamers",
            "strmr",
            "A pool of streamer pods, or an external server given by its API URL.",
            streamer_spec(),
            structural(StreamerResourceStatus),
            [
                READY,
                REASON,
                *pods,
                _column("Node", ".spec.nodeName", priority=1),
                _column("URL", ".spec.publicUrl", priority=1),
                AGE,
            ],
            scale=True,
        ),
        "caches.yaml": _definition(
            "Cache",
            "caches",
            "mcache",
            "An edge tier: streamer pods that keep segments in front of the origins.",
            cache_spec(),
            structural(CacheResourceStatus),
            [READY, REASON, *pods, _column("URL", ".status.url", priority=1), AGE],
            scale=True,
        ),
    }


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Rules shared by two definitions are written out, not linked."""
        return True


def render(*objects: Schema) -> str:
    """YAML text of one or more objects."""
    return HEADER + yaml.dump_all(
        objects, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True
    )


def files() -> dict[str, str]:
    """Text of every file that is made from the models, by its name."""
    made = {name: render(definition) for name, definition in definitions().items()}
    made[ADMISSION_FILE] = render(*policies(stream_spec(), streamer_spec()))
    return made


def main(arguments: Sequence[str] = (), directory: Path = DIRECTORY) -> int:
    """Write the files into `directory`, or with `--check` compare them; returns the exit status."""
    if "--check" not in arguments:
        for name, text in files().items():
            (directory / name).write_text(text, encoding="utf-8")
        return 0
    old = [name for name, text in files().items() if (directory / name).read_text() != text]
    if old:
        print(f"{', '.join(old)}: other than the models say; run make crds", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
