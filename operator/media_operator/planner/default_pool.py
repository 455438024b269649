"""The pool that is made where Streams are and no Streamer ever was."""

from media_operator.objects import Snapshot
from media_operator.planner.actions import Apply, Plan
from media_operator.render.common import MANAGER
from media_operator.settings import Settings

DEFAULT_POOL = "default"
MARKER = "media-default-pool"
"""ConfigMap of a namespace that has, or had, a Streamer."""


def is_expected(namespace: str, snapshot: Snapshot, settings: Settings) -> bool:
    """Whether the namespace has a Streamer, or gets one."""
    marked = ("ConfigMap", namespace, MARKER) in snapshot.children
    return _has_streamer(namespace, snapshot) or (settings.default_pool and not marked)


def plan_default_pool(namespace: str, snapshot: Snapshot, plan: Plan) -> None:
    """Streams in a namespace that never had a Streamer get one, so that a first Stream plays.

    Once only: whoever deletes it, or prunes it by GitOps, does not get it back at once.
    """
    if ("ConfigMap", namespace, MARKER) in snapshot.children:
        return
    metadata = {"namespace": namespace, "labels": {"app.kubernetes.io/managed-by": MANAGER}}
    if _has_streamer(namespace, snapshot):
        about = "There is, or was, a Streamer here. Without this ConfigMap and without a Streamer,"
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": MARKER, **metadata},
            "data": {"about": f"{about} the operator makes the Streamer {DEFAULT_POOL}."},
        }
    else:
        body = {
            "apiVersion": "media.flussonic.com/v1alpha1",
            "kind": "Streamer",
            "metadata": {"name": DEFAULT_POOL, **metadata},
            "spec": {},
        }
    plan.applies.append(Apply(body))


def _has_streamer(namespace: str, snapshot: Snapshot) -> bool:
    return any(kind == "Streamer" and space == namespace for kind, space, _ in snapshot.tiers)
