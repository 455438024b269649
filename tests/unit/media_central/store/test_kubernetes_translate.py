"""Documents of the API to custom resources and back."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_central.store.kubernetes import translate

DOCUMENTS = st.fixed_dictionaries(
    {"name": st.from_regex(r"[a-zA-Z0-9_.-]{1,20}(/[a-zA-Z0-9_.-]{1,20})?", fullmatch=True)},
    optional={
        "title": st.text(max_size=10),
        "inputs": st.just([{"url": "fake://fake"}]),
        "preferred_streamer": st.just("pool"),
        "streamer_selector": st.just({"zone": "a"}),
        "gpu": st.booleans(),
        "claims": st.just({"bitrate": 2000}),
    },
)


@given(DOCUMENTS)
def test_a_document_survives_the_way_to_a_resource_and_back(document: dict[str, Any]) -> None:
    name = translate.object_name(document["name"])
    body = {"metadata": {"name": name}, "spec": translate.to_spec(document, name)}
    assert translate.to_document(body) == document


@given(st.text(min_size=1, max_size=255))
def test_object_names_are_dns_labels(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", translate.object_name(name))


def test_object_names_tell_similar_streams_apart() -> None:
    names = ["a/b", "a-b", "A/b", "a_b", "a.b"]
    assert len({translate.object_name(name) for name in names}) == len(names)


def test_further_object_names_differ() -> None:
    names = {translate.object_name("a", attempt) for attempt in range(3)}
    assert len(names) == 3
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in names)


def test_layout_comes_from_the_status() -> None:
    body = {
        "metadata": {
            "name": "s",
            "namespace": "ns",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"inputs": [{"url": "fake://fake"}]},
        "status": {
            "streamer": "streamer-default-0",
            "conditions": [
                {
                    "type": "Scheduled",
                    "status": "True",
                    "reason": "Placed",
                    "lastTransitionTime": "2026-01-01T00:00:01Z",
                }
            ],
        },
    }
    record = translate.stream_record(body)
    assert record.layout == {
        "originator": "layouter",
        "created_at": 1767225601000,
        "ingest": "streamer-default-0",
    }
    assert record.version == 7


@pytest.mark.parametrize(
    ("members", "url", "ports"),
    [
        ([], "http://streamer-pool.ns.svc", {}),
        ([{"name": "other", "publicUrl": "http://o"}], "http://streamer-pool.ns.svc", {}),
        ([{"name": "streamer-pool-0", "publicUrl": "http://192.0.2.1:8080"}],
         "http://192.0.2.1:8080", {}),
        ([{"name": "streamer-pool-0", "publicUrl": "http://192.0.2.1:30080",
           "ports": {"rtmp": 30035}}],
         "http://192.0.2.1:30080", {"rtmp": 30035}),
    ],
)  # fmt: skip
def test_where_viewers_reach_a_pod_is_what_the_operator_says(
    members: list[dict[str, Any]], url: str, ports: dict[str, int]
) -> None:
    pod = {
        "metadata": {
            "name": "streamer-pool-0",
            "namespace": "ns",
            "resourceVersion": "5",
            "labels": {"app.kubernetes.io/instance": "pool"},
        },
        "status": {"podIP": "10.0.0.5", "hostIP": "192.0.2.1", "phase": "Running"},
    }
    pool = {
        "metadata": {"name": "pool", "resourceVersion": "9"},
        "spec": {},
        "status": {"members": members},
    }
    record = translate.pod_record(pod, pool, "key", "streamer-pool-0.ns")
    assert translate.is_told(pod, pool) == (not url.endswith(".svc"))
    assert record is not None
    assert record.key == record.config["hostname"] == "streamer-pool-0.ns"
    assert record.config["public_payload_url"] == url
    assert record.config["public_ports"] == ports
    assert record.config["api_url"] == "http://10.0.0.5:8080"
    assert record.version == 9


def test_a_pod_without_an_address_is_no_streamer_yet() -> None:
    pod = {"metadata": {"name": "p", "namespace": "ns", "resourceVersion": "1"}, "status": {}}
    assert translate.pod_record(pod, {}, "", "p") is None
