"""The samples of ways in with real controllers: TLS by cert-manager, an Ingress by Traefik, a
Gateway by Envoy Gateway. Viewers come by the URLs that the streams' status tells.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from appliance import Installation, fake_stream, fetch, resource
from local_cluster import Cluster, LocalCluster, wait_until
from ways_in import (
    CENTRAL,
    LIVE,
    PLATFORM,
    Visitor,
    apply_sample,
    need_programs,
    remove_sample,
    run_as_visitor,
    wait_issued,
    ways_in,
)

from tests.support.fault_viewers import edge

pytestmark = [pytest.mark.long, pytest.mark.timeout(500)]

STREAM, PUBLISHED = "shown", "brought"
CERTIFICATES = ("live-tls", "central-tls")
WAY_TIMEOUT_S = 120.0
BLOCKED_REQUESTS = 12
LOCAL_ADDRESS = "172.30.0.1"
"""From which this host comes to addresses of the cluster."""


@pytest.fixture(scope="module")
def programs(cluster: Cluster) -> LocalCluster:
    """The cluster, if the controllers were built."""
    return need_programs(cluster)


@pytest.fixture(scope="module")
def authority(programs: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The controllers are installed; the file of the authority of their certificates."""
    with ways_in(programs, tmp_path_factory.mktemp("ways-in")) as file:
        yield file


def service_address(cluster: Cluster, selector: str) -> str:
    """The cluster's address of a Service of the controllers; empty while there is none."""
    shown = ["get", "service", "-l", selector, "-o", "jsonpath={.items[*].spec.clusterIP}"]
    return cluster.kubectl("-n", PLATFORM[1], *shown).strip()


@contextlib.contextmanager
def sample(installation: Installation, name: str) -> Iterator[None]:
    """A sample's pool of two pods, with a stream on it and one that waits for its publisher."""
    bodies = apply_sample(installation, name, replicas=2, drainSeconds=3)
    try:
        published = {"inputs": [{"url": "publish://"}], "streamer": "public"}
        installation.apply(
            fake_stream(STREAM, streamer="public"), resource("Stream", PUBLISHED, published)
        )
        installation.wait_reason("streamer", "public", "PodsReady", timeout=120)
        installation.wait_reason("stream", STREAM, "Running", timeout=90)
        for certificate in CERTIFICATES:
            wait_issued(installation.cluster, installation.namespace, certificate)
        yield
    finally:
        installation.delete("stream", STREAM, PUBLISHED)
        remove_sample(installation, bodies)
        installation.kubectl("delete", "secret", *CERTIFICATES, "--ignore-not-found")


def urls(installation: Installation, stream: str = STREAM) -> dict[str, str]:
    """What the stream's status tells of how it is played."""
    return dict((installation.get("stream", stream).get("status") or {}).get("urls") or {})


def is_way_open(visitor: Visitor) -> bool:
    with contextlib.suppress(OSError):
        return visitor.get(f"/{STREAM}/index.m3u8")[0] == 200
    return False


def check_viewers(installation: Installation, visitor: Visitor, folder: Path) -> None:
    """HLS by a player that checks the certificate, LL-HLS over many connections, Central."""
    wait_until(
        lambda: is_way_open(visitor),
        "the way in is open",
        WAY_TIMEOUT_S,
        1.0,
        lambda: problems(installation, visitor),
    )
    hls = urls(installation)["hls"]
    assert hls == f"https://{LIVE}/{STREAM}/index.m3u8"
    tls = ["-tls_verify", "1", "-ca_file", str(visitor.authority)]
    assert pictures([*tls, "-i", hls], visitor.address, folder) >= 60
    # With an authority that it does not know it plays nothing.
    refused = [*tls[:2], "-i", hls]
    command = ["ffmpeg", "-v", "error", *refused, "-frames:v", "1", "-f", "null", "-"]
    assert run_as_visitor(command, visitor.address, folder).returncode != 0
    check_parts(visitor)
    check_counted_by_his_address(installation)
    check_central(installation, visitor)


def pictures(arguments: list[str], address: str, folder: Path) -> int:
    """Frames that ffmpeg decodes of three seconds; fails on any error it tells."""
    command = ["ffmpeg", "-v", "error", *arguments, "-t", "3"]
    done = run_as_visitor([*command, "-progress", "pipe:1", "-f", "null", "-"], address, folder)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return int(re.findall(r"frame=\s*(\d+)", done.stdout)[-1])


def check_parts(visitor: Visitor) -> None:
    """Each playlist is held back until the part is there, and each part it names is there: though
    the pool has two pods, of which each numbers its parts for itself."""
    status, _, body = visitor.get(f"/{STREAM}/index.ll.m3u8")
    assert status == 200, body
    variant = next(line for line in body.decode().splitlines() if line and line[0] != "#")
    url = urllib.parse.urljoin(f"/{STREAM}/index.ll.m3u8", variant)
    text = playlist(visitor, url)
    waited = 0.0
    for _ in range(BLOCKED_REQUESTS):
        number, part = edge(text)
        joint = "&" if "?" in url else "?"
        began = time.monotonic()
        text = playlist(visitor, f"{url}{joint}_HLS_msn={number}&_HLS_part={part}")
        waited += time.monotonic() - began
        assert edge(text) > (number, part), text
        uri = re.findall(r'#EXT-X-PART:.*URI="([^"]+)"', text)[-1]
        status, _, media = visitor.get(urllib.parse.urljoin(url, uri))
        assert (status, len(media) > 100) == (200, True), uri
    assert waited > 1.0, "the playlists came at once: nothing was waited for"


