"""Who writes what: the REST API, a Git repository, refusals, and two operators at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from appliance import Installation, fake_stream, resource
from local_cluster import ClusterError, wait_until

pytestmark = pytest.mark.timeout(300)


def test_put_makes_a_resource_that_plays(installation: Installation) -> None:
    body = {"inputs": [{"url": "fake://fake"}], "title": "By REST"}
    status, answer = installation.wait_call("PUT", "streams/rest", body)
    assert (status, answer["name"]) == (200, "rest")
    found = installation.get("stream", "rest")
    assert found["spec"]["title"] == "By REST"
    assert {entry["manager"] for entry in found["metadata"]["managedFields"]} >= {"central"}
    installation.wait_reason("stream", "rest", "Running")
    installation.wait_playing(f"{installation.media()}/rest/index.m3u8")
    status, answer = installation.call("GET", "streams/rest")
    assert (status, answer["layout"]["ingest"]) == (200, "streamer-default-0")
    assert installation.call("DELETE", "streams/rest")[0] == 204
    assert installation.get("stream", "rest") == {}


def test_name_with_slashes_by_rest(installation: Installation) -> None:
    body = {"inputs": [{"url": "fake://fake"}]}
    assert installation.wait_call("PUT", "streams/cameras/Gate", body)[0] == 200
    (found,) = [s for s in installation.list("streams") if s["spec"].get("name") == "cameras/Gate"]
    installation.wait_reason("stream", found["metadata"]["name"], "Running")
    assert installation.call("DELETE", "streams/cameras/Gate")[0] == 204


def test_field_of_git_is_not_overwritten(installation: Installation) -> None:
    installation.apply(fake_stream("git", title="From Git"), manager="argocd")
    wait_until(
        lambda: installation.wait_call("GET", "streams/git")[0] == 200, "Central sees the stream"
    )
    status, answer = installation.call("PUT", "streams/git", {"title": "By hand"})
    assert status == 409
    assert "argocd" in json.dumps(answer)
    assert installation.get("stream", "git")["spec"]["title"] == "From Git"
    # What Git does not say is free.
    assert installation.call("PUT", "streams/git", {"comment": "by hand"})[0] == 200
    assert installation.get("stream", "git")["spec"]["comment"] == "by hand"
    status, answer = installation.call("DELETE", "streams/git")
    assert status == 409
    assert "argocd" in json.dumps(answer)


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        ("Stream", {"inputs": [{"url": "nonsense"}]}, "input URL must begin with a known scheme"),
        ("Stream", {"streamer": "a", "preferredStreamer": "b"}, "give only one of streamer"),
        ("Stream", {"name": "../etc"}, "a stream name must not contain"),
        ("Streamer", {"apiUrl": "http://a", "replicas": 1}, "a pool of pods or an external"),
        ("Streamer", {"minReplicas": 2}, "minReplicas needs maxReplicas"),
    ],
)
def test_refusals_say_what_is_wrong(
    installation: Installation, kind: str, spec: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClusterError, match=message):
        installation.apply(resource(kind, "refused", spec))


@pytest.mark.long
def test_two_operators_do_not_write_twice(installation: Installation) -> None:
    installation.kubectl("scale", "deployment", "media-operator", "--replicas=2")
    wait_until(lambda: len(installation.pods("operator")) == 2, "two operators", 60)
    installation.wait_ready("operator")
    leader = _leader(installation)
    (standby,) = [name for name in installation.pods("operator") if name != leader]
    installation.apply(fake_stream("led"))
    installation.wait_reason("stream", "led", "Running")
    assert "writing" in installation.kubectl("logs", leader)
    assert "writing" not in installation.kubectl("logs", standby)
    # The leader dies without a word: the standby takes over when the Lease runs out.
    installation.kubectl("delete", "pod", leader, "--grace-period=0", "--force", "--wait=false")
    installation.apply(fake_stream("led-by-another"))
    installation.wait_reason("stream", "led-by-another", "Running", timeout=90)
    assert _leader(installation) != leader
    installation.kubectl("scale", "deployment", "media-operator", "--replicas=1")


def _leader(installation: Installation) -> str:
    """The pod that holds the Lease."""
    return str(installation.get("lease", "media-operator")["spec"]["holderIdentity"])
