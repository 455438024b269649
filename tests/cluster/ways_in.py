"""Controllers of others behind which viewers come: cert-manager, Envoy Gateway and Traefik.

Role: `ways_in` installs them in the cluster (`ways_in.yaml`, definitions from their modules),
`apply_sample` a sample of ours; `Visitor` and `run_as_visitor` are clients for whom the names of
the samples are the address of a controller, with certificates checked.
Invariants: only programs that were built before (`local_cluster build-ways-in`) are used; all but
the definitions is removed at the end.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.cookies
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from appliance import Installation
from local_cluster import (
    Cluster,
    ClusterError,
    LocalCluster,
    NotSupported,
    binaries,
    envoy,
    wait_until,
)

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
MANIFEST = Path(__file__).with_suffix(".yaml")
IMAGE = "localhost/media-cluster-test/ways-in:test"
PLATFORM = ("cert-manager", "ways-in")
CLUSTER_WIDE = (
    "validatingwebhookconfiguration/cert-manager-webhook",
    "mutatingwebhookconfiguration/cert-manager-webhook",
    "clusterrolebinding/test-ways-in",
    "ingressclass/traefik",
    "gatewayclass/eg",
)
LIVE, CENTRAL = "live.example", "central.example"
ISSUERS = """
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: self}
spec: {selfSigned: {}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: root, namespace: cert-manager}
spec:
  isCA: true
  commonName: A test's authority
  secretName: root
  privateKey: {algorithm: ECDSA}
  issuerRef: {name: self, kind: ClusterIssuer}
