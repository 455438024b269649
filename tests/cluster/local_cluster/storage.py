"""Persistent volumes: folders of this host, offered to claims of the default storage class.

Role: what a cloud's provisioner does elsewhere, for a few volumes.
Invariants: each volume is used once; ``offer`` makes those whose claim is gone new and empty.
They are `local` volumes, since the kubelet applies a pod's fsGroup to those (not to hostPath),
and they fit every node, as all nodes share the host's disk.
"""

from __future__ import annotations

import json
import shutil
from typing import Protocol

from local_cluster.layout import Layout

STORAGE_CLASS = "standard"
VOLUMES = 10
CAPACITY = "20Gi"  # not enforced


class Kubectl(Protocol):
    """Runs kubectl and returns its output."""

    def __call__(self, *args: str, input: str | None = None) -> str: ...


def offer(layout: Layout, kubectl: Kubectl) -> None:
    """Make the storage class and the volumes that are missing or were given back."""
    found = json.loads(kubectl("get", "persistentvolumes", "-o", "json"))["items"]
    phases = {volume["metadata"]["name"]: volume["status"].get("phase", "") for volume in found}
    objects: list[dict[str, object]] = [_storage_class()]
    for number in range(VOLUMES):
        name = f"local-{number:02}"
        if name in phases and phases[name] not in ("Released", "Failed"):
            continue
        if name in phases:
            kubectl("delete", "persistentvolume", name)
        folder = layout.volumes / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        folder.chmod(0o777)  # for pods that run as any user and name no fsGroup
        objects.append(_volume(name, str(folder)))
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    kubectl("apply", "--server-side", "-f", "-", input=listed)


def _storage_class() -> dict[str, object]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _volume(name: str, folder: str) -> dict[str, object]:
    any_node = {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": STORAGE_CLASS,
            "capacity": {"storage": CAPACITY},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": folder},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [any_node]}]}},
        },
    }
