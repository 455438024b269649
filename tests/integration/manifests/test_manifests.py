"""The manifests in a real API server: accepted as they are, and no pod asks for more than it may.

The API server's own Pod Security admission judges the pods; nothing runs.
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from media_operator.objects import TierObject
from media_operator.render import cache_objects, streamer_objects
from media_operator.settings import Settings

from tests.support.api_server import ApiServer

ROOT = Path(__file__).parents[3]
MANIFESTS = ROOT / "manifests"
KUSTOMIZATIONS = sorted(
    path.parent
    for path in MANIFESTS.rglob("kustomization.yaml")
    if "kustomize.config.k8s.io" in path.read_text()  # Flux has a kind of that name too
)
FOREIGN = ROOT / "tests" / "vendor" / "crds"
SAMPLES = sorted((MANIFESTS / "samples").glob("*.yaml"))
WORKLOADS = ("Deployment", "StatefulSet", "Job", "CronJob")
OWN_IMAGES = "localhost/media-appliance/"


@pytest.fixture(scope="module")
def api(api_server: ApiServer) -> ApiServer:
    """With the namespace of the manifests, one that enforces the restricted standard, and the
    definitions of the other projects that our manifests name."""
    api_server.must("apply", "-f", str(MANIFESTS / "base" / "namespace.yaml"))
    api_server.must("apply", "--server-side", "-f", str(FOREIGN))
    api_server.must("wait", "crd", "--all", "--for=condition=Established", "--timeout=60s")
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "strict", "labels": label},
    }
    api_server.must("apply", "-f", "-", data=body)
    return api_server


def build(directory: Path, api: ApiServer) -> list[dict[str, Any]]:
    return [body for body in yaml.safe_load_all(api.must("kustomize", str(directory))) if body]


def pod_specs(bodies: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for body in bodies:
        if body["kind"] in WORKLOADS:
            yield body["metadata"]["name"], body["spec"]["template"]["spec"]


def refusal(api: ApiServer, spec: dict[str, Any]) -> str:
    """What Pod Security says against the pod in the strict namespace; empty if nothing."""
    # What a cluster's own admission would put in; this API server is started without it.
    spec = {**spec, "serviceAccountName": "default"}
    claims = {volume["name"] for volume in spec.get("volumes") or []}
    missing = {
        mount["name"]
        for container in spec["containers"]
        for mount in container.get("volumeMounts") or []
    } - claims
    volumes = [*(spec.get("volumes") or []), *({"name": n, "emptyDir": {}} for n in missing)]
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "strict"},
        "spec": {**spec, "volumes": volumes},
    }
    done = api.run("create", "--dry-run=server", "-f", "-", data=body)
    return "" if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("directory", KUSTOMIZATIONS, ids=lambda path: str(path.name))
def test_every_kustomization_is_accepted(api: ApiServer, directory: Path, tmp_path: Path) -> None:
    bodies = build(directory, api)
    assert bodies
    file = tmp_path / "all.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies}))
    api.must(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict",
        "-f", str(file),
    )  # fmt: skip


@pytest.mark.parametrize("file", SAMPLES, ids=lambda path: str(path.name))
def test_every_sample_is_accepted(api: ApiServer, file: Path) -> None:
    api.must("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", str(file))


def backends(node: Any) -> Iterator[tuple[str, int | str]]:
    """Services and their ports that an Ingress or a route sends to."""
    if isinstance(node, dict):
        if isinstance(service := node.get("service"), dict) and "port" in service:
            yield service["name"], service["port"].get("number") or service["port"]["name"]
        for target in node.get("backendRefs") or ():
            yield target["name"], target["port"]
        for value in node.values():
            yield from backends(value)
    elif isinstance(node, list):
        for value in node:
            yield from backends(value)


@pytest.mark.parametrize("name", ["ingress.yaml", "gateway.yaml"])
def test_ways_in_lead_to_services_and_ports_that_are_made(api: ApiServer, name: str) -> None:
    bodies = [*yaml.safe_load_all((MANIFESTS / "samples" / name).read_text())]
    made = build(MANIFESTS / "base", api)
    for body in bodies:
        if body["kind"] == "Streamer":
            meta = {**body["metadata"], "uid": "u"}
            made += streamer_objects(TierObject.parse({**body, "metadata": meta}), Settings())
    ports: set[tuple[str, int | str]] = set()
    for body in made:
        if body["kind"] == "Service":
            for port in body["spec"]["ports"]:
                ports |= {(body["metadata"]["name"], port[key]) for key in ("name", "port")}
    wanted = {target for body in bodies for target in backends(body.get("spec"))}
    assert {service for service, _ in wanted} == {"streamer-public", "media-central"}
    assert wanted <= ports


def test_an_autoscaler_sets_and_reads_the_size_of_a_pool(api: ApiServer) -> None:
    """By the scale subresource, as HPA, KEDA and `kubectl scale` do."""
    meta = {"name": "scaled", "namespace": "media"}
    body = {"apiVersion": "media.flussonic.com/v1alpha1", "kind": "Streamer", "metadata": meta}
    api.must("create", "-f", "-", data={**body, "spec": {}})
    try:
        target = ("streamers.media.flussonic.com/scaled", "-n", "media")
        api.must("scale", *target, "--replicas=3")
        status = {"status": {"replicas": 2, "selector": "app.kubernetes.io/instance=scaled"}}
        api.must("patch", *target, "--subresource=status", "--type=merge", "-p", json.dumps(status))
        path = "/apis/media.flussonic.com/v1alpha1/namespaces/media/streamers/scaled/scale"
        scale = json.loads(api.must("get", "--raw", path))
        assert scale["spec"]["replicas"] == 3
        assert scale["status"] == status["status"]
        api.must("scale", *target, "--replicas=0")
    finally:
        api.must("delete", "streamers.media.flussonic.com", "scaled", "-n", "media")


def test_every_pod_of_the_base_fits_the_restricted_standard(api: ApiServer) -> None:
    specs = dict(pod_specs(build(MANIFESTS / "base", api)))
    assert specs.keys() == {"media-operator", "media-central", "media-postgresql"}
    for name, spec in specs.items():
        assert refusal(api, spec) == "", name
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True, name
            assert {"startupProbe", "livenessProbe"} <= container.keys(), name
            assert "memory" in container["resources"]["limits"], name
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name


@pytest.mark.parametrize(
    ("kind", "spec", "fits"),
    [
        ("Streamer", {}, True),
        ("Streamer", {"nvidiaGpuCount": 1}, True),
        ("Streamer", {"gpu": {"count": 2, "resourceName": "nvidia.com/mig-1g.10gb"}}, True),
        ("Streamer", {"gpu": {"resourceClaimTemplateName": "a-gpu"}}, True),
        ("Cache", {}, True),
        ("Streamer", {"hostPort": 8080}, False),
        ("Streamer", {"hostPorts": {"webrtc": 10_000, "srt": 9000}}, False),
        ("Streamer", {"adminHostPort": 8080}, False),
        ("Streamer", {"hostNetwork": True}, False),
        ("Cache", {"hostPort": 8080}, False),
    ],
)
def test_pods_of_a_pool_and_the_restricted_standard(
    api: ApiServer, kind: str, spec: dict[str, Any], *, fits: bool
) -> None:
    """As docs/kubernetes.md says: all but those with ports or the network of the node."""
    meta = {"name": "pool", "namespace": "strict", "uid": "u"}
    tier = TierObject.parse({"kind": kind, "metadata": meta, "spec": spec})
    render = streamer_objects if kind == "Streamer" else cache_objects
    [(_, pod)] = pod_specs(render(tier, Settings()))
    said = refusal(api, pod)
    assert (said == "") is fits, said
    if not fits:
        assert "PodSecurity" in said


def test_images_are_our_own_with_the_version_of_the_project(api: ApiServer) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    bodies = build(MANIFESTS / "base", api)
    images = {c["image"] for _, spec in pod_specs(bodies) for c in spec["containers"]}
    operator = dict(pod_specs(bodies))["media-operator"]["containers"][0]
    env = {entry["name"]: entry.get("value") for entry in operator["env"]}
    ours = {image for image in {*images, env["STREAMER_IMAGE"]} if "postgres" not in image}
    assert ours == {f"{OWN_IMAGES}{name}:{version}" for name in ("central", "streamer")}
    assert Settings().streamer_image == f"{OWN_IMAGES}streamer:{version}"
    assert not [image for image in images if image.endswith(":latest")]
