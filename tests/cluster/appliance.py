"""The appliance installed in a namespace of the cluster, and what tests do to it.

Role: `installed` applies the overlay of the tests; `Installation` speaks to it as users do, by
kubectl, by Central's API and as a viewer. Every wait has a deadline and says at its end what the
resource looked like.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_cluster import Cluster, ClusterError, wait_until

Object = dict[str, Any]

OVERLAY = Path(__file__).parents[2] / "manifests" / "overlays" / "kind"
API_VERSION = "media.flussonic.com/v1alpha1"
PLACED_TIMEOUT_S = 60.0
PLAYING_TIMEOUT_S = 90.0
POLL_S = 0.25
DECODE_TIMEOUT_S = 60.0
IMAGES = {"central": "localhost/media-appliance/central", "postgres": "postgres"}
"""Image -> its name in the manifests."""
SELECTORS = {
    name: f"app.kubernetes.io/component={name}"
    for name in ("operator", "central", "postgresql", "streamer", "cache")
}


def resource(kind: str, name: str, spec: Object) -> Object:
    """A resource of ours."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def fake_stream(name: str, /, **spec: Any) -> Object:
    """A Stream of the moving test picture."""
    return resource("Stream", name, {"inputs": [{"url": "fake://fake"}], **spec})


@dataclass
class Installation:
    """The appliance in `namespace`."""

    cluster: Cluster
    namespace: str
    _login: str = field(default="", repr=False)

    def kubectl(self, *args: str, input: str | None = None, timeout: float = 60.0) -> str:
        """kubectl in the namespace; its output. ClusterError with what it said if it fails."""
        return self.cluster.kubectl("-n", self.namespace, *args, input=input, timeout=timeout)

    def apply(self, *objects: Object, manager: str = "kubectl") -> None:
        """Server-side apply, as `manager`."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        arguments = ["apply", "--server-side", f"--field-manager={manager}", "-f", "-"]
        self.kubectl(*arguments, input=json.dumps(listed))

    def patch(self, kind: str, name: str, spec: Object) -> None:
        """Merge `spec` into a resource's."""
        self.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def get(self, kind: str, name: str) -> Object:
        """The object; empty if there is none."""
        shown = ["--ignore-not-found", "--show-managed-fields", "-o", "json"]
        text = self.kubectl("get", kind, name, *shown)
        return dict(json.loads(text)) if text else {}

    def list(self, kind: str, selector: str = "") -> list[Object]:
        """All objects of a kind, as far as the selector goes."""
        arguments = ["get", kind, "-o", "json", *(["-l", selector] if selector else [])]
        return list(json.loads(self.kubectl(*arguments))["items"])

    def delete(self, *args: str) -> None:
        """Delete and wait until it is gone."""
        self.kubectl("delete", "--ignore-not-found", "--timeout=90s", *args, timeout=100)

    def condition(self, kind: str, name: str, type_: str = "Ready") -> Object:
        """A condition of the current generation; empty while the status is of an older one."""
        body = self.get(kind, name)
        status = body.get("status") or {}
        if status.get("observedGeneration") != (body.get("metadata") or {}).get("generation"):
            return {}
        return next((c for c in status.get("conditions") or [] if c["type"] == type_), {})

    def wait_reason(
        self,
        kind: str,
        name: str,
        reason: str,
        *,
        type_: str = "Ready",
        timeout: float = PLACED_TIMEOUT_S,
    ) -> Object:
        """Wait until a condition has this reason; the condition."""
        wait_until(
            lambda: self.condition(kind, name, type_).get("reason") == reason,
            f"{kind} {name}: {type_} is {reason}",
            timeout,
            POLL_S,
            lambda: json.dumps(self.get(kind, name).get("status"), indent=1),
        )
        return self.condition(kind, name, type_)

    def pods(self, component: str) -> list[str]:
        """Names of the pods of a part that are not leaving."""
        found = self.list("pods", SELECTORS[component])
        return [
            pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]
        ]

    def kill(self, *components: str) -> None:
        """Take the pods of these parts away at once, all together."""
        selector = f"app.kubernetes.io/component in ({', '.join(components)})"
        gone = ["delete", "pods", "-l", selector, "--grace-period=0", "--force", "--wait=false"]
        self.kubectl(*gone)

    def wait_ready(self, component: str, timeout: float = 120.0) -> None:
        """Wait until every pod of a part is ready, and there is one."""

        def ready() -> bool:
            pods = self.list("pods", SELECTORS[component])
            return bool(pods) and all(is_ready(pod) for pod in pods)

        wait_until(ready, f"{component} is ready", timeout, 0.5, self.describe)

    def address(self, service: str) -> str:
        """Base URL of a Service, for this host."""
        spec = self.get("service", service)["spec"]
        port = next(entry["port"] for entry in spec["ports"] if entry["name"] == "http")
        return self.cluster.service_url(self.namespace, service, port)

    def media(self, pool: str = "default") -> str:
        """Base URL of a pool's media."""
        return self.address(f"streamer-{pool}")

    def authorization(self) -> str:
        """The header Authorization of the administrator, of Central and of the streamers."""
        if not self._login:
            secret = self.get("secret", "media-central")["data"]["edit-auth"]
            login = base64.b64decode(secret).decode().replace(" ", ":", 1)
            self._login = f"Basic {base64.b64encode(login.encode()).decode()}"
        return self._login

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request to Central's API as its administrator: status and JSON."""
        request = urllib.request.Request(
            f"{self.address('media-central')}/streamer/api/v3/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": self.authorization(), "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                text = response.read()
                return response.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def wait_call(
        self, method: str, path: str, body: Any = None, timeout: float = PLAYING_TIMEOUT_S
    ) -> tuple[int, Any]:
        """The first answer of Central, which may be away for a moment."""
        answers: list[tuple[int, Any]] = []

        def answered() -> bool:
            with contextlib.suppress(OSError):
                answers.append(self.call(method, path, body))
            return bool(answers)

        wait_until(answered, f"Central answers {method} {path}", timeout, 0.5, self.describe)
        return answers[0]

    def wait_playing(self, url: str, timeout: float = PLAYING_TIMEOUT_S) -> float:
        """Wait until a player gets pictures from `url`; the seconds that took."""
        began = time.monotonic()
        wait_until(lambda: plays(url), f"{url} plays", timeout, POLL_S, self.describe)
        return time.monotonic() - began

    def describe(self) -> str:
        """State of everything, for messages of failures."""
        everything = "streams,streamers,caches,pods"
        with contextlib.suppress(ClusterError):
            return "\n" + self.kubectl("get", everything, "-o", "wide", "--ignore-not-found")
        return ""


def is_ready(pod: Object) -> bool:
    """Whether a pod is ready and to stay."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def fetch(url: str, timeout: float = 5.0, authorization: str = "") -> bytes:
    """Body of a GET. Raises OSError (HTTPError for a status that is none of success)."""
    headers = {"Authorization": authorization} if authorization else {}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return bytes(response.read())


def plays(url: str) -> bool:
    """Whether a player finds a decodable picture at `url` within a moment."""
    # It looks at 5 s of a transport stream before it shows anything, if it may.
    player = ["ffmpeg", "-v", "quiet", "-rw_timeout", "5000000", "-analyzeduration", "500000"]
    try:
        done = subprocess.run(
            [*player, "-i", url, "-frames:v", "1", "-f", "null", "-"], timeout=12, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def decode(url: str, seconds: float = 3.0) -> int:
    """Decode that much of a stream with ffmpeg; the frames. Fails on any error line of ffmpeg."""
    command = ["ffmpeg", "-v", "error", "-i", url, "-t", str(seconds)]
    done = subprocess.run(
        [*command, "-progress", "pipe:1", "-f", "null", "-"],
        capture_output=True,
        text=True,
        timeout=DECODE_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", done.stderr
    frames = [line.partition("=")[2] for line in done.stdout.split() if line.startswith("frame=")]
    return int(frames[-1])


@contextlib.contextmanager
def installed(
    cluster: Cluster, images: dict[str, str], name: str, folder: Path, overlay: Path = OVERLAY
) -> Iterator[Installation]:
    """The appliance of `images` in a new namespace, up; everything is removed at the end.

    `folder`: an empty one for the generated kustomization. Of Central there is one.
    """
    if shutil.which("ffmpeg") is None:
        raise ClusterError("ffmpeg is not installed")
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": name,
        "replicas": [{"name": "media-central", "count": 1}],
        "resources": [os.path.relpath(overlay, folder.resolve())],
        "images": [
            {"name": default, **kustomized(images[name])}
            for name, default in IMAGES.items()
            if name in images
        ],
        "patches": [{"patch": json.dumps(_operator_patch(images["streamer"]))}],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization))
    installation = Installation(cluster, name)
    try:
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-k", folder)
        for component in ("operator", "central", "postgresql"):
            installation.wait_ready(component)
        yield installation
    finally:
        remove(cluster, name)


def _operator_patch(streamer_image: str) -> Object:
    variable = {"name": "STREAMER_IMAGE", "value": streamer_image}
    container = {"name": "operator", "env": [variable]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "media-operator"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


def kustomized(image: str) -> dict[str, str]:
    """An image's name and tag, or digest, as kustomize's `images` has them."""
    name, _, digest = image.partition("@")
    if digest:
        return {"newName": name, "digest": digest}
    name, tag = split_tag(image)
    return {"newName": name, "newTag": tag}


def split_tag(image: str) -> tuple[str, str]:
    """Name and tag; a registry's port is no tag."""
    name, colon, tag = image.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (image, "latest")


def remove(cluster: Cluster, namespace: str) -> None:
    """Delete the namespace and wait until its pods are gone, so that nothing holds its ports.

    Pods first: Kubernetes looks again at a namespace that is being deleted after half of the time
    that its pods may take to leave, a minute and a half with streamers.
    """
    inside = ("-n", namespace, "delete", "--all", "--wait=false")
    with contextlib.suppress(ClusterError):  # without definitions there are none
        cluster.kubectl(*inside, "streams,streamers,caches")
    cluster.kubectl(*inside, "deployments,statefulsets")

    def are_pods_gone() -> bool:
        cluster.kubectl(*inside, "pods", "--grace-period=1")  # also those made meanwhile
        return not cluster.kubectl("-n", namespace, "get", "pods", "-o", "name")

    wait_until(are_pods_gone, f"pods of {namespace} are gone", 120.0, 1.0)
    cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
    wait_until(
        lambda: not cluster.kubectl("get", "namespace", namespace, "--ignore-not-found"),
        f"namespace {namespace} is gone",
        120.0,
        1.0,
    )


def changes(read: Callable[[], Any], seconds: float) -> list[Any]:
    """The values that `read` gives over some time, repeated ones left out."""
    seen: list[Any] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = read()
        if not seen or seen[-1] != value:
            seen.append(value)
        time.sleep(POLL_S)
    return seen
