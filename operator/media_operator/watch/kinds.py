"""What is watched, filtered by the API server."""

from media_kube import client as kube
from media_kube.client import Kind

from media_operator.render.common import MANAGER, PART_OF

_PODS = f"app.kubernetes.io/part-of={PART_OF}"
_CLAIMS = f"{_PODS},app.kubernetes.io/component=streamer"
"""Of archive volumes: the StatefulSet makes them with the labels of its selector."""
_CHILDREN = f"app.kubernetes.io/managed-by={MANAGER}"
SELECTORS: dict[Kind, str] = {
    kube.STREAM: "",
    kube.STREAMER: "",
    kube.CACHE: "",
    kube.POD: _PODS,
    kube.VOLUME_CLAIM: _CLAIMS,
    kube.STATEFUL_SET: _CHILDREN,
    kube.SERVICE: _CHILDREN,
    kube.CONFIG_MAP: _CHILDREN,
    kube.DISRUPTION_BUDGET: _CHILDREN,
}
"""Label selector of each kind."""
