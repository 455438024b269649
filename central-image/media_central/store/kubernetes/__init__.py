"""The resource store on custom resources: in a cluster they are the truth, Central translates."""

from media_central.store.kubernetes.store import KubernetesStore

__all__ = ["KubernetesStore"]
