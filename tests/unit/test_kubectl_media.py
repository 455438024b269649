"""`kubectl media`: what it makes of resources, with a kubectl that answers from files."""

import importlib.util
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "packaging" / "kubectl" / "kubectl_media.py"
SPEC = importlib.util.spec_from_file_location("kubectl_media", SOURCE)
assert SPEC is not None
assert SPEC.loader is not None
media = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = media
SPEC.loader.exec_module(media)

ANSWERS = """#!{python}
import json, sys
answers = json.loads(open({path!r}).read())
words = " ".join(sys.argv[1:])
for said, text in answers:
    if said in words:
        print(text, end="")
        sys.exit(0)
print("Error from server (NotFound): not found", file=sys.stderr)
sys.exit(1)
"""


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def stream(name: str, /, *conditions: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "media", "uid": f"uid-{name}"},
        "spec": spec,
        "status": {
            "conditions": list(conditions),
            "streamer": "default-0",
            "urls": {
                "hls": f"http://edge.example/{name}/index.m3u8",
                "rtmp": f"rtmp://edge.example/static/{name}",
            },
        },
    }


READY = condition("Ready", "True", "Running")
FRAMES = condition("InputActive", "True", "FramesArrive")
GOOD = stream("good", READY, FRAMES)
BAD = stream("bad", condition("InputActive", "False", "SourceFailed", "connection refused"), READY)
OFF = stream("off", disabled=True)
NEW = stream("new", condition("InputActive", "Unknown", "NotPlaced"))
CLASH = stream("clash", condition("Stalled", "True", "NameConflict", "another has that name"))
PARTLY = stream("partly", READY, FRAMES, condition("ConfigAccepted", "False", "NotServed", "drm"))


@pytest.mark.parametrize(
    ("resource", "state"),
    [
        (GOOD, "playing"),
        (BAD, "wrong"),
        (OFF, "disabled"),
        (NEW, "waiting"),
        (CLASH, "wrong"),
        (PARTLY, "playing"),
        ({"metadata": {"name": "x"}}, "waiting"),
    ],
)
def test_state_of_a_stream(resource: dict[str, Any], state: str) -> None:
    assert media.state(resource) == state


def test_what_is_wrong_stands_first_and_says_why() -> None:
    lines = media.stream_table([GOOD, OFF, NEW, BAD], all_namespaces=False).splitlines()
    assert [line.split()[0] for line in lines] == ["STREAM", "bad", "new", "good", "off"]
    assert lines[1].endswith("SourceFailed: connection refused")


def test_the_cause_stands_before_what_follows_of_it() -> None:
    assert [one["type"] for one in media.conditions(BAD)] == ["Ready", "InputActive"]


def test_only_lines_that_name_the_stream() -> None:
    log = "stream cam: up\nstream cam2: up\nstream a/cam: up\nGET /cam/index.m3u8\n'cam' refused\n"
    found = list(media.said_of("cam", log))
    assert found == ["stream cam: up", "'cam' refused"]


