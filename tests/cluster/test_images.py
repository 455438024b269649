"""Images: built from a Dockerfile, made by debootstrap, loaded into the nodes."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from appliance import fetch, plays
from local_cluster import Cluster, ClusterError, wait_until
from local_cluster.images import POSTGRES

from tests.support.ports import free_port

pytestmark = pytest.mark.long

PASSWORD = "not-a-secret"


def run_to_end(cluster: Cluster, namespace: str, name: str, image: str, **container: Any) -> str:
    """Run a container to its successful end in a pod; what it printed."""
    main = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", **container}
    spec = {"restartPolicy": "Never", "containers": [main]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    kubectl = ["-n", namespace]
    cluster.kubectl(*kubectl, "apply", "-f", "-", input=json.dumps(pod))
    path = "jsonpath={.status.phase}"
    ended = ("Succeeded", "Failed")
    wait_until(
        lambda: cluster.kubectl(*kubectl, "get", "pod", name, "-o", path) in ended, f"{name} ends"
    )
    printed = cluster.kubectl(*kubectl, "logs", name)
    assert cluster.kubectl(*kubectl, "get", "pod", name, "-o", path) == "Succeeded", printed
    return printed


def test_image_of_a_dockerfile_runs(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "said.txt").write_text("from the context\n")
    (tmp_path / "Dockerfile").write_text(
        "ARG BASE_IMAGE=python:3.12-slim-bookworm\n"
        "FROM ${BASE_IMAGE}\n"
        "ARG WORD\n"
        "RUN python3 -c \"print('$WORD')\" > /word.txt\n"
        "COPY said.txt /said.txt\n"
        "USER 1234\n"
        'CMD ["sh", "-c", "cat /word.txt /said.txt; id -u"]\n'
    )
    tag = "localhost/media-cluster-test:built"
    cluster.build_image(tag, tmp_path / "Dockerfile", tmp_path, {"WORD": "argument"})
    assert run_to_end(cluster, namespace, "built", tag) == "argument\nfrom the context\n1234\n"


@pytest.mark.usefixtures("local")
def test_failed_build_shows_the_failed_step(cluster: Cluster, tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo reason >&2; exit 3\n")
    with pytest.raises(ClusterError, match=r"(?s)reason.*returned a non-zero code: 3"):
        cluster.build_image("localhost/media-cluster-test:failed", dockerfile, tmp_path)


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("image", ["/etc/hostname", "no-such-image:1"])
def test_what_is_no_image_is_refused(cluster: Cluster, image: str) -> None:
    with pytest.raises(ClusterError, match=r"no image archive|no such image"):
        cluster.load_image(image)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["streamer", "central"])
def test_images_of_the_project_run_as_any_user(
    cluster: Cluster, namespace: str, images: dict[str, str], name: str
) -> None:
    printed = run_to_end(
        cluster,
        namespace,
        name,
        images[name],
        command=["python", "-c", f"import media_{name}, os; print(os.getuid())"],
        securityContext={
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    )
    assert printed == "10001\n"


def test_central_tells_the_ports_outside_of_its_container(
    cluster: Cluster, namespace: str, images: dict[str, str]
) -> None:
    """As `docker run -p OUTSIDE:INSIDE … -e PUBLIC_URL=… -e PUBLIC_PORTS=…`; the runtime maps."""
    cluster.need_addresses()
    address = next(iter(cluster.nodes.values()))
    outside = {name: free_port() for name in ("api", "http", "rtmp", "rtsp")}
    inside = {"api": 9019, "http": 8080, "rtmp": 1935, "rtsp": 8554}
    told = ",".join(f"{name}={outside[name]}" for name in ("rtmp", "rtsp"))
    variables = {
        "EDIT_AUTH": "admin secret",
        "PUBLIC_URL": f"http://{address}:{outside['http']}",
        "PUBLIC_PORTS": told,
    }
    container = {
        "name": "central",
        "image": images["central"],
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "ports": [
            {"name": name, "containerPort": port, "hostPort": outside[name]}
            for name, port in inside.items()
        ],
    }
    spec = {"nodeName": next(iter(cluster.nodes)), "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial"}, "spec": spec}
    cluster.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(pod))
    login = f"Basic {base64.b64encode(b'admin:secret').decode()}"
    api = f"http://{address}:{outside['api']}/streamer/api/v3"
    streams: list[dict[str, Any]] = []

    def runs() -> bool:
        with contextlib.suppress(OSError):
            streams[:] = json.loads(fetch(f"{api}/streams", 5.0, login))["streams"]
        return any(one["stats"].get("alive") for one in streams)

    def logs() -> str:
        return cluster.kubectl("-n", namespace, "logs", "trial", "--tail=30")

    wait_until(runs, "the demo stream runs", 120, 1.0, logs)
    urls = {one["form"]: one["url"] for one in streams[0]["stats"]["play_urls"]}
    name = streams[0]["name"]
    assert urls["rtmp"] == f"rtmp://{address}:{outside['rtmp']}/static/{name}", urls
    assert urls["rtsp"] == f"rtsp://{address}:{outside['rtsp']}/{name}", urls
    assert {url.split("/")[2] for form, url in urls.items() if url.startswith("http")} == {
        f"{address}:{outside['http']}"
    }
    for form in ("hls", "dash", "tshttp", "rtmp"):
        wait_until(partial(plays, urls[form]), f"{urls[form]} plays", 60, 0.5, logs)
    player = ["ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", urls["rtsp"]]
    subprocess.run([*player, "-frames:v", "1", "-f", "null", "-"], check=True, timeout=60)
    said = cluster.kubectl("-n", namespace, "logs", "trial")
    assert urls["rtmp"] in said, "the greeting names it, too"


def test_postgres_keeps_its_data(cluster: Cluster, namespace: str) -> None:
    cluster.load_image(POSTGRES)
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    cluster.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(claim))
    start_postgres(cluster, namespace)
    sql(cluster, namespace, "create table kept as select 42 as answer")
    cluster.kubectl("-n", namespace, "delete", "pod", "postgres", "--wait", timeout=60)
    start_postgres(cluster, namespace)
    assert sql(cluster, namespace, "select answer from kept") == "42\n"


def start_postgres(cluster: Cluster, namespace: str) -> None:
    environment = {"POSTGRES_USER": "central", "POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": "db"}
    spec = {
        "securityContext": {"runAsUser": 999, "runAsGroup": 999, "fsGroup": 999},
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "containers": [
            {
                "name": "main",
                "image": POSTGRES,
                "imagePullPolicy": "Never",
                "env": [
                    *({"name": name, "value": value} for name, value in environment.items()),
                    {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
                ],
                "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}],
                "readinessProbe": {
                    "exec": {"command": ["pg_isready", "-h", "127.0.0.1", "-U", "central"]},
                    "periodSeconds": 1,
                },
            }
        ],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "postgres"}, "spec": spec}
    cluster.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(pod))
    ready = ["wait", "--for=condition=Ready", "--timeout=90s", "pod/postgres"]
    cluster.kubectl("-n", namespace, *ready, timeout=100)


def sql(cluster: Cluster, namespace: str, statement: str) -> str:
    """Run SQL over TCP, so that the password is checked; the rows, unaligned."""
    url = f"postgresql://central:{PASSWORD}@127.0.0.1/db"
    client = ["exec", "postgres", "--", "psql", "-v", "ON_ERROR_STOP=1", "-Atqc", statement, url]
    return cluster.kubectl("-n", namespace, *client)
