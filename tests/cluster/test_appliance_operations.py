"""What people do to a running installation: Secrets, other managers, other namespaces, upgrades."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from appliance import Installation, fake_stream, fetch, resource
from local_cluster import ClusterError, wait_until
from viewers import SegmentViewer, watched

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

GAP_S = 6.0
"""Of a viewer's segments of a second, when nothing is wrong."""
SECRET_S = 75.0
"""A Secret is read again each 30 s."""
DEFINITIONS = Path(__file__).parents[2] / "crds"
RBAC = "rbac.authorization.k8s.io"


def set_secret(installation: Installation, name: str, url: str) -> None:
    """The whole URL of an input."""
    data = {"url": base64.b64encode(url.encode()).decode()}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
    installation.apply(body)


def may_read(installation: Installation, name: str) -> None:
    """Give Central the one right of manifests/samples/camera.yaml."""
    rules = [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [name]}]
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": name}}
    binding = {**role, "kind": "RoleBinding"}
    subject = {"kind": "ServiceAccount", "name": "media-central"}
    installation.apply(
        {**role, "rules": [{**rule, "verbs": ["get"]} for rule in rules]},
        {
            **binding,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            "subjects": [{**subject, "namespace": installation.namespace}],
        },
    )


def condition(installation: Installation, stream: str, type_: str) -> dict[str, Any]:
    """One of Central, which sees no generations."""
    status = installation.get("stream", stream).get("status") or {}
    return next((c for c in status.get("conditions") or [] if c["type"] == type_), {})


def pod_identities(installation: Installation) -> dict[str, tuple[str, int]]:
    """Streamer pod -> its identity and how often its container was started again."""
    return {
        body["metadata"]["name"]: (
            body["metadata"]["uid"],
            body["status"]["containerStatuses"][0]["restartCount"],
        )
        for body in installation.list("pods", "app.kubernetes.io/component=streamer")
    }


def default_pool(installation: Installation) -> str:
    """Base URL of its media. It is made where another test of this module has deleted its own pool:
    the operator makes one for the first Stream of a namespace only."""
    installation.apply(resource("Streamer", "default", {}))
    installation.wait_reason("streamer", "default", "PodsReady", timeout=120)
    return installation.media()


def test_secret_made_rotated_and_kept_over_a_restart_of_central(installation: Installation) -> None:
    camera = {"url": "tshttp://camera.invalid/1", "credentialsSecretRef": {"name": "camera"}}
    installation.apply(
        fake_stream("first", segment_duration=1000),
        fake_stream("second", segment_duration=1000),
        fake_stream("behind", inputs=[camera], segment_duration=1000),
    )
    installation.wait_reason("stream", "first", "Running")
    base = installation.media()

    def told(reason: str) -> bool:
        return condition(installation, "behind", "CredentialsResolved").get("reason") == reason

    wait_until(lambda: told("SecretForbidden"), "the missing right is told", SECRET_S)
    print(condition(installation, "behind", "CredentialsResolved")["message"])
    may_read(installation, "camera")
    wait_until(lambda: told("SecretNotFound"), "the missing Secret is told", SECRET_S)
    missing = condition(installation, "behind", "InputActive")
    assert missing["reason"] == "CredentialsMissing", missing
    before = pod_identities(installation)
    local = "tshttp://localhost:8080"
    began = time.monotonic()
    set_secret(installation, "camera", f"{local}/first/mpegts")
    installation.wait_playing(f"{base}/behind/index.m3u8")
    print(f"it plays {time.monotonic() - began:.1f} s after its Secret was made")
    with SegmentViewer(f"{base}/first/index.m3u8") as other:
        began = time.monotonic()
        set_secret(installation, "camera", f"{local}/second/mpegts")

        def rotated() -> bool:
            """As the pod says; Central tells nobody what a Secret says."""
            url = f"{base}/streamer/api/v3/streams/behind"
            answer = json.loads(fetch(url, authorization=installation.authorization()))
            return "/second/" in str((answer.get("stats") or {}).get("url"))

        wait_until(rotated, "the other source is in use", SECRET_S, 0.5)
        print(f"the rotated Secret is in use after {time.monotonic() - began:.1f} s")
        told_by_central = json.dumps(installation.call("GET", "streams/behind"))
        assert "localhost:8080" not in told_by_central
        assert other.failed == []
        assert other.longest_gap < GAP_S
    assert pod_identities(installation) == before, "no pod was started anew"
    # Who begins anew has read no Secret yet: streamers must not be told less for that.
    installation.wait_playing(f"{base}/behind/index.m3u8")
    with SegmentViewer(f"{base}/behind/index.m3u8") as viewer:
        wait_until(lambda: viewer.segments > 2, "the viewer watches", 30)
        installation.kill("central")
        installation.wait_ready("central")
        seen = viewer.segments
        wait_until(lambda: viewer.segments > seen + 10, "it goes on", 60)
        assert viewer.failed == []
        assert viewer.longest_gap < GAP_S
    text = installation.kubectl("get", "streams", "-o", "yaml")
    assert "localhost:8080/second" not in text, "what the Secret says is in no resource"
    installation.delete("stream", "first", "second", "behind")


