"""The definitions in a real kube-apiserver: accepted, and their rules refuse what they should.

Needs only etcd, kube-apiserver and kubectl, which the cluster tests build into the cache; no node
is started, so the whole takes seconds.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from media_api import crd
from media_api.resources import StreamResource
from media_api.resources.meta import API_VERSION
from media_api.unsupported import GLOBALS, STREAM_CHECKS

from tests.support.api_server import START_LIMIT, ApiServer


@pytest.fixture(scope="module")
def api(api_server: ApiServer) -> Iterator[ApiServer]:
    yield api_server
    api_server.must("delete", "strm,strmr,mcache", "--all")


STREAM = {
    "name": "cam/Lobby",
    "inputs": [
        {"url": "rtsp://u:p@cam:554/1", "priority": 1, "source_timeout": False, "rtp": "udp"},
        {"url": "fake://fake", "source_timeout": 10, "bitrate": 500_000},
    ],
    "clients_timeout": False,
    "prepush": 5,
    "hls_scte35": False,
    "url_prefix": False,
    "thumbnails": {"enabled": "ondemand", "sizes": [{"width": 320, "height": -1}]},
    "dvr": {"root": "/storage", "expiration": 604_800, "schedule": [[800, 1600]]},
    "transcoder": {
        "global": {"hw": "nvenc", "deviceid": "auto"},
        "video": [{"track": 1, "bitrate": 1_000_000, "fps": 29.97, "size": {"width": 1280}}],
        "audio": {"bitrate": "copy"},
    },
    "on_play": {"url": "http://auth/", "max_sessions": 3},
    "protocols": {"whitelist": False, "mseld": False},
    "pushes": [{"url": "rtmp://h/a/%s"}],
    "srt": 9000,
    "streamer": "pool",
    "streamerSelector": {"matchLabels": {"zone": "eu"}},
    "gpuRequired": True,
}
GOOD: list[tuple[str, dict[str, Any]]] = [
    ("Stream", {"inputs": [{"url": "fake://fake"}]}),
    ("Stream", STREAM),
    ("Stream", {"template": "t", "dvr": {"expiration": 60}, "title": None}),
    ("Streamer", {}),
    ("Streamer", {"apiUrl": "http://10.0.0.1:8080", "clusterKey": {"secretKeyRef": {
        "name": "s", "key": "k"}}}),
    ("Streamer", {"hostPort": 80, "hostPorts": {"rtmp": 1935, "srt": 9000, "webrtc": 10000}}),
    ("Streamer", {"publicUrl": "https://live.example", "publicPorts": {"rtmp": 1935}}),
    ("Streamer", {"nodeName": "n1", "hostPort": 80, "nvidiaGpuCount": 1, "volumes": [
        {"name": "a", "mountPath": "/a", "iscsi": {"iqn": "x", "lun": 1, "targetPortal": "y"}}]}),
    ("Streamer", {"minReplicas": 1, "maxReplicas": 5, "gpu": {"count": 1}, "config": {
        "listeners": {"http": [{"port": 80}]}, "auto_token": False,
        "event_sinks": [{"name": "a", "url": "http://b/", "only": [{"event": ["x"]}]}],
        "templates": [{"name": "t", "prefixes": ["cam"], "inputs": [{"url": "publish://"}]}]}}),
    ("Cache", {"replicas": 2, "cache": {"misses": 2, "expiration": 172_800}}),
]  # fmt: skip
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("Stream", {"inputs": [{"url": "http://x"}]}, "known scheme"),
    ("Stream", {"inputs": [{}]}, "Required value"),
    ("Stream", {"inputs": [{"url": "fake://fake"}] * 2}, "Duplicate value"),
    ("Stream", {"pushes": [{"url": "ftp://x"}]}, "known scheme"),
    ("Stream", {"name": "a/../b"}, "must not contain"),
    ("Stream", {"name": "a b"}, "should match"),
    ("Stream", {"dvr": {"expiration": 5}}, "dvr needs root"),
    ("Stream", {"streamer": "a", "preferredStreamer": "b"}, "give only one"),
    ("Stream", {"cache": {"path": "/c", "reference": "g"}}, "not both"),
    ("Stream", {"segment_duration": 50}, "greater than or equal to 100"),
    ("Stream", {"hls_scte35": "x"}, "Unsupported value"),
    ("Streamer", {"apiUrl": "http://a", "replicas": 2}, "not both"),
    ("Streamer", {"apiUrl": "a"}, "http:// or https://"),
    ("Streamer", {"apiUrl": "http://a", "hostPorts": {"srt": 9000}}, "not both"),
    ("Streamer", {"hostNetwork": True, "hostPorts": {"rtmp": 1935}}, "leave hostPorts out"),
    ("Streamer", {"publicPorts": {"rtmp": 1935}}, "name that, too"),
    ("Streamer", {"publicUrl": "https://a", "publicPorts": {"ftp": 21}}, "rtmp, rtsp and srt"),
    ("Streamer", {"hostPorts": {"webrtc": 65_530}}, "less than or equal to 65528"),
    ("Streamer", {"replicas": 1, "maxReplicas": 2}, "not both"),
    ("Streamer", {"minReplicas": 1}, "needs maxReplicas"),
    ("Streamer", {"minReplicas": 3, "maxReplicas": 2}, "must not exceed"),
    ("Streamer", {"nodeName": "n", "replicas": 2}, "single pod"),
    ("Streamer", {"gpu": {"count": 1}, "nvidiaGpuCount": 1}, "only one of them"),
    ("Streamer", {"logLevel": "loud"}, "Unsupported value"),
    ("Cache", {"minReplicas": 1}, "unknown field"),  # its size is set by autoscalers, see below
]


@pytest.mark.parametrize(("kind", "spec"), GOOD)
def test_accepted(api: ApiServer, kind: str, spec: dict[str, Any]) -> None:
    assert api.create(kind, spec) == ""


@pytest.mark.parametrize(("kind", "spec", "message"), BAD)
def test_refused_with_a_reason(
    api: ApiServer, kind: str, spec: dict[str, Any], message: str
) -> None:
    assert message in api.create(kind, spec)


SAMPLES = sorted((crd.DIRECTORY.parent / "manifests" / "samples").glob("*.yaml"))


@pytest.mark.parametrize("path", SAMPLES, ids=[path.name for path in SAMPLES])
def test_samples_are_accepted(api: ApiServer, path: Path) -> None:
    ours = [
        item
        for item in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if item and item["apiVersion"] == API_VERSION
    ]
    for item in ours:
        assert api.create(item["kind"], item["spec"]) == ""


def test_stream_comes_back_as_written(api: ApiServer) -> None:
    item = {"apiVersion": API_VERSION, "kind": "Stream", "metadata": {"name": "s"}, "spec": STREAM}
    done = api.run("apply", "--server-side", "-f", "-", data=item)
    assert done.returncode == 0, done.stderr
    stored = json.loads(api.run("get", "strm", "s", "-o", "json").stdout)
    assert stored["spec"] == STREAM
    assert StreamResource.parse(stored).spec.needs_gpu
    by_field = api.run("get", "strm", "--field-selector", "spec.streamer=pool", "-o", "name")
    assert by_field.stdout.strip() == "stream.media.flussonic.com/s"
    assert "s" in api.run("get", "media").stdout


@pytest.mark.parametrize(("kind", "short"), [("Streamer", "strmr"), ("Cache", "mcache")])
def test_scale(api: ApiServer, kind: str, short: str) -> None:
    item = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "p"}, "spec": {}}
    assert api.run("apply", "--server-side", "-f", "-", data=item).returncode == 0
    done = api.run("scale", f"{short}/p", "--replicas=3")
    assert done.returncode == 0, done.stderr
    assert json.loads(api.run("get", short, "p", "-o", "json").stdout)["spec"]["replicas"] == 3


def test_selector_labels_cannot_change(api: ApiServer) -> None:
    item = {
        "apiVersion": API_VERSION, "kind": "Streamer", "metadata": {"name": "fixed"},
        "spec": {"selectorLabels": {"a": "b"}},
    }  # fmt: skip
    assert api.run("create", "-f", "-", data=item).returncode == 0
    patch = '{"spec":{"selectorLabels":{"a":"c"}}}'
    done = api.run("patch", "strmr", "fixed", "--type=merge", "-p", patch)
    assert "cannot change" in done.stderr


def test_explain_describes_fields(api: ApiServer) -> None:
    deadline = time.monotonic() + START_LIMIT  # the server publishes its documents a little later
    while "best" not in (text := api.run("explain", "strm.spec.inputs.priority").stdout):
        assert time.monotonic() < deadline, text
        time.sleep(0.5)


def test_what_has_no_effect_is_warned_of(api: ApiServer) -> None:
    """By the policies that are applied with the definitions; nothing is refused."""
    spec = {"inputs": [{"url": "fake://fake"}, {"url": "h323://a"}], **asks_in_vain()}
    item = {"apiVersion": API_VERSION, "kind": "Stream", "metadata": {"name": "t"}, "spec": spec}
    deadline = time.monotonic() + START_LIMIT
    while True:  # the API server takes a moment to know a policy
        done = api.run("create", "--dry-run=server", "-f", "-", data=item)
        assert done.returncode == 0, done.stderr
        if "h323://" in done.stderr or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert "inputs are not served in this version: h323://" in done.stderr
    for name in asks_in_vain():
        assert f"spec.{name} has no effect in this version" in done.stderr
    item["spec"] = {"inputs": [{"url": "fake://fake"}], "hls_scte35": False, "mpegts_ac3": "keep"}
    assert "no effect" not in api.run("create", "--dry-run=server", "-f", "-", data=item).stderr
    item["spec"] = {"inputs": [{"url": "rtsp://user:secret@cam:554/1"}, {"url": "rtsp://cam:5/@a"}]}
    warned = api.run("create", "--dry-run=server", "-f", "-", data=item).stderr
    assert "name a Secret by credentialsSecretRef" in warned
    assert "secret@" not in warned
    item["spec"] = {"inputs": [{"url": "rtsp://cam:554/1", "credentialsSecretRef": {"name": "c"}}]}
    assert "Secret" not in api.run("create", "--dry-run=server", "-f", "-", data=item).stderr
    pool = {"config": dict.fromkeys(GLOBALS[:1], "/x")}
    item |= {"kind": "Streamer", "spec": pool}
    warned = api.run("create", "--dry-run=server", "-f", "-", data=item).stderr
    assert f"spec.config.{GLOBALS[0]} has no effect" in warned


def asks_in_vain() -> dict[str, Any]:
    """Options that have no effect, with a value that asks for something."""
    known = {"mpegts_ac3": "system_a", "pushes": [{"url": "rtmp://h/a"}], "logo": "/l"}
    return {name: value for name, value in known.items() if name in STREAM_CHECKS}
