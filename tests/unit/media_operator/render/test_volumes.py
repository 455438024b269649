"""The volumes of a pod: what the API server accepts, whatever the user mounts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_operator.objects import TierObject
from media_operator.render import cache_objects, streamer_objects
from media_operator.settings import Settings

RENDER = {"Cache": cache_objects, "Streamer": streamer_objects}


def rendered(kind: str, **spec: Any) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Mount path -> name of the volume, and name -> volume, of the pods of a resource.

    Fails where the API server would: it wants paths and names to be unique.
    """
    meta = {"name": "edge", "namespace": "ns", "uid": "u"}
    tier = TierObject.parse({"kind": kind, "metadata": meta, "spec": spec})
    stateful_set = next(o for o in RENDER[kind](tier, Settings()) if o["kind"] == "StatefulSet")
    pod = stateful_set["spec"]["template"]["spec"]
    mounts = pod["containers"][0]["volumeMounts"]
    by_path = {mount["mountPath"].rstrip("/"): mount["name"] for mount in mounts}
    by_name = {volume["name"]: volume for volume in pod["volumes"]}
    assert len(by_path) == len(mounts)
    assert len(by_name) == len(pod["volumes"])
    assert set(by_path.values()) == set(by_name)
    return by_path, by_name


@pytest.mark.parametrize("path", ["/var/cache/media", "/var/cache/media/", "/var/cache"])
def test_cache_on_the_users_volume(path: str) -> None:
    disk = {"name": "disk", "mountPath": path, "hostPath": {"path": "/ssd"}}
    mounts, volumes = rendered("Cache", volumes=[disk])
    assert mounts == {path.rstrip("/"): "disk", "/tmp": "tmp"}
    assert volumes["disk"] == {"name": "disk", "hostPath": {"path": "/ssd"}}


def test_cache_elsewhere_on_the_users_volume() -> None:
    disk = {"name": "disk", "mountPath": "/ssd", "source": {"hostPath": {"path": "/ssd"}}}
    mounts, _ = rendered("Cache", cache={"path": "/ssd/cache"}, volumes=[disk])
    assert mounts == {"/ssd": "disk", "/tmp": "tmp"}
    mounts, _ = rendered("Cache", volumes=[disk])
    assert mounts == {"/ssd": "disk", "/tmp": "tmp", "/var/cache/media": "cache"}


def test_the_drop_ins_stay_below_the_users_volume() -> None:
    mine = {"name": "mine", "mountPath": "/etc/flussonic", "emptyDir": {}}
    mounts, _ = rendered("Streamer", volumes=[mine])
    assert mounts["/etc/flussonic/flussonic.conf.d"] == "config"


@given(
    st.sampled_from(sorted(RENDER)),
    st.dictionaries(
        st.sampled_from(["cache", "tmp", "state", "segments", "config", "films"]),
        st.sampled_from(["/tmp", "/var/cache", "/var/cache/media", "/run/media", "/run", "/films"]),
    ),
)
def test_names_and_paths_are_unique(kind: str, given_volumes: dict[str, str]) -> None:
    paths = {path: name for name, path in given_volumes.items()}
    volumes = [{"name": name, "mountPath": path, "emptyDir": {}} for path, name in paths.items()]
    mounts, _ = rendered(kind, volumes=volumes)
    assert mounts.items() >= paths.items()
