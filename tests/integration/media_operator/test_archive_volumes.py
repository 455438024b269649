"""Archive volumes against a real API server: it takes the claims, lets them grow, and refuses the
rest. There is no controller: what the StatefulSet controller makes, the test makes by its rules.
"""

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from media_kube import client as kube
from media_kube.client import KubeClient
from media_operator.apply import KINDS, Outcome, Writer
from media_operator.picture import ClusterPicture
from media_operator.planner.plan import make_plan
from media_operator.settings import Settings
from media_operator.watch.kinds import SELECTORS

from tests.support.api_server import ApiServer

CLAIM = "archive-streamer-pool-0"


class Operator:
    """Plans and writes once when it is told to, from lists of the real API server."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self._picture = ClusterPicture(lambda: None)
        self._writer = Writer(client)
        self._settings = Settings(namespace=namespace, default_pool=False)

    async def once(self) -> Outcome:
        for kind, selector in SELECTORS.items():
            items, _ = await self.client.list(kind, self.namespace, selector)
            bodies = [{**item, "apiVersion": kind.api_version, "kind": kind.kind} for item in items]
            self._picture.replace(kind.kind, bodies)
        plan = make_plan(self._picture.snapshot, self._settings, datetime.now(UTC))
        return await self._writer.carry_out(plan)

    async def get(self, kind: str, name: str) -> dict[str, Any]:
        return dict(await self.client.get(KINDS[kind], self.namespace, name))

    async def condition(self) -> tuple[str, str, str]:
        status = (await self.get("Streamer", "pool"))["status"]
        [found] = [c for c in status["conditions"] if c["type"] == "ArchiveReady"]
        return found["status"], found["reason"], found["message"]


@pytest.fixture
def operator(kube_client: KubeClient, namespace: str) -> Operator:
    return Operator(kube_client, namespace)


def pool(namespace: str, **archive: Any) -> dict[str, Any]:
    return {
        "apiVersion": "media.flussonic.com/v1alpha1",
        "kind": "Streamer",
        "metadata": {"name": "pool", "namespace": namespace},
        "spec": {"archive": {"size": "10Gi", **archive}},
    }


async def make_claim(operator: Operator, api: ApiServer) -> None:
    """As the StatefulSet controller and a provisioner do."""
    made = await operator.get("StatefulSet", "streamer-pool")
    [template] = made["spec"]["volumeClaimTemplates"]
    body = {
        "metadata": {"name": CLAIM, "labels": made["spec"]["selector"]["matchLabels"]},
        "spec": {**copy.deepcopy(template["spec"]), "volumeName": "pv"},
    }
    await operator.client.create(kube.VOLUME_CLAIM, operator.namespace, body)
    bind(api, operator.namespace, "10Gi")


def bind(api: ApiServer, namespace: str, size: str) -> None:
    status = {"status": {"phase": "Bound", "capacity": {"storage": size}}}
    api.must(
        "-n", namespace, "patch", "pvc", CLAIM, "--subresource=status", "--type=merge",
        "-p", json.dumps(status),
    )  # fmt: skip


@pytest.fixture
def storage_classes(api_server: ApiServer, namespace: str) -> dict[str, str]:
    """One whose volumes grow and one whose volumes do not."""
    names = {}
    for word, grows in (("grows", True), ("fixed", False)):
        names[word] = f"{namespace}-{word}"
        body = {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": names[word]},
            "provisioner": "example.com/none",
            "allowVolumeExpansion": grows,
        }
        api_server.must("create", "-f", "-", data=body)
    return names


@pytest.mark.parametrize("word", ["grows", "fixed"])
async def test_volumes_are_claimed_and_grow_where_they_may(
    operator: Operator, api_server: ApiServer, storage_classes: dict[str, str], word: str
) -> None:
    given = pool(operator.namespace, storageClassName=storage_classes[word], whenScaled="Delete")
    api_server.must("create", "-f", "-", data=given)
    assert (await operator.once()).held == 0
    made = await operator.get("StatefulSet", "streamer-pool")
    assert made["spec"]["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain", "whenScaled": "Delete",
    }  # fmt: skip
    await operator.once()
    assert (await operator.condition())[1] == "VolumePending"
    await make_claim(operator, api_server)
    await operator.once()
    assert await operator.condition() == ("True", "VolumesBound", "volumes of 1 pods")
    assert (await operator.once()).done == 0, "at rest"

    grown = pool(operator.namespace, storageClassName=storage_classes[word], whenScaled="Delete",
                 size="20Gi")  # fmt: skip
    api_server.must("apply", "--server-side", "--force-conflicts", "-f", "-", data=grown)
    outcome = await operator.once()
    asked = (await operator.get("PersistentVolumeClaim", CLAIM))["spec"]["resources"]["requests"]
    again = await operator.get("StatefulSet", "streamer-pool")
    assert again["spec"]["volumeClaimTemplates"] == made["spec"]["volumeClaimTemplates"]
    state, reason, message = await operator.condition()
    assert (state, reason) == ("False", "VolumeResizing")
    assert message.startswith(f"{CLAIM} has 10Gi of 20Gi")
    if word == "fixed":
        assert outcome.held == 1, "it is refused, and not asked again and again"
        assert asked == {"storage": "10Gi"}
        assert "storage class" in message
        return
    assert outcome.held == 0
    assert asked == {"storage": "20Gi"}
    bind(api_server, operator.namespace, "20Gi")
    await operator.once()
    assert (await operator.condition())[1] == "VolumesBound"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "come and go with the pool"),
        ({"archive": {"size": "10Gi", "storageClassName": "other"}}, "make a new pool"),
        ({"archive": {"size": "10Gi", "accessMode": "ReadWriteMany"}}, "make a new pool"),
        ({"archive": {"size": "10Gi", "mountPath": "/tmp"}}, "nothing else needs"),
        ({"archive": {"size": "10Gi", "mountPath": "/a/../b"}}, "nothing else needs"),
        ({"archive": {"size": "10Gi"}, "volumes": [{"name": "v", "mountPath": "/archive"}]},
         "mounted at archive.mountPath"),
    ],
)  # fmt: skip
def test_what_kubernetes_would_not_let_us_change_is_refused_in_words(
    api_server: ApiServer, namespace: str, spec: dict[str, Any], message: str
) -> None:
    api_server.must("create", "-f", "-", data=pool(namespace))
    body = {**pool(namespace), "spec": spec}
    body["metadata"] = {**body["metadata"], "resourceVersion": api_server.must(
        "-n", namespace, "get", "streamer", "pool", "-o", "jsonpath={.metadata.resourceVersion}"
    )}  # fmt: skip
    done = api_server.run("replace", "-f", "-", data=body)
    assert done.returncode != 0
    assert message in done.stderr
    bare = {**pool(namespace), "spec": {}, "metadata": {"name": "bare", "namespace": namespace}}
    api_server.must("create", "-f", "-", data=bare)
    done = api_server.run("apply", "--server-side", "--force-conflicts", "-f", "-",
                          data={**bare, "spec": pool(namespace)["spec"]})  # fmt: skip
    assert "come and go with the pool" in done.stderr