class Cluster:
    """A kubectl that answers from a list of (part of its command, text)."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._answers = directory / "answers.json"
        program = directory / "kubectl"
        program.write_text(ANSWERS.format(python=sys.executable, path=str(self._answers)))
        program.chmod(0o755)
        monkeypatch.setenv("KUBECTL", str(program))

    def answers(self, *pairs: tuple[str, Any]) -> None:
        self._answers.write_text(
            json.dumps([(said, x if isinstance(x, str) else json.dumps(x)) for said, x in pairs])
        )


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(tmp_path, monkeypatch)


def test_status(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    pool = {
        "metadata": {"name": "default"},
        "spec": {},
        "status": {"readyReplicas": 1, "replicas": 2, "version": "0.1.0"},
    }
    cluster.answers(
        ("get streams.media.flussonic.com", {"items": [GOOD, BAD]}),
        ("get streamers.media.flussonic.com", {"items": [pool]}),
    )
    assert media.main(["status"]) == 1
    said = capsys.readouterr().out
    assert "connection refused" in said
    assert "1/2" in said
    assert media.main(["status", "good"]) == 0
    assert media.main(["status", "nothing"]) == 2


def test_why(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    pod = {
        "spec": {"nodeName": "node1"},
        "status": {"phase": "Running", "containerStatuses": [{"restartCount": 3}]},
    }
    event = {"metadata": {"creationTimestamp": "t"}, "reason": "Placed", "message": "on default-0"}
    cluster.answers(
        ("get streams.media.flussonic.com bad", BAD),
        ("get pod default-0", pod),
        ("get events", {"items": [event]}),
        ("logs default-0", "stream good: fine\nstream bad: refused\n"),
    )
    assert media.main(["why", "bad"]) == 1
    said = capsys.readouterr().out
    for words in ("not playing", "x InputActive", "+ Ready", "restarted 3 times", "Placed"):
        assert words in said
    assert "stream bad: refused" in said
    assert "stream good" not in said


def test_logs_of_one_stream(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.answers(
        ("get streams.media.flussonic.com good", GOOD),
        ("logs default-0", "stream good: fine\nstream other: up\n"),
    )
    assert media.main(["logs", "good"]) == 0
    assert capsys.readouterr().out == "stream good: fine\n"
    assert media.main(["logs", "good", "--all"]) == 0
    assert "other" in capsys.readouterr().out


def test_a_stream_is_found_by_the_name_in_its_addresses(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = stream("cameras-gate", READY, FRAMES, name="cameras/Gate")
    cluster.answers(("get streams.media.flussonic.com -o json", {"items": [GOOD, gate]}))
    assert media.main(["play", "cameras/Gate", "--url"]) == 0
    assert capsys.readouterr().out == "http://edge.example/cameras-gate/index.m3u8\n"


def test_play_forwards_a_port_and_starts_the_player(
    cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    cluster.answers(
        ("get streams.media.flussonic.com good", GOOD),
        ("port-forward pod/default-0 :8080", "Forwarding from 127.0.0.1:4711 -> 8080\n"),
    )
    assert media.main(["play", "good", "--forward", "--player", "echo"]) == 0
    url = "http://127.0.0.1:4711/good/index.m3u8"
    assert capfd.readouterr().out.splitlines() == [url, url]
    assert media.main(["play", "good", "--form", "rtmp", "--forward"]) == 2
    assert media.main(["play", "good", "--form", "smoke"]) == 2
    assert "it has hls, rtmp" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["w"], ["why"]),
        ([""], ["logs", "play", "status", "why"]),
        (["why", "b"], ["bad"]),
        (["-n", "media", "why", ""], ["bad", "good"]),
        (["play", "good", "--fo"], ["--form", "--forward"]),
        (["play", "--form", "r"], ["rtmp"]),
    ],
)
def test_completion(
    words: list[str], found: list[str], cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.answers(("get streams.media.flussonic.com", {"items": [GOOD, BAD]}))
    assert media.main(["__complete", *words]) == 0
    assert capsys.readouterr().out.split() == [*found, ":4"]


def test_options_that_are_completed_are_taken() -> None:
    for command, options in media.OPTIONS.items():
        said = subprocess.run(
            [sys.executable, str(SOURCE), *([command] if command else ["status"]), "--help"],
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
        ).stdout
        assert [option for option in options if option not in said] == []


def test_a_cluster_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECTL", "/nonexistent/kubectl")
    assert media.main(["status"]) == 2
    assert "kubectl is not in PATH" in capsys.readouterr().err


def test_archive_and_manifest_for_krew(tmp_path: Path) -> None:
    build = ROOT / "packaging" / "kubectl" / "build.sh"
    sums = []
    for name in ("one", "two"):
        command = [str(build), "1.2.3", str(tmp_path / name)]
        subprocess.run(command, check=True, timeout=50, capture_output=True)
        manifest = yaml.safe_load((tmp_path / name / "media.yaml").read_text())
        sums.append(manifest["spec"]["platforms"][0]["sha256"])
    assert sums[0] == sums[1], "the same at each build"
    assert manifest["spec"]["version"] == "v1.2.3"
    with tarfile.open(tmp_path / "one" / "kubectl-media.tar.gz") as archive:
        modes = {one.name: one.mode for one in archive}
    assert modes[manifest["spec"]["platforms"][0]["bin"]] & 0o111
    assert modes["kubectl_complete-media"] & 0o111
