"""Where viewers reach a pool: every address that is told has something of ours behind it."""

from dataclasses import replace
from typing import Any

import pytest
from media_operator.objects import PodObject, Snapshot, TierObject
from media_operator.planner.reach import Reach, reach

PORTS = [
    {"name": "http", "port": 80},
    {"name": "rtmp", "port": 1935},
    {"name": "rtsp", "port": 554},
]
NODE_PORTS = [{**port, "nodePort": 30_000 + port["port"] % 100} for port in PORTS]


def tier(kind: str = "Streamer", **spec: Any) -> TierObject:
    meta = {"name": "pool", "namespace": "ns", "uid": "u"}
    return TierObject.parse({"kind": kind, "metadata": meta, "spec": spec})


def pod_of(kind: str = "streamer", host_port: int | None = None, **others: int) -> PodObject:
    """A ready pod of the pool."""
    labels = {"app.kubernetes.io/instance": "pool", "app.kubernetes.io/component": kind}
    http = {"name": "http", "containerPort": 8080, "hostPort": host_port}
    ports = [{"name": name, "containerPort": 1, "hostPort": at} for name, at in others.items()]
    body = {
        "metadata": {"name": f"{kind}-pool-0", "namespace": "ns", "labels": labels},
        "spec": {"containers": [{"ports": [http, *ports]}]},
        "status": {
            "hostIP": "192.0.2.1",
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    return PodObject.parse(body)


def snapshot(service: dict[str, Any], pod: PodObject, kind: str = "streamer") -> Snapshot:
    """With the Service of the pool and its pod."""
    children = {("Service", "ns", f"{kind}-pool"): service}
    return Snapshot(pods={pod.key: pod}, children=children)


@pytest.mark.parametrize(
    ("spec", "service", "expected"),
    [
        (
            {},
            {"spec": {"ports": PORTS}},
            Reach("http://streamer-pool.ns.svc", {"rtmp": 1935, "rtsp": 554}),
        ),
        (
            {"service": {"srt": 9000}},
            {"spec": {"ports": [*PORTS, {"name": "srt", "port": 9000}]}},
            Reach("http://streamer-pool.ns.svc", {"rtmp": 1935, "rtsp": 554, "srt": 9000}),
        ),
        (
            {"service": {"srt": 9000, "type": "NodePort"}},
            {"spec": {"ports": [*NODE_PORTS, {"name": "srt", "port": 9000, "nodePort": 30_099}]}},
            Reach("http://192.0.2.1:30080", {"rtmp": 30035, "rtsp": 30054, "srt": 30_099}),
        ),
        ({"hostPort": 8080}, {}, Reach("http://192.0.2.1:8080")),
        ({"publicUrl": "https://live.example"}, {}, Reach("https://live.example")),
        (
            {},
            {"spec": {"ports": NODE_PORTS}},
            Reach("http://192.0.2.1:30080", {"rtmp": 30035, "rtsp": 30054}),
        ),
        (
            {},
            {
                "spec": {"ports": NODE_PORTS},
                "status": {"loadBalancer": {"ingress": [{"ip": "2001:db8::1"}]}},
            },
            Reach("http://[2001:db8::1]", {"rtmp": 1935, "rtsp": 554}),
        ),
    ],
)
def test_a_pool(spec: dict[str, Any], service: dict[str, Any], expected: Reach) -> None:
    pod = pod_of(host_port=spec.get("hostPort"))
    assert reach(tier(**spec), pod, snapshot(service, pod)) == expected


def test_ports_of_the_node_beside_http() -> None:
    pod = pod_of(host_port=80, rtmp=1936, srt=9000, admin=81)
    found = reach(tier(), pod, snapshot({}, pod))
    assert found == Reach("http://192.0.2.1:80", {"rtmp": 1936, "srt": 9000})
    pod = pod_of(rtmp=1936)
    assert reach(tier(), pod, snapshot({}, pod)).http_url.endswith(".svc"), "another host"
    public = tier(publicUrl="https://live.example", publicPorts={"rtmp": 1935})
    assert reach(public, pod, snapshot({}, pod)) == Reach("https://live.example", {"rtmp": 1935})


def test_a_port_of_the_nodes_is_not_told_before_a_pod_answers_there() -> None:
    pod = replace(pod_of(), ready=False)
    found = reach(tier(), pod, snapshot({"spec": {"ports": NODE_PORTS}}, pod))
    assert not found.is_known
    assert reach(tier(), pod, snapshot({"spec": {"ports": PORTS}}, pod)).is_known


def test_the_port_of_a_node_is_that_of_one_whose_pod_answers() -> None:
    pods = [
        replace(pod_of(), name=f"streamer-pool-{n}", host_ip=f"192.0.2.{n}", address=f"10.0.0.{n}")
        for n in (1, 2)
    ]
    known = replace(
        snapshot({"spec": {"ports": NODE_PORTS}}, pods[0]), pods={pod.key: pod for pod in pods}
    )

    def told(*silent: str) -> str:
        pool = replace(tier(), status={"silentAddresses": list(silent)})
        return reach(pool, pods[0], known).http_url

    assert told() == "http://192.0.2.1:30080"
    assert told("10.0.0.1") == "http://192.0.2.2:30080"
    assert told("10.0.0.1", "10.0.0.2") == "http://192.0.2.1:30080"


def test_a_pod_from_before_the_edit_has_the_old_port() -> None:
    pod = pod_of(host_port=80)
    assert reach(tier(hostPort=8080), pod, snapshot({}, pod)) == Reach("http://192.0.2.1:80")
    pod = pod_of()
    assert reach(tier(hostPort=8080), pod, snapshot({}, pod)).http_url.endswith(".svc")


def test_a_cache_has_no_rtmp() -> None:
    pod = pod_of("cache")
    service = {"spec": {"ports": PORTS[:1]}}
    found = reach(tier("Cache"), pod, snapshot(service, pod, "cache"))
    assert found == Reach("http://cache-pool.ns.svc")