def test_two_centrals_write_once_and_say_the_same(installation: Installation) -> None:
    installation.kubectl("scale", "deployment", "media-central", "--replicas=2")
    try:
        wait_until(lambda: len(installation.pods("central")) == 2, "two Centrals", 60)
        installation.wait_ready("central")
        names = [f"pair-{number}" for number in range(8)]
        refused: list[Any] = []

        def put(name: str, title: str) -> None:
            body = {"inputs": [{"url": "fake://fake"}], "title": title, "static": False}
            status, answer = installation.wait_call("PUT", f"streams/{name}", body)
            if status != 200:
                refused.append(answer)

        threads = [
            threading.Thread(target=put, args=(name, f"{title} of {name}"))
            for name in names
            for title in ("one", "other")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert refused == []
        for name in names:
            installation.wait_reason("stream", name, "Running")
        time.sleep(5)  # a round of all writers
        before = {name: installation.get("stream", name) for name in names}
        assert all(one["spec"]["title"].endswith(name) for name, one in before.items())
        time.sleep(20)  # two that differ would write in turns
        for name, one in before.items():
            now = installation.get("stream", name)
            version = now["metadata"]["resourceVersion"]
            assert version == one["metadata"]["resourceVersion"], (one["status"], now["status"])
        for name in names:
            assert installation.call("DELETE", f"streams/{name}")[0] == 204
    finally:
        installation.kubectl("scale", "deployment", "media-central", "--replicas=1")
        wait_until(lambda: len(installation.pods("central")) == 1, "one Central", 60)


def test_other_manager_is_told_the_conflict_and_loses_nothing(installation: Installation) -> None:
    body = {"inputs": [{"url": "fake://fake"}], "title": "By REST", "comment": "kept"}
    assert installation.wait_call("PUT", "streams/shared", body)[0] == 200
    with pytest.raises(ClusterError, match=r'conflict with "central".*\.spec\.title'):
        installation.apply(resource("Stream", "shared", {"title": "Git's"}), manager="argocd")
    spec = installation.get("stream", "shared")["spec"]
    assert (spec["title"], spec["comment"]) == ("By REST", "kept")
    installation.apply(resource("Stream", "shared", {"segment_count": 5}), manager="argocd")
    spec = installation.get("stream", "shared")["spec"]
    assert (spec["title"], spec["comment"], spec["segment_count"]) == ("By REST", "kept", 5)
    installation.delete("stream", "shared")


def test_host_port_is_told_when_it_is_served(installation: Installation) -> None:
    installation.cluster.need_addresses()
    pool = resource("Streamer", "early", {"hostPort": 18090, "drainSeconds": 0})
    installation.apply(pool, fake_stream("early", streamer="early"))

    def url() -> str:
        status = installation.get("stream", "early").get("status") or {}
        return str((status.get("urls") or {}).get("hls", ""))

    wait_until(lambda: bool(url()), "a URL is told", 90, 0.1)
    assert b"#EXTM3U" in fetch(url(), 15.0), "the first request after it was told is answered"
    installation.delete("stream", "early")
    installation.delete("streamer", "early")


def test_description_says_why_it_does_not_play(installation: Installation) -> None:
    default_pool(installation)
    dead = [{"url": "tshttp://127.0.0.1:9/none"}]
    secret = {"credentialsSecretRef": {"name": "not-there"}}
    locked = [{"url": "tshttp://camera.invalid/1", **secret}]
    installation.apply(
        fake_stream("dead", inputs=dead),
        fake_stream("nowhere", streamer="not-there"),
        fake_stream("odd", template="nope"),
        fake_stream("off", disabled=True),
        fake_stream("locked", inputs=locked),
        fake_stream("empty", inputs=[]),
    )
    installation.wait_reason("stream", "dead", "Running")
    wanted = {
        "dead": ["NoFrames", "refused", "Running", "streamer-default-0"],
        "nowhere": ["NoStreamerAvailable", "there is no Streamer 'not-there'"],
        "odd": ["TemplateNotFound", "Stalled", "spec.config.templates"],
        "off": ["Disabled", "as its spec asks"],
        "locked": ["CredentialsMissing", "may not read the Secret not-there"],
        "empty": ["NoInput"],
    }
    for name, words in wanted.items():
        texts: list[str] = []

        def described(name: str = name, words: list[str] = words, texts: list[str] = texts) -> bool:
            texts[:] = [installation.kubectl("describe", "stream", name)]
            return all(word in texts[0] for word in words)

        wait_until(described, f"{words} in the description", 60, 0.5, lambda t=texts: t[0])
        print(texts[0][texts[0].index("Status:") :])
    installation.delete("stream", *wanted)


def test_namespace_without_an_operator_says_so(installation: Installation) -> None:
    name = f"test-{secrets.token_hex(4)}"
    cluster = installation.cluster
    cluster.kubectl("create", "namespace", name)
    try:
        command = ["kubectl", f"--kubeconfig={cluster.kubeconfig}", "-n", name, "apply", "-f", "-"]
        done = subprocess.run(
            command,
            input=json.dumps(fake_stream("alone")),
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        print(done.stderr)
        assert f"no operator looks at the namespace {name}" in done.stderr
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


def test_database_that_restarts_under_load_loses_no_change(installation: Installation) -> None:
    ended = threading.Event()
    answers: list[tuple[int, int]] = []

    def write() -> None:
        number = 0
        while not ended.is_set():
            body = {"inputs": [{"url": "fake://fake"}], "static": False, "title": f"no {number}"}
            status, _ = installation.wait_call("PUT", "streams/busy", body)
            answers.append((status, number))
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        wait_until(lambda: len(answers) > 20, "it is written", 60)
        installation.kill("postgresql")
        installation.wait_ready("postgresql")
        seen = len(answers)
        wait_until(lambda: len(answers) > seen + 20, "it is written on", 60)
    finally:
        ended.set()
        thread.join(30)
    print(f"{len(answers)} changes, answers {sorted({status for status, _ in answers})}")
    assert {status for status, _ in answers} == {200}
    assert installation.get("stream", "busy")["spec"]["title"] == f"no {answers[-1][1]}"

    def audited() -> list[Any]:
        status, answer = installation.wait_call("GET", "audit?limit=1000")
        return answer if status == 200 else []

    print(str(audited())[:300])
    installation.delete("stream", "busy")


@pytest.fixture
def former_definitions(tmp_path: Path) -> Path:
    """The definitions of the last commit that had others."""
    git = ["git", "-C", str(DEFINITIONS.parent)]
    commits = subprocess.run(
        [*git, "log", "-n", "40", "--format=%H", "--", "crds/streams.yaml"],
        capture_output=True, text=True, timeout=30, check=False,
    ).stdout.split()  # fmt: skip
    if not commits:
        pytest.skip("no history of the definitions here")
    for name in ("streams.yaml", "streamers.yaml", "caches.yaml"):
        text = subprocess.run(
            [*git, "show", f"{commits[-1]}:crds/{name}"],
            capture_output=True, text=True, timeout=30, check=True,
        ).stdout  # fmt: skip
        (tmp_path / name).write_text(text)
    return tmp_path


def test_definitions_are_upgraded_under_stored_objects(
    installation: Installation, former_definitions: Path
) -> None:
    cluster = installation.cluster
    apply = ("apply", "--server-side", "--force-conflicts")
    base = default_pool(installation)
    installation.apply(fake_stream("stored", segment_duration=1000, title="Stored"))
    installation.wait_playing(f"{base}/stored/index.m3u8")
    with watched(base, ["stored"]) as audience:
        try:
            for name in ("streams.yaml", "streamers.yaml", "caches.yaml"):
                cluster.kubectl(*apply, "-f", former_definitions / name)
            installation.apply(fake_stream("older", title="Older"))
            installation.wait_reason("stream", "older", "Running")
        finally:
            cluster.kubectl(*apply, "-k", DEFINITIONS)
        installation.patch("stream", "older", {"title": "Newer"})
        installation.patch("stream", "stored", {"comment": "after"})
        installation.wait_reason("stream", "older", "Running")
        assert installation.get("stream", "stored")["spec"]["title"] == "Stored"
        audience.wait_for_more()
        figures = audience.figures()
    print(f"viewers: {figures}")
    assert figures["failed"] == []
    assert figures["rtmp_reconnects"] == 0
    installation.delete("stream", "stored", "older")


def test_namespace_is_deleted_while_streams_play(installation: Installation) -> None:
    """The last of this module: the installation is gone after it."""
    url = f"{default_pool(installation)}/leaving/index.m3u8"
    installation.apply(fake_stream("leaving", segment_duration=1000))
    installation.wait_playing(url)
    cluster, name = installation.cluster, installation.namespace
    with SegmentViewer(url) as viewer:
        wait_until(lambda: viewer.segments > 2, "the viewer watches", 30)
        began = time.monotonic()
        cluster.kubectl("delete", "namespace", name, "--wait=false")
        wait_until(
            lambda: not cluster.kubectl("get", "namespace", name, "--ignore-not-found"),
            "the namespace is gone",
            180,
            1.0,
            lambda: cluster.kubectl("get", "namespace", name, "-o", "yaml"),
        )
    print(f"the namespace was gone after {time.monotonic() - began:.0f} s")
    assert not cluster.kubectl("get", "streams,streamers,pods", "-n", name, "--ignore-not-found")
