"""A real Kubernetes cluster of two nodes on one Debian host, without any image registry.

Role: the cluster tests' own Kubernetes, for machines with neither ``KUBECONFIG`` nor ``kind``.
The programs are built from their Go modules (``binaries``), the nodes are network namespaces
(``network``), the images are made here (``images``, ``docker_engine``).

Invariants: everything lives below one state directory, carries one environment marker and uses
names that start with ``mc-``; so ``down`` finds all of it again, whatever ``up`` got to.
Standard library only: ``make cluster-up`` must run before anything is installed.
"""

from local_cluster.cluster import LocalCluster
from local_cluster.external import Cluster, NotSupported, choose
from local_cluster.layout import HOST_ADDRESS, NODES, Layout, Node
from local_cluster.processes import ClusterError, wait_until

__all__ = [
    "HOST_ADDRESS",
    "NODES",
    "Cluster",
    "ClusterError",
    "Layout",
    "LocalCluster",
    "Node",
    "NotSupported",
    "choose",
    "wait_until",
]