---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: letsencrypt}
spec: {ca: {secretName: root}}
"""
"""In place of the authority on the internet that the samples name."""
START_TIMEOUT_S = 180.0
ISSUED_TIMEOUT_S = 90.0
REQUEST_TIMEOUT_S = 20.0


def need_programs(cluster: Cluster) -> LocalCluster:
    """The local cluster, with the programs there; NotSupported says what is missing."""
    if not isinstance(cluster, LocalCluster):
        raise NotSupported("its controllers are installed in the local cluster only")
    absent = [module.folder for module in binaries.missing(cluster.layout, binaries.WAYS_IN)]
    if not envoy.program(cluster.layout).exists():
        absent.append("envoy")
    if absent:
        raise NotSupported(
            f"not built: {', '.join(absent)} (cd tests/cluster && python3 -m local_cluster"
            " build-ways-in)"
        )
    return cluster


@contextlib.contextmanager
def ways_in(cluster: LocalCluster, folder: Path) -> Iterator[Path]:
    """The controllers run; the file of the authority that signs the certificates of names."""
    _build_image(cluster, folder)
    define = ["apply", "--server-side", "--force-conflicts", "-f", _definitions(folder)]
    cluster.kubectl(*define, timeout=START_TIMEOUT_S)
    cluster.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=60s")
    try:
        cluster.kubectl("apply", "-f", "-", input=MANIFEST.read_text().replace("IMAGE", IMAGE))
        for namespace in PLATFORM:
            told = ["wait", "deployment", "--all", "--for=condition=Available"]
            limit = f"--timeout={START_TIMEOUT_S:.0f}s"
            cluster.kubectl("-n", namespace, *told, limit, timeout=START_TIMEOUT_S + 10)
        _apply_once_taken(cluster, ISSUERS)
        yield _authority(cluster, folder)
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "--wait=false", *CLUSTER_WIDE)
        gone = ["delete", "namespace", *PLATFORM, "--ignore-not-found"]
        cluster.kubectl(*gone, "--timeout=90s", timeout=100)


def _build_image(cluster: LocalCluster, folder: Path) -> None:
    context = folder / "image"
    context.mkdir()
    programs = [name for module in binaries.WAYS_IN for name in module.programs]
    for name in programs:
        shutil.copy(cluster.layout.bin / name, context / name)
    shutil.copy(envoy.program(cluster.layout), context / "envoy")
    (context / "Dockerfile").write_text(
        "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"
        f"COPY {' '.join([*programs, 'envoy'])} /usr/local/bin/\n"
    )
    cluster.build_image(IMAGE, context / "Dockerfile", context)
    shutil.rmtree(context)


def _definitions(folder: Path) -> Path:
    """A folder with those of cert-manager, of the Gateway API and of Envoy Gateway."""
    made = folder / "definitions"
    made.mkdir()
    manager, gateway, _ = binaries.WAYS_IN
    envoy_gateway = binaries.source_of(gateway, "github.com/envoyproxy/gateway")
    for place in (
        binaries.source_of(manager, "github.com/cert-manager/cert-manager") / "deploy" / "crds",
        binaries.source_of(gateway, "sigs.k8s.io/gateway-api") / "config" / "crd" / "standard",
        envoy_gateway / "charts" / "gateway-crds-helm" / "templates" / "generated",
    ):
        for file in sorted(place.glob("*.yaml")):
            # Of charts: conditions and labels by which a release is known.
            lines = [line for line in file.read_text().splitlines() if "{{" not in line]
            bodies = [body for body in yaml.safe_load_all("\n".join(lines)) if body]
            kinds = {body["kind"] for body in bodies}
            if kinds == {"CustomResourceDefinition"}:
                (made / file.name).write_text(yaml.safe_dump_all(bodies))
    return made


def _apply_once_taken(cluster: LocalCluster, manifest: str) -> None:
    """Apply what a webhook judges, which is not reached for a moment after its start."""

    def is_taken() -> bool:
        try:
            cluster.kubectl("apply", "-f", "-", input=manifest)
        except ClusterError as error:
            if "webhook" not in str(error):
                raise
            return False
        return True

    wait_until(is_taken, "the webhook of cert-manager takes issuers", START_TIMEOUT_S, 1.0)


def wait_issued(cluster: Cluster, namespace: str, certificate: str) -> None:
    """Wait until there is a certificate, and it is signed."""
    inside = ("-n", namespace, "get", "certificate", certificate, "--ignore-not-found")

    def is_issued() -> bool:
        body = json.loads(cluster.kubectl(*inside, "-o", "json") or "{}")
        conditions = (body.get("status") or {}).get("conditions") or []
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    wait_until(
        is_issued,
        f"certificate {certificate} is issued",
        ISSUED_TIMEOUT_S,
        1.0,
        lambda: cluster.kubectl(*inside, "-o", "yaml"),
    )


def _authority(cluster: LocalCluster, folder: Path) -> Path:
    inside = ("-n", "cert-manager")
    wait_issued(cluster, "cert-manager", "root")
    shown = ["get", "secret", "root", "-o", "jsonpath={.data.tls\\.crt}"]
    made = folder / "authority.crt"
    made.write_bytes(base64.b64decode(cluster.kubectl(*inside, *shown)))
    return made


def apply_sample(installation: Installation, name: str, **pool: Any) -> list[dict[str, Any]]:
    """Apply a sample as it is, but for its namespace and what its pool has besides; its objects."""
    bodies = list(yaml.safe_load_all((SAMPLES / name).read_text()))
    for body in bodies:
        body["metadata"]["namespace"] = installation.namespace
        if body["kind"] == "Streamer":
            body["spec"] |= pool
    installation.apply(*bodies)
    return bodies


def remove_sample(installation: Installation, bodies: list[dict[str, Any]]) -> None:
    """Delete what `apply_sample` made."""
    listed = {"apiVersion": "v1", "kind": "List", "items": bodies}
    gone = ["delete", "--ignore-not-found", "--timeout=120s", "-f", "-"]
    installation.kubectl(*gone, input=json.dumps(listed), timeout=130)


@dataclass
class Visitor:
    """A browser: names lead to `address`, certificates are checked, cookies kept.

    Each request is a connection of its own.
    """

    address: str
    authority: Path
    cookies: dict[str, str] = field(default_factory=dict)

    def get(
        self, path: str, host: str = LIVE, authorization: str = ""
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body of a GET. OSError, of which one is a certificate not valid."""
        context = ssl.create_default_context(cafile=str(self.authority))
        plain = socket.create_connection((self.address, 443), REQUEST_TIMEOUT_S)
        connection = http.client.HTTPSConnection(host)
        with context.wrap_socket(plain, server_hostname=host) as connection.sock:
            headers = {"Authorization": authorization} if authorization else {}
            if self.cookies:
                pairs = (f"{name}={value}" for name, value in self.cookies.items())
                headers["Cookie"] = "; ".join(pairs)
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        for line in answer.headers.get_all("Set-Cookie") or ():
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        return answer.status, answer.headers, body


def run_as_visitor(
    command: list[str], address: str, folder: Path, timeout: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run a program for which the samples' names are `address`: in a mount namespace of its own."""
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{address} {LIVE} {CENTRAL}\n")
    script = 'mount --bind "$0" /etc/hosts && exec "$@"'
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(hosts), *command],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
