"""Policies of the manifests in a real API server: who may ask for what, and where."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from media_api.resources.meta import API_VERSION

from tests.support.api_server import ApiServer

MANIFESTS = Path(__file__).parents[3] / "manifests"
GUARD = MANIFESTS / "components" / "pool-guard"
LIMIT_SECONDS = 30.0
ALLOWED = {
    "images": "registry.example/media/\n",
    "secrets": "mine\n",
    "serviceAccounts": "media-streamer\n",
    "hostPaths": "/srv/media/\n",
    "volumeTypes": "emptyDir\nconfigMap\n",
    "configExternalUrls": "http://media-central.\n",
    "node": "hostPort\n",
}


def ask(
    api: ApiServer, kind: str, spec: dict[str, Any], namespace: str = "media"
) -> tuple[bool, str]:
    """Whether it would be made, and what the API server says."""
    metadata = {"name": "t", "namespace": namespace}
    item = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
    done = api.run("create", "--dry-run=server", "-f", "-", data=item)
    return done.returncode == 0, done.stderr


def volume(**source: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "v", "mountPath": "/v", **source}]}


def env(secret: str) -> dict[str, Any]:
    reference = {"secretKeyRef": {"name": secret, "key": "k"}}
    return {"env": [{"name": "A", "value": "b"}, {"name": "B", "valueFrom": reference}]}


@pytest.fixture(scope="module")
def guarded(api_server: ApiServer) -> Iterator[ApiServer]:
    """With the policy and an allow list; both are gone afterwards."""
    api_server.must("apply", "-f", str(MANIFESTS / "base" / "namespace.yaml"))
    metadata = {"name": "media-allowed", "namespace": "media"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": ALLOWED}
    api_server.must("apply", "-f", "-", data=body)
    api_server.must("apply", "-f", str(GUARD / "policy.yaml"))
    deadline = time.monotonic() + LIMIT_SECONDS
    while ask(api_server, "Streamer", {"image": "evil"})[0]:
        assert time.monotonic() < deadline, "the policy does not come into force"
        time.sleep(0.2)
    yield api_server
    api_server.must("delete", "-f", str(GUARD / "policy.yaml"))


@pytest.mark.parametrize("kind", ["Streamer", "Cache"])
@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"image": "registry.example/media/streamer:1", "replicas": 2},
        {"serviceAccountName": "media-streamer"},
        {"hostPort": 8080, "hostNetwork": False},
        env("mine"),
        {"clusterKey": {"secretKeyRef": {"name": "mine", "key": "k"}}},
        volume(emptyDir={}),
        volume(configMap={"name": "c"}, readOnly=True),
        volume(secret={"secretName": "mine"}),
        volume(hostPath={"path": "/srv/media/vod"}),
        volume(hostPath={"path": "/srv/media"}),
    ],
)
def test_what_is_listed_is_allowed(guarded: ApiServer, kind: str, spec: dict[str, Any]) -> None:
    made, said = ask(guarded, kind, spec)
    assert made, said


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"image": "registry.example/other:1"}, "spec.image"),
        ({"image": "docker.io/registry.example/media/x"}, "spec.image"),
        ({"serviceAccountName": "default"}, "serviceAccountName"),
        ({"hostNetwork": True}, "hostNetwork"),
        ({"adminHostPort": 9000}, "adminHostPort"),
        ({"hostPorts": {"srt": 8890}}, "hostPorts"),
        (env("root-token"), "root-token"),
        ({"editAuth": {"secretKeyRef": {"name": "other", "key": "k"}}}, "other"),
        ({"configExternalUrl": "http://evil.example/"}, "configExternalUrl"),
        (volume(secret={"secretName": "other"}), "Secret"),
        (volume(secret={}), "Secret"),
        (volume(hostPath={"path": "/"}), "hostPath"),
        (volume(hostPath={"path": "/srv/mediaother"}), "hostPath"),
        (volume(hostPath={"path": "/srv/media/../../etc"}), "hostPath"),
        (volume(source={"hostPath": {"path": "/etc"}}), "hostPath"),
        (volume(projected={"sources": []}), "type of volume"),
        (volume(source={"projected": {"sources": []}}), "type of volume"),
        (volume(nfs={"server": "a", "path": "/"}), "type of volume"),
    ],
)
def test_what_is_not_listed_is_refused(guarded: ApiServer, spec: dict[str, Any], says: str) -> None:
    made, said = ask(guarded, "Streamer", spec)
    assert not made
    assert says in said


def test_without_a_list_nothing_is_allowed(guarded: ApiServer) -> None:
    guarded.must("-n", "media", "delete", "configmap", "media-allowed")
    deadline = time.monotonic() + LIMIT_SECONDS
    while ask(guarded, "Streamer", {})[0]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    metadata = {"name": "media-allowed", "namespace": "media"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": ALLOWED}
    guarded.must("apply", "-f", "-", data=body)


def test_a_resource_where_nobody_looks_is_warned_of(api_server: ApiServer) -> None:
    api_server.must("apply", "-f", str(MANIFESTS / "base" / "namespace.yaml"))
    api_server.must("apply", "-f", str(MANIFESTS / "base" / "admission.yaml"))
    spec = {"inputs": [{"url": "fake://fake"}]}
    deadline = time.monotonic() + LIMIT_SECONDS
    while "no operator looks at" not in ask(api_server, "Stream", spec, "default")[1]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    made, said = ask(api_server, "Stream", spec, "default")
    assert made
    assert "no operator looks at the namespace default" in said
    assert "no operator" not in ask(api_server, "Stream", spec, "media")[1]
    api_server.must("delete", "-f", str(MANIFESTS / "base" / "admission.yaml"))
