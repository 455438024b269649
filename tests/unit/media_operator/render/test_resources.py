"""What pods ask for and may have."""

from typing import Any

import pytest
from media_operator.objects import TierObject
from media_operator.render import cache_objects, streamer_objects
from media_operator.render.common import probes
from media_operator.settings import Settings
from media_streamer.supervisor.ports import EGRESS_START_SECONDS
from media_streamer.supervisor.processes import HELLO_TIMEOUT_SECONDS

RENDER = {"Streamer": streamer_objects, "Cache": cache_objects}


def pod(kind: str, **spec: Any) -> dict[str, Any]:
    meta = {"name": "pool", "namespace": "ns", "uid": "u"}
    tier = TierObject.parse({"kind": kind, "metadata": meta, "spec": spec})
    [found] = [o for o in RENDER[kind](tier, Settings()) if o["kind"] == "StatefulSet"]
    return dict(found["spec"]["template"]["spec"])


def segments(**spec: Any) -> str:
    volumes = {volume["name"]: volume for volume in pod("Streamer", **spec)["volumes"]}
    return str(volumes["segments"]["emptyDir"]["sizeLimit"])


@pytest.mark.parametrize("kind", sorted(RENDER))
def test_no_pod_is_best_effort(kind: str) -> None:
    requests = pod(kind)["containers"][0]["resources"]["requests"]
    assert requests.keys() == {"cpu", "memory"}


def test_a_gpu_pod_asks_for_more_than_its_gpu() -> None:
    resources = pod("Streamer", nvidiaGpuCount=1)["containers"][0]["resources"]
    assert resources["limits"] == {"nvidia.com/gpu": "1"}
    assert resources["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize(
    ("gpu", "asked"),
    [
        ({"count": 2}, {"nvidia.com/gpu": "2"}),
        ({"count": 1, "resourceName": "nvidia.com/mig-1g.10gb"}, {"nvidia.com/mig-1g.10gb": "1"}),
        ({"count": 1, "resourceName": "nvidia.com/gpu.shared"}, {"nvidia.com/gpu.shared": "1"}),
    ],
)
def test_whole_gpus_and_parts_are_asked_for_beside_what_the_user_asks(
    gpu: dict[str, Any], asked: dict[str, str]
) -> None:
    given = {"limits": {"memory": "4Gi"}}
    spec = pod("Streamer", gpu=gpu, resources=given)
    assert spec["containers"][0]["resources"]["limits"] == {"memory": "4Gi", **asked}
    assert given == {"limits": {"memory": "4Gi"}}
    assert "resourceClaims" not in spec


def test_a_gpu_by_dynamic_resource_allocation() -> None:
    gpu = {"resourceClaimTemplateName": "half", "nodeSelector": {"gpu": "l4"}}
    spec = pod("Streamer", gpu={**gpu, "runtimeClassName": "nvidia"})
    assert spec["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": "half"}]
    resources = spec["containers"][0]["resources"]
    assert resources["claims"] == [{"name": "gpu"}]
    assert not [name for name in resources.get("limits", {}) if "nvidia" in name]
    assert (spec["nodeSelector"]["gpu"], spec["runtimeClassName"]) == ("l4", "nvidia")
    environment = {one["name"]: one.get("value") for one in spec["containers"][0]["env"]}
    assert environment["NVIDIA_DRIVER_CAPABILITIES"] == "compute,video,utility"


@pytest.mark.parametrize("kind", sorted(RENDER))
def test_what_the_user_asks_for_stays(kind: str) -> None:
    given = {"requests": {"cpu": "3"}, "limits": {"memory": "4Gi"}}
    resources = pod(kind, resources=given)["containers"][0]["resources"]
    assert resources == {"requests": {"cpu": "3"}, "limits": {"memory": "4Gi"}}


@pytest.mark.parametrize(
    ("spec", "size"),
    [
        ({}, "2Gi"),
        ({"segmentsSize": "512Mi"}, "512Mi"),
        ({"resources": {"limits": {"memory": "3Gi"}}}, "1536Mi"),
        ({"resources": {"limits": {"memory": "1500M"}}}, "715Mi"),
        ({"resources": {"limits": {"memory": 2**30}}}, "512Mi"),
        ({"resources": {"limits": {"memory": "2e9"}}}, "953Mi"),
        ({"resources": {"limits": {"memory": "much"}}}, "2Gi"),
        ({"resources": {"limits": {"cpu": "2"}}}, "2Gi"),
    ],
)
def test_segments_in_memory_have_a_bound(spec: dict[str, Any], size: str) -> None:
    assert segments(**spec) == size


def test_a_pod_has_the_time_that_its_streamer_gives_itself() -> None:
    """On a node without CPU time the worker that is slow is waited for, not begun anew."""
    probe = probes("/streamer/api/v3/monitoring")["startupProbe"]
    seconds = probe["periodSeconds"] * probe["failureThreshold"]
    assert HELLO_TIMEOUT_SECONDS < EGRESS_START_SECONDS < seconds
