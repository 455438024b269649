"""An adapter of metrics for the autoscaler of Kubernetes: it asks Prometheus, as KEDA's does.

Role: `external_metrics` serves `external.metrics.k8s.io` (an APIService) with the answers of PromQL
queries; `prometheus` runs one that reads Central as `manifests/components/monitoring` says.
Invariant: the APIService goes before the server behind it, else no namespace can be deleted.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import ssl
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from appliance import Installation, fetch
from local_cluster import wait_until

from tests.support.ports import free_port

MONITORS = Path(__file__).parents[2] / "manifests" / "components" / "monitoring" / "monitors.yaml"
GROUP, VERSION = "external.metrics.k8s.io", "v1beta1"
ROOT = f"/apis/{GROUP}/{VERSION}"
SERVICE = "metrics-adapter"
SCRAPE_INTERVAL = "1s"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0


@contextlib.contextmanager
def prometheus(installation: Installation, folder: Path) -> Iterator[str]:
    """Base URL of a Prometheus that reads this Central, each second."""
    secret = installation.get("secret", "media-central")["data"]["api-key"]
    place = urllib.parse.urlsplit(installation.address("media-central")).netloc
    documents = yaml.safe_load_all(MONITORS.read_text())
    monitor = next(one for one in documents if one["metadata"]["name"] == "media-central")
    jobs = [
        {
            "job_name": endpoint["path"],
            "metrics_path": endpoint["path"],
            "params": endpoint["params"],
            "authorization": {"credentials": base64.b64decode(secret).decode()},
            "static_configs": [{"targets": [place]}],
        }
        for endpoint in monitor["spec"]["endpoints"]
    ]
    timing = {"scrape_interval": SCRAPE_INTERVAL, "scrape_timeout": SCRAPE_INTERVAL}
    config = folder / "prometheus.yml"
    config.write_text(json.dumps({"global": timing, "scrape_configs": jobs}))
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", *options, f"--web.listen-address={address}"], stdout=log, stderr=log
        )
    try:
        url = f"http://{address}"
        wait_until(lambda: _is_ready(url), "Prometheus is ready", START_TIMEOUT_S)
        yield url
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT_S)


def _is_ready(url: str) -> bool:
    with contextlib.suppress(OSError):
        return bool(fetch(f"{url}/-/ready"))
    return False


def value_of(prometheus_url: str, query: str) -> float | None:
    """Of a query that gives one series, as KEDA's trigger asks; None for none."""
    words = urllib.parse.urlencode({"query": query})
    answer = json.loads(fetch(f"{prometheus_url}/api/v1/query?{words}"))
    found = answer["data"]["result"]
    return float(found[0]["value"][1]) if found else None


@contextlib.contextmanager
def external_metrics(
    installation: Installation, folder: Path, prometheus_url: str, queries: Mapping[str, str]
) -> Iterator[None]:
    """The autoscaler finds the metrics of `queries`, each the answer of its PromQL."""
    certificate = _certificate(folder, f"{SERVICE}.{installation.namespace}.svc")
    address = installation.cluster.host_address

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urllib.parse.urlsplit(self.path).path.rstrip("/")
            name = path.rpartition("/")[2]
            body: Any = None
            if path == ROOT:
                body = _resources(queries)
            elif path.startswith(f"{ROOT}/namespaces/") and name in queries:
                body = _values(name, value_of(prometheus_url, queries[name]))
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", "application/json")
            text = json.dumps(body or {}).encode()
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer((address, 0), Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, folder / "adapter.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, name="adapter", daemon=True)
    thread.start()
    api = f"{VERSION}.{GROUP}"
    try:
        objects = _objects(installation.namespace, address, server.server_port, certificate)
        installation.apply(*objects)
        wait_until(
            lambda: _is_available(installation.get("apiservice", api)),
            f"{api} is available",
            START_TIMEOUT_S,
            0.5,
            lambda: json.dumps(installation.get("apiservice", api).get("status")),
        )
        yield
    finally:
        installation.delete("apiservice", api)
        server.shutdown()
        server.server_close()
        thread.join(STOP_TIMEOUT_S)


def _is_available(service: dict[str, Any]) -> bool:
    conditions = (service.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Available" and one["status"] == "True" for one in conditions)


def _certificate(folder: Path, name: str) -> Path:
    """Signed by itself, for the name by which the API server calls a Service."""
    made = folder / "adapter.crt"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subject = ["-subj", "/CN=adapter", "-addext", f"subjectAltName=DNS:{name}"]
    files = ["-keyout", os.fspath(folder / "adapter.key"), "-out", os.fspath(made)]
    subprocess.run(
        ["openssl", "req", "-x509", *curve, *subject, *files],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return made


def _objects(namespace: str, address: str, port: int, certificate: Path) -> list[dict[str, Any]]:
    """A Service that leads to this host, and the API behind it."""
    metadata = {"name": SERVICE, "labels": {"kubernetes.io/service-name": SERVICE}}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": SERVICE},
            "spec": {"ports": [{"name": "https", "port": 443, "targetPort": port}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{VERSION}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "version": VERSION,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "service": {"name": SERVICE, "namespace": namespace, "port": 443},
                "caBundle": base64.b64encode(certificate.read_bytes()).decode(),
            },
        },
    ]


def _resources(names: Mapping[str, str]) -> dict[str, Any]:
    kind = {"kind": "ExternalMetricValueList", "namespaced": True, "singularName": ""}
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{GROUP}/{VERSION}",
        "resources": [{"name": name, "verbs": ["get"], **kind} for name in names],
    }


def _values(name: str, value: float | None) -> dict[str, Any]:
    """None is no value at all: the autoscaler then leaves the number as it is."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    item = {"metricName": name, "metricLabels": {}, "timestamp": now}
    return {
        "kind": "ExternalMetricValueList",
        "apiVersion": f"{GROUP}/{VERSION}",
        "metadata": {},
        "items": [] if value is None else [{**item, "value": f"{round(value * 1000)}m"}],
    }
