"""Custom resources: from objects to configurations and back, names, conditions."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_api.resources import (
    CacheResource,
    StreamerResource,
    StreamResource,
    object_name,
)
from pydantic import ValidationError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_stream_to_configuration() -> None:
    stream = StreamResource.parse(
        {
            "metadata": {"name": "cam-lobby", "generation": 3, "resourceVersion": "7"},
            "spec": {
                "name": "cam/Lobby",
                "inputs": [{"url": "rtsp://cam/1"}],
                "segment_duration": 2000,
                "preferredStreamer": "pool",
                "streamerSelector": {"matchLabels": {"zone": "eu"}},
                "claims": {"bitrate": 4000},
                "edgeCache": "edge",
            },
        }
    )
    assert stream.metadata.resource_version == "7"
    assert stream.spec.preferred_streamer == "pool"
    assert [one.url for one in stream.spec.inputs or ()] == ["rtsp://cam/1"]
    assert stream.spec.segment_duration == 2000
    assert stream.stream_name == "cam/Lobby"


def test_name_is_that_of_the_object_unless_given() -> None:
    stream = StreamResource.parse({"metadata": {"name": "clock"}, "spec": {}})
    assert stream.stream_name == "clock"


@pytest.mark.parametrize(
    ("spec", "needs"),
    [
        ({}, False),
        ({"gpuRequired": True}, True),
        ({"transcoder": {"global": {"hw": "nvenc"}}}, True),
        ({"transcoder": {"global": {"hw": "nvenc"}}, "gpuRequired": False}, False),
        ({"transcoder": {"global": {"hw": "cpu"}}}, False),
    ],
)
def test_needs_gpu(spec: dict[str, object], needs: bool) -> None:
    assert StreamResource.parse({"spec": spec}).spec.needs_gpu is needs


def test_bad_stream_is_refused() -> None:
    with pytest.raises(ValidationError, match="input scheme"):
        StreamResource.parse({"spec": {"inputs": [{"url": "gopher://x"}]}})


def test_streamer_of_the_vendor() -> None:
    spec = {
        "image": "flussonic/flussonic",
        "hostPort": 80,
        "adminHostPort": 81,
        "nodeName": "n1",
        "publicUrl": "https://s1",
        "nvidiaGpuCount": 2,
        "logLevel": "warn",
        "clusterKey": {"secretKeyRef": {"name": "s", "key": "k"}},
        "configExtra": {"a.conf": "vod v { storage /v; }"},
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "volumes": [
            {"name": "v", "mountPath": "/v", "hostPath": {"path": "/v", "type": "Directory"}},
            {"name": "w", "mountPath": "/w", "iscsi": {"lun": 1}},
        ],
        "licenseKey": {"secretKeyRef": {"name": "l", "key": "k"}},
    }
    streamer = StreamerResource.parse({"spec": spec})
    assert streamer.explicit()["spec"] == spec
    assert streamer.spec.gpu_count == 2
    assert not streamer.spec.is_external
    assert streamer.spec.drain_seconds == 60


def test_globals_and_cache() -> None:
    streamer = StreamerResource.parse(
        {"spec": {"config": {"listeners": {"http": [80]}, "total_bandwidth": "10G"}}}
    )
    assert streamer.spec.config is not None
    assert streamer.spec.config.total_bandwidth == 10**10
    cache = CacheResource.parse({"spec": {"cache": {"misses": 2, "expiration": "2d"}}})
    assert cache.spec.cache.expiration == 172_800
    assert cache.spec.cache.path == "/var/cache/media"


@pytest.mark.parametrize(
    ("real", "expected"),
    [("clock", "clock"), ("a-1", "a-1"), ("cam/1", "cam-1-"), ("Ж", "stream-")],
)
def test_object_name(real: str, expected: str) -> None:
    name = object_name(real)
    assert name == expected or (expected.endswith("-") and name.startswith(expected))


@given(st.text(min_size=1, max_size=300))
def test_object_name_is_a_dns_label_and_stable(real: str) -> None:
    name = object_name(real)
    assert 0 < len(name) <= 63
    assert name.strip("-") == name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert object_name(name) == name
