"""The cluster itself: nodes, DNS, Services, host ports, GPUs, storage, exec, logs, node failure."""

from __future__ import annotations

import json
import socket
import urllib.request
from functools import partial
from typing import Any

import pytest
from local_cluster import Cluster, ClusterError, LocalCluster, wait_until
from local_cluster.images import PYTHON_BASE

pytestmark = [pytest.mark.usefixtures("local"), pytest.mark.long]

WEB_PORT = 8000
HOST_PORT = 18080
SERVER = f"python3 -m http.server {WEB_PORT} --directory /etc"


def pod(
    name: str, node: str | None = None, command: str = "sleep 3600", **container: object
) -> dict[str, Any]:
    """A pod that runs a shell command; ``container`` adds fields to its container."""
    spec: dict[str, Any] = {
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "main",
                "image": PYTHON_BASE,
                "imagePullPolicy": "Never",
                "command": ["sh", "-c", command],
                **container,
            }
        ],
    }
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    metadata = {"name": name, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def service(name: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": WEB_PORT}]},
    }


def apply(cluster: Cluster, namespace: str, *objects: object) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    cluster.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(listed))


def wait_ready(cluster: Cluster, namespace: str, *names: str) -> None:
    pods = [f"pod/{name}" for name in names]
    wait = ["wait", "--for=condition=Ready", "--timeout=90s", *pods]
    cluster.kubectl("-n", namespace, *wait, timeout=100)


def fetch_from(cluster: Cluster, namespace: str, client: str, url: str) -> bool:
    """Whether a pod gets an answer from a URL."""
    code = f"import urllib.request as u; print(u.urlopen('{url}', timeout=3).status)"
    try:
        printed = cluster.kubectl("-n", namespace, "exec", client, "--", "python3", "-c", code)
    except ClusterError:
        return False
    return printed.strip() == "200"


def fetch(url: str) -> bool:
    """Whether this host gets an answer from a URL."""
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def is_ready(cluster: Cluster, node: str) -> bool:
    path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    return cluster.kubectl("get", "node", node, "-o", path) == "True"


@pytest.fixture
def two_nodes(cluster: Cluster) -> tuple[str, str]:
    if not isinstance(cluster, LocalCluster):
        pytest.skip("not the local cluster")
    first, second = cluster.nodes
    return first, second


def test_nodes_are_ready(cluster: Cluster) -> None:
    assert len(cluster.nodes) >= 1
    assert all(is_ready(cluster, name) for name in cluster.nodes)


def test_up_again_changes_nothing(cluster: Cluster) -> None:
    if not isinstance(cluster, LocalCluster):
        pytest.skip("not the local cluster")
    before = cluster.status()
    assert before["running"] is True
    assert cluster.up(keep=cluster.layout.keep.exists()) is False
    assert cluster.status()["programs"] == before["programs"]


def test_service_and_host_port_across_nodes(
    cluster: Cluster, namespace: str, two_nodes: tuple[str, str]
) -> None:
    first, second = two_nodes
    ports = [{"containerPort": WEB_PORT, "hostPort": HOST_PORT}]
    apply(
        cluster,
        namespace,
        pod("web", first, SERVER, ports=ports),
        pod("near", first),
        pod("far", second),
        service("web"),
    )
    wait_ready(cluster, namespace, "web", "near", "far")
    name = f"http://web.{namespace}.svc.cluster.local/hostname"
    host_port = f"http://{cluster.nodes[first]}:{HOST_PORT}/hostname"
    # "web" asks itself: the answer must come back through the translation of its own Service.
    for client in ("far", "near", "web"):
        for url in (name, host_port):
            wait_until(
                partial(fetch_from, cluster, namespace, client, url), f"{client} reaches {url}"
            )
    wait_until(lambda: fetch(host_port), f"this host reaches {host_port}")
    address = cluster.kubectl(
        "-n", namespace, "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"
    )
    wait_until(lambda: fetch(f"http://{address}/hostname"), "this host reaches the cluster IP")


def test_names_outside_the_cluster_do_not_exist(
    cluster: Cluster, namespace: str, two_nodes: tuple[str, str]
) -> None:
    apply(cluster, namespace, pod("asks", two_nodes[0]))
    wait_ready(cluster, namespace, "asks")
    lookup = "import socket; socket.getaddrinfo('example.org', 80)"
    with pytest.raises(ClusterError, match="gaierror"):
        cluster.kubectl("-n", namespace, "exec", "asks", "--", "python3", "-c", lookup)


