"""etcd, the API server, the controllers, the scheduler and the cluster's DNS.

Role: start what runs on the host itself (each other module starts what runs in a node).
Invariants: the API server listens on the bridge only and nothing listens on an address of the
machine's own network; etcd is on loopback, where no pod reaches it.
Failure detection is quicker than by default (a dead node is NotReady after 12 s, not 50 s), so
that tests of it are short; tolerations of pods keep their defaults.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path

from local_cluster import processes
from local_cluster.certificates import FRONT_PROXY
from local_cluster.layout import (
    API_PORT,
    API_URL,
    CLUSTER_DOMAIN,
    GPU_RESOURCE,
    HOST_ADDRESS,
    NODES,
    POD_NETWORK,
    SERVICE_NETWORK,
    Layout,
    Node,
)

ETCD_URL = "http://127.0.0.1:22379"
ETCD_PEER_URL = "http://127.0.0.1:22380"
NODE_GRACE_PERIOD = "12s"
READY_TIMEOUT_S = 60.0

ROLES = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "coredns",
    "kube-proxy",
)


def start(layout: Layout) -> None:
    """Start etcd and the API server and wait until the latter is ready."""
    _start_etcd(layout)
    _start_api_server(layout)
    processes.wait_until(
        lambda: is_ready(layout),
        "API server ready",
        READY_TIMEOUT_S,
        hint=lambda: processes.log_tail(layout, "kube-apiserver"),
    )


def start_rest(layout: Layout) -> None:
    """Start what needs the API server, and make the objects every cluster has."""
    _start_controllers(layout)
    kubectl: list[str | Path] = [layout.bin / "kubectl", "--kubeconfig", layout.admin_kubeconfig]
    processes.run([*kubectl, "apply", "--server-side", "-f", "-"], input=_first_objects())
    _start_dns(layout)
    start_kube_proxy(layout, None)


def is_ready(layout: Layout) -> bool:
    """Whether the API server answers /readyz, with the certificate that clients will check."""
    context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
    # A handler list of our own: a proxy in the environment is not for this address.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(f"{API_URL}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _start_etcd(layout: Layout) -> None:
    processes.start(
        layout,
        "etcd",
        [
            layout.bin / "etcd",
            f"--data-dir={layout.state / 'etcd'}",
            f"--listen-client-urls={ETCD_URL}",
            f"--advertise-client-urls={ETCD_URL}",
            f"--listen-peer-urls={ETCD_PEER_URL}",
            f"--initial-advertise-peer-urls={ETCD_PEER_URL}",
            f"--initial-cluster=default={ETCD_PEER_URL}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ],
    )


def _start_api_server(layout: Layout) -> None:
    pki = layout.pki
    processes.start(
        layout,
        "kube-apiserver",
        [
            layout.bin / "kube-apiserver",
            f"--etcd-servers={ETCD_URL}",
            f"--bind-address={HOST_ADDRESS}",
            f"--secure-port={API_PORT}",
            f"--advertise-address={HOST_ADDRESS}",
            f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}",
            f"--token-auth-file={pki / 'tokens.csv'}",
            f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
            f"--kubelet-client-key={pki / 'kubelet-client.key'}",
            # The nodes' names do not resolve: without this exec and logs fail.
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-issuer=https://kubernetes.default.svc.{CLUSTER_DOMAIN}",
            f"--service-account-key-file={pki / 'service-account.pub'}",
            f"--service-account-signing-key-file={pki / 'service-account.key'}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            # APIs of other servers: such as the metrics that autoscalers ask for.
            f"--requestheader-client-ca-file={pki / 'ca.crt'}",
            f"--requestheader-allowed-names={FRONT_PROXY}",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
            f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
            "--enable-aggregator-routing=true",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--profiling=false",
        ],
    )


def _start_controllers(layout: Layout) -> None:
    processes.start(
        layout,
        "kube-controller-manager",
        [
            layout.bin / "kube-controller-manager",
            f"--kubeconfig={layout.kubeconfig('kube-controller-manager')}",
            f"--root-ca-file={layout.pki / 'ca.crt'}",
            f"--service-account-private-key-file={layout.pki / 'service-account.key'}",
            "--use-service-account-credentials=true",
            "--allocate-node-cidrs=false",
            f"--node-monitor-grace-period={NODE_GRACE_PERIOD}",
            "--node-monitor-period=2s",
            "--leader-elect=false",
            "--secure-port=0",
        ],
    )
    processes.start(
        layout,
        "kube-scheduler",
        [
            layout.bin / "kube-scheduler",
            f"--kubeconfig={layout.kubeconfig('kube-scheduler')}",
            "--leader-elect=false",
            "--secure-port=0",
        ],
    )


def _start_dns(layout: Layout) -> None:
    """CoreDNS on the bridge address. Names outside the cluster do not exist: no one is asked."""
    config = layout.state / "Corefile"
    config.write_text(
        # Two blocks: within one, CoreDNS asks `template` before `kubernetes`.
        f"""
{CLUSTER_DOMAIN}:53 in-addr.arpa:53 {{
    bind {HOST_ADDRESS}
    errors
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa {{
        kubeconfig {layout.kubeconfig("coredns")} local-cluster
        pods insecure
        ttl 5
    }}
}}
.:53 {{
    bind {HOST_ADDRESS}
    errors
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
"""
    )
    processes.start(layout, "coredns", [layout.bin / "coredns", "-conf", config])


def start_kube_proxy(layout: Layout, node: Node | None) -> None:
    """Start kube-proxy in a node, or (None) on the host, which so reaches cluster IPs too."""
    address = node.address if node else HOST_ADDRESS
    folder = layout.node(node) if node else layout.state
    config = folder / "kube-proxy.json"
    no_change = {"maxPerCore": 0, "min": 0}  # nf_conntrack_max is the whole machine's
    config.write_text(
        json.dumps(
            {
                "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                "kind": "KubeProxyConfiguration",
                "mode": "nftables",
                "clientConnection": {"kubeconfig": str(layout.kubeconfig("kube-proxy"))},
                "clusterCIDR": POD_NETWORK,
                # The host is no node of the cluster: its proxy takes the name of one.
                "hostnameOverride": (node or NODES[0]).name,
                "bindAddress": address,
                "healthzBindAddress": f"{address}:10256",
                "metricsBindAddress": f"{address}:10249",
                "conntrack": no_change,
            }
        )
    )
    role = f"{node.name}/kube-proxy" if node else "kube-proxy"
    processes.start(layout, role, [layout.bin / "kube-proxy", f"--config={config}"], node)


def _first_objects() -> str:
    """The nodes (with their pod network, which no controller hands out), rights, runtimes."""
    objects: list[dict[str, object]] = [_node_object(node) for node in NODES]
    rbac = "rbac.authorization.k8s.io/v1"
    objects += [
        {
            "apiVersion": rbac,
            "kind": "ClusterRole",
            "metadata": {"name": "local-cluster:coredns"},
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["services", "namespaces"],
                    "verbs": ["list", "watch"],
                },
                {
                    "apiGroups": ["discovery.k8s.io"],
                    "resources": ["endpointslices"],
                    "verbs": ["list", "watch"],
                },
            ],
        },
        {
            "apiVersion": rbac,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "local-cluster:coredns"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "local-cluster:coredns",
            },
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:coredns"}
            ],
        },
        {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": "nvidia"},
            "handler": "nvidia",
            "scheduling": {"nodeSelector": {"nvidia.com/gpu.present": "true"}},
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def _node_object(node: Node) -> dict[str, object]:
    labels = {"kubernetes.io/hostname": node.name}
    if node.gpus:  # as NVIDIA's GPU feature discovery labels it
        labels["nvidia.com/gpu.present"] = "true"
        labels[f"{GPU_RESOURCE}.count"] = str(node.gpus)
        labels[f"{GPU_RESOURCE}.product"] = "none-faked"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": labels},
        "spec": {"podCIDR": node.pod_subnet, "podCIDRs": [node.pod_subnet]},
    }
