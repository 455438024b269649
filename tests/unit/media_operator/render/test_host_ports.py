"""Ports of the node that lead to a pod: as the pod listens, and as its peers are told."""

from typing import Any

from media_operator.objects import TierObject
from media_operator.render.streamer import streamer_objects
from media_operator.settings import Settings


def objects(kind: str, **spec: Any) -> list[dict[str, Any]]:
    meta = {"name": "pool", "namespace": "ns", "uid": "u"}
    tier = TierObject.parse({"kind": "Streamer", "metadata": meta, "spec": spec})
    return [one for one in streamer_objects(tier, Settings()) if one["kind"] == kind]


def container(**spec: Any) -> dict[str, Any]:
    [body] = objects("StatefulSet", **spec)
    found: dict[str, Any] = body["spec"]["template"]["spec"]["containers"][0]
    return found


def test_a_pod_has_none_unless_asked() -> None:
    found = container()
    assert not [port for port in found["ports"] if "hostPort" in port]
    assert {port["name"] for port in found["ports"]} == {"http", "rtmp", "rtsp"}
    assert not {"STREAMER_SRT", "STREAMER_WEBRTC"} & {one["name"] for one in found["env"]}


def test_rtmp_rtsp_and_srt_have_the_ports_that_are_asked() -> None:
    found = container(hostPorts={"rtmp": 1936, "srt": 9000})
    ports = {port["name"]: port for port in found["ports"]}
    assert ports["rtmp"] == {"name": "rtmp", "containerPort": 1935, "hostPort": 1936}
    assert "hostPort" not in ports["rtsp"]
    srt = ports["srt"]
    assert (srt["hostPort"], srt["protocol"]) == (9000, "UDP")
    env = {one["name"]: one.get("value") for one in found["env"]}
    assert env["STREAMER_SRT"] == str(srt["containerPort"])


def test_workers_of_webrtc_have_the_same_ports_inside_and_outside() -> None:
    found = container(hostPorts={"webrtc": 10_000})
    opened = [port for port in found["ports"] if port["name"].startswith("webrtc")]
    assert {(p["protocol"], p["hostPort"]) for p in opened} == {
        (protocol, 10_000 + worker) for protocol in ("UDP", "TCP") for worker in range(8)
    }
    assert all(port["hostPort"] == port["containerPort"] for port in opened)
    assert all(len(port["name"]) <= 15 for port in found["ports"])
    env = {one["name"]: one for one in found["env"]}
    assert env["STREAMER_WEBRTC"]["value"] == "10000"
    field = env["STREAMER_WEBRTC_ADDRESSES"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert field == "status.hostIP"


def test_srt_by_the_service() -> None:
    found = container(service={"srt": 9000})
    (port,) = (one for one in found["ports"] if one["name"] == "srt")
    assert "hostPort" not in port
    assert port["protocol"] == "UDP"
    env = {entry["name"]: entry.get("value") for entry in found["env"]}
    assert env["STREAMER_SRT"] == str(port["containerPort"])
    for service in objects("Service", service={"srt": 9000}):
        (entry,) = (one for one in service["spec"]["ports"] if one["name"] == "srt")
        assert (entry["port"], entry["targetPort"]) == (9000, port["containerPort"])
        assert entry["protocol"] == "UDP"
        assert service["spec"].get("sessionAffinity") in ("ClientIP", None)