def test_pod_reaches_the_host_and_is_seen_with_its_own_address(
    cluster: Cluster, namespace: str, two_nodes: tuple[str, str]
) -> None:
    apply(cluster, namespace, pod("calls", two_nodes[1]))
    wait_ready(cluster, namespace, "calls")
    with socket.create_server((cluster.host_address, 0)) as server:
        server.settimeout(10)
        address, port = server.getsockname()
        call = f"import socket; socket.create_connection(('{address}', {port}), 5)"
        cluster.kubectl("-n", namespace, "exec", "calls", "--", "python3", "-c", call)
        connection, peer = server.accept()
        connection.close()
    path = "jsonpath={.status.podIP}"
    assert peer[0] == cluster.kubectl("-n", namespace, "get", "pod", "calls", "-o", path)


def test_client_in_a_pod_verifies_the_api_server(
    cluster: Cluster, namespace: str, two_nodes: tuple[str, str]
) -> None:
    apply(cluster, namespace, pod("client", two_nodes[1]))
    wait_ready(cluster, namespace, "client")
    code = """
import json, ssl, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount/"
context = ssl.create_default_context(cafile=folder + "ca.crt")
context.verify_flags |= ssl.VERIFY_X509_STRICT
token = open(folder + "token").read()
request = urllib.request.Request(
    "https://kubernetes.default.svc/version", headers={"Authorization": "Bearer " + token})
print(json.load(urllib.request.urlopen(request, context=context, timeout=5))["gitVersion"])
"""
    printed = cluster.kubectl("-n", namespace, "exec", "client", "--", "python3", "-c", code)
    assert printed.startswith("v1.")


def test_exec_and_logs(cluster: Cluster, namespace: str, two_nodes: tuple[str, str]) -> None:
    for node in two_nodes:
        apply(cluster, namespace, pod(f"on-{node}", node, "echo said; sleep 3600"))
    wait_ready(cluster, namespace, *(f"on-{node}" for node in two_nodes))
    for node in two_nodes:
        name = f"on-{node}"
        assert cluster.kubectl("-n", namespace, "logs", name) == "said\n"
        assert cluster.kubectl("-n", namespace, "exec", name, "--", "hostname") == f"{name}\n"


def test_gpus_are_handed_out(cluster: Cluster, namespace: str, two_nodes: tuple[str, str]) -> None:
    def with_gpus(name: str, count: int) -> object:
        return pod(name, resources={"limits": {"nvidia.com/gpu": count}})

    apply(cluster, namespace, with_gpus("two", 2))
    wait_ready(cluster, namespace, "two")
    path = "jsonpath={.spec.nodeName}"
    assert cluster.kubectl("-n", namespace, "get", "pod", "two", "-o", path) == two_nodes[1]
    apply(cluster, namespace, with_gpus("third", 1))
    reason = "jsonpath={.status.conditions[?(@.type=='PodScheduled')].message}"
    wait_until(
        lambda: (
            "nvidia.com/gpu"
            in cluster.kubectl("-n", namespace, "get", "pod", "third", "-o", reason)
        ),
        "a third GPU is not to be had",
    )


def test_volume_claim_is_bound(
    cluster: Cluster, namespace: str, two_nodes: tuple[str, str]
) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    user = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    writer = pod("writer", two_nodes[0], "id -u > /data/user && cat /data/user; sleep 3600", **user)
    writer["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    writer["spec"]["securityContext"] = {"runAsUser": 999, "runAsNonRoot": True}
    apply(cluster, namespace, claim, writer)
    wait_ready(cluster, namespace, "writer")
    wait_until(
        lambda: cluster.kubectl("-n", namespace, "logs", "writer") == "999\n",
        "the user of the pod writes into the volume",
    )


@pytest.mark.timeout(240)
def test_dead_node_returns(cluster: Cluster, namespace: str, two_nodes: tuple[str, str]) -> None:
    name = two_nodes[1]
    apply(cluster, namespace, pod("web", name, SERVER), service("web"))
    wait_ready(cluster, namespace, "web")
    path = "jsonpath={.status.podIP}"
    address = cluster.kubectl("-n", namespace, "get", "pod", "web", "-o", path)
    wait_until(lambda: fetch(f"http://{address}:{WEB_PORT}/hostname"), "this host reaches the pod")
    cluster.kill_node(name)
    try:
        assert not fetch(f"http://{address}:{WEB_PORT}/hostname")
        wait_until(lambda: not is_ready(cluster, name), "the node is NotReady")
        assert is_ready(cluster, two_nodes[0])
    finally:
        cluster.start_node(name)
    assert is_ready(cluster, name)
    gpus = cluster.kubectl(
        "get", "node", name, "-o", r"jsonpath={.status.allocatable.nvidia\.com/gpu}"
    )
    assert gpus == "2"
    # The kubelet starts the pod's container again, in a new sandbox.
    url = f"http://web.{namespace}.svc.cluster.local/hostname"
    apply(cluster, namespace, pod("asks", two_nodes[0]))
    wait_ready(cluster, namespace, "asks")
    wait_until(lambda: fetch_from(cluster, namespace, "asks", url), "the pod is back", 90)
