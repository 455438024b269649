"""The environment of a pod: secrets by reference, and the user's own variables last."""

from typing import Any

import pytest
from media_operator.objects import TierObject
from media_operator.render import cache_objects, streamer_objects
from media_operator.settings import Settings

RENDER = {"Cache": cache_objects, "Streamer": streamer_objects}
KEYS = {"Cache": "CACHE_CLUSTER_KEY", "Streamer": "STREAMER_CLUSTER_KEY"}


def environment(kind: str, **spec: Any) -> dict[str, Any]:
    """Variable -> its value, or where that comes from."""
    meta = {"name": "edge", "namespace": "ns", "uid": "u"}
    tier = TierObject.parse({"kind": kind, "metadata": meta, "spec": spec})
    stateful_set = next(o for o in RENDER[kind](tier, Settings()) if o["kind"] == "StatefulSet")
    entries = stateful_set["spec"]["template"]["spec"]["containers"][0]["env"]
    found = {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in entries}
    assert len(found) == len(entries)
    return found


@pytest.mark.parametrize("kind", sorted(RENDER))
def test_streamers_and_caches_have_the_same_key(kind: str) -> None:
    ours = {"secretKeyRef": {"name": "media-central", "key": "cluster-key", "optional": True}}
    assert environment(kind)[KEYS[kind]] == ours
    theirs = {"secretKeyRef": {"name": "mine", "key": "k"}}
    for given in (theirs, {"valueFrom": theirs}):
        assert environment(kind, clusterKey=given)[KEYS[kind]] == theirs
    assert environment(kind, clusterKey="in clear")[KEYS[kind]] == "in clear"


@pytest.mark.parametrize("kind", sorted(RENDER))
def test_the_users_variables_win(kind: str) -> None:
    mine = [{"name": KEYS[kind], "value": "x"}, {"name": "TZ", "value": "Etc/UTC"}]
    found = environment(kind, env=mine)
    assert (found[KEYS[kind]], found["TZ"]) == ("x", "Etc/UTC")