def playlist(visitor: Visitor, url: str) -> str:
    status, _, body = visitor.get(url)
    assert status == 200, (url, status, body)
    return body.decode()


def check_counted_by_his_address(installation: Installation) -> None:
    """The streamer counts the viewer, not the controller before it."""
    found: list[dict[str, Any]] = []
    for pod in installation.list("pods", "app.kubernetes.io/instance=public"):
        url = f"http://{pod['status']['podIP']}:8080/streamer/api/v3/sessions?name={STREAM}"
        answer = json.loads(fetch(url, authorization=installation.authorization()))
        found += answer["sessions"]
    # Others are of pods that take the stream from each other.
    viewers = {one["proto"]: one["ip"] for one in found if one["proto"] in ("hls", "llhls")}
    assert viewers == {"hls": LOCAL_ADDRESS, "llhls": LOCAL_ADDRESS}, found


def check_central(installation: Installation, visitor: Visitor) -> None:
    """People: the UI, the API, and its changes as they happen."""
    status, headers, body = visitor.get("/", CENTRAL)
    assert (status, headers.get_content_type()) == (200, "text/html"), body[:200]
    path = f"/streamer/api/v3/streams/{STREAM}"
    assert visitor.get(path, CENTRAL)[0] == 401
    status, _, body = visitor.get(path, CENTRAL, installation.authorization())
    assert (status, json.loads(body)["name"]) == (200, STREAM)


def problems(installation: Installation, visitor: Visitor) -> str:
    """What the ways in say of themselves."""
    told = []
    with contextlib.suppress(OSError):
        told.append(str(visitor.get(f"/{STREAM}/index.m3u8")))
    for kind in ("ingress", "gateway", "certificate"):
        with contextlib.suppress(Exception):
            told.append(installation.kubectl("get", kind, "-o", "yaml"))
    return "\n".join(told)[-6000:]


def test_ingress_by_traefik(authority: Path, installation: Installation, tmp_path: Path) -> None:
    with sample(installation, "ingress.yaml"):
        shown = ["get", "service", "traefik", "-o", "jsonpath={.spec.clusterIP}"]
        address = installation.cluster.kubectl("-n", PLATFORM[1], *shown)
        check_viewers(installation, Visitor(address, authority), tmp_path)
        assert set(urls(installation)) & {"rtmp", "rtsp", "srt"} == set()


def test_gateway_by_envoy(authority: Path, installation: Installation, tmp_path: Path) -> None:
    with sample(installation, "gateway.yaml"):
        selector = "gateway.envoyproxy.io/owning-gateway-name=media"
        wait_until(
            lambda: bool(service_address(installation.cluster, selector)), "the proxy's Service", 60
        )
        address = service_address(installation.cluster, selector)
        check_viewers(installation, Visitor(address, authority), tmp_path)
        check_routes(installation)
        told = urls(installation)
        assert told["rtmp"] == f"rtmp://{LIVE}/static/{STREAM}", told
        for name, options in (("rtmp", []), ("rtsp", ["-rtsp_transport", "tcp"]), ("srt", [])):
            assert pictures([*options, "-i", told[name]], address, tmp_path) >= 60, name
        check_publisher(installation, address, tmp_path)


def check_routes(installation: Installation) -> None:
    """Each route of the sample is accepted, and so is the policy."""
    for kind in ("httproute", "tcproute", "udproute", "backendtrafficpolicy"):
        for body in installation.list(kind):
            status = body["status"]
            parents = status.get("parents") or status["ancestors"]
            conditions = {one["type"]: one for parent in parents for one in parent["conditions"]}
            assert conditions["Accepted"]["status"] == "True", conditions
            if "ResolvedRefs" in conditions:
                assert conditions["ResolvedRefs"]["status"] == "True", conditions


def check_publisher(installation: Installation, address: str, folder: Path) -> None:
    """Who publishes by RTMP through the gateway is seen by viewers.

    He comes again until he is sent to the pod that has his stream, as encoders do.
    """
    source = ["-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25"]
    encoder = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25"]
    hosts = folder / "hosts"
    script = 'mount --bind "$0" /etc/hosts && until "$@"; do sleep 1; done'
    target = f"rtmp://{LIVE}/static/{PUBLISHED}"
    command = ["ffmpeg", "-v", "error", *source, *encoder, "-f", "flv", target]
    publisher = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script, str(hosts), *command],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        installation.wait_playing(f"{installation.media('public')}/{PUBLISHED}/index.m3u8", 60)
    finally:
        os.killpg(publisher.pid, signal.SIGKILL)
        publisher.wait(15)
