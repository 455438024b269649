"""Secrets of inputs in a real API server: with the least rights, missing, rotated, taken away."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from media_central.store.kubernetes import KubernetesStore, credentials, status
from media_central.store.kubernetes.status import LEASE_NAME, StatusWriter
from media_central.store.port import Kind, UnreadError
from media_kube import client as kube
from media_kube.client import KubeClient
from media_kube.election import Election

from tests.support.api_server import OTHER_TOKEN, OTHER_USER, ApiServer

Eventually = Callable[..., Any]
REF = {"credentialsSecretRef": {"name": "cam"}}
STREAM = {"inputs": [{"url": "rtsp://cam/1", **REF}, {"url": "fake://fake"}]}


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "REFRESH_SECONDS", 0.3)
    monkeypatch.setattr(status, "SWEEP_SECONDS", 0.3)


def grant(api: ApiServer, namespace: str) -> None:
    """What manifests/samples/camera.yaml gives to Central: one Secret, by its name."""
    rules = [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["cam"], "verbs": ["get"]}
    ]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "cam"}
    for body in (
        {"kind": "Role", "rules": rules},
        {"kind": "RoleBinding", "roleRef": reference, "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": OTHER_USER}]},
    ):  # fmt: skip
        version = "rbac.authorization.k8s.io/v1"
        metadata = {"name": "cam", "namespace": namespace}
        api.must("apply", "-f", "-", data={"apiVersion": version, "metadata": metadata, **body})


async def set_secret(client: KubeClient, namespace: str, password: str) -> None:
    data = {"username": "admin", "password": password}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    body = {"metadata": {"name": "cam"}, "data": encoded}
    await client.apply(kube.SECRET, namespace, body, manager="test")


@pytest.fixture
async def store(
    api_server: ApiServer, kube_client: KubeClient, namespace: str
) -> AsyncIterator[KubernetesStore]:
    """Of a Central that reads Secrets with a user's rights, and all else as administrator."""
    one = KubernetesStore(kube_client, namespace=namespace, home=namespace, cluster_key="")
    limited = api_server.client(token=OTHER_TOKEN)
    one.credentials = credentials.Credentials(limited, one.named_secrets)
    await one.start()
    await kube_client.create(kube.STREAM, namespace, {"metadata": {"name": "s"}, "spec": STREAM})
    yield one
    await one.close()
    await limited.close()


def inputs(store: KubernetesStore) -> list[str]:
    record = store.get(Kind.STREAM, "s")
    try:
        return [] if record is None else [item["url"] for item in store.told(record)["inputs"]]
    except UnreadError:
        return []


async def test_from_no_right_to_a_rotated_secret(
    store: KubernetesStore,
    api_server: ApiServer,
    kube_client: KubeClient,
    namespace: str,
    eventually: Eventually,
) -> None:
    fleet = SimpleNamespace(on_poll=lambda _: None, is_alive=lambda _: True, link=lambda h: h)
    election = Election(kube_client, namespace, LEASE_NAME, "central")
    writer = StatusWriter(kube_client, store, election)
    writer.start(fleet)

    async def says(reason: str) -> bool:
        live = await kube_client.get(kube.STREAM, namespace, "s")
        found = (live.get("status") or {}).get("conditions") or []
        assert "pw" not in str(live)
        return [c["reason"] for c in found if c["type"] == "CredentialsResolved"] == [reason]

    async def until(reason: str) -> None:
        deadline = time.monotonic() + 20
        while not await says(reason):
            assert time.monotonic() < deadline, reason
            await asyncio.sleep(0.1)

    await until("SecretForbidden")
    assert inputs(store) == ["fake://fake"], "no camera sees attempts without a login"
    grant(api_server, namespace)
    await until("SecretNotFound")
    await set_secret(kube_client, namespace, "pw1")
    await eventually(lambda: inputs(store) == ["rtsp://admin:pw1@cam/1", "fake://fake"])
    await until("Resolved")
    await set_secret(kube_client, namespace, "pw2")
    await eventually(lambda: "rtsp://admin:pw2@cam/1" in inputs(store))
    await kube_client.delete(kube.SECRET, namespace, "cam")
    await eventually(lambda: inputs(store) == ["fake://fake"])
    await until("SecretNotFound")
    await writer.close()


async def test_a_change_by_rest_leaves_the_reference(
    store: KubernetesStore, kube_client: KubeClient, namespace: str, eventually: Eventually
) -> None:
    await eventually(lambda: store.get(Kind.STREAM, "s") is not None)
    await store.put(Kind.STREAM, "s", {"title": "by REST"})
    live = await kube_client.get(kube.STREAM, namespace, "s")
    assert live["spec"] == {"title": "by REST", **STREAM}
