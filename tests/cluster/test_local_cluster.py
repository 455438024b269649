"""What `local_cluster` decides without a cluster: archives, names, which cluster, when to build."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from appliance import kustomized
from local_cluster import (
    ClusterError,
    Layout,
    LocalCluster,
    NotSupported,
    binaries,
    choose,
    images,
    made_of,
    node,
)
from local_cluster.cli import main
from local_cluster.external import IMAGE_VARIABLES, ExternalCluster
from local_cluster.processes import CommandError, find, run, start, stop, wait_until


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(state=tmp_path / "state", cache=tmp_path / "cache")


def archive(folder: Path, tag: str = "localhost/x:1") -> Path:
    layer = folder / "layer.tar"
    with tarfile.open(layer, "w") as tar:
        tar.add(__file__, "file")
    path = folder / "image.tar"
    images.write_archive(path, tag, layer, {"Cmd": ["x"]})
    return path


def test_archive_names_its_image_and_configuration(tmp_path: Path) -> None:
    path = archive(tmp_path)
    assert images.tag_in(path) == "localhost/x:1"
    with tarfile.open(path) as tar:
        member = tar.extractfile("manifest.json")
        assert member is not None
        manifest = json.load(member)[0]
        assert set(tar.getnames()) == {"manifest.json", manifest["Config"], *manifest["Layers"]}
    assert images.holds(path, manifest["Config"].removesuffix(".json"))
    assert not images.holds(path, "0" * 64)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["image.tar", "layer.tar"]


@pytest.mark.parametrize("content", [b"", b"not a tar", bytes(10240)])
def test_what_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.tar"
    path.write_bytes(content)
    with pytest.raises(ClusterError, match=r"bad\.tar is no image archive"):
        images.tag_in(path)


def test_path_that_leads_out_of_an_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "run").symlink_to("/run")
    assert images._inside(tmp_path, "var/lib") == tmp_path / "var" / "lib"
    with pytest.raises(ClusterError, match="leads to /run/postgresql of this host"):
        images._inside(tmp_path, "var/run/postgresql")


def test_an_image_is_built_again_when_what_it_copies_changed(tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM base\nCOPY a b ./\nCOPY folder folder\nCOPY --from=x /o /o\n")
    for name in ("a", "b", "folder/deep/c", "other", "folder/__pycache__/c.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    first = made_of.digest(dockerfile, tmp_path, "base-1")
    for name in ("other", "folder/__pycache__/c.pyc"):
        (tmp_path / name).write_text("changed")
    assert made_of.digest(dockerfile, tmp_path, "base-1") == first
    seen = {first, made_of.digest(dockerfile, tmp_path, "base-2")}
    for name in ("b", "folder/deep/c"):
        (tmp_path / name).write_text("changed")
        seen.add(made_of.digest(dockerfile, tmp_path, "base-1"))
    (tmp_path / "folder/new").write_text("new")
    seen.add(made_of.digest(dockerfile, tmp_path, "base-1"))
    assert len(seen) == 5

    path = archive(tmp_path)
    assert not made_of.is_made_of(path, first)
    made_of.remember(path, first)
    assert made_of.is_made_of(path, first)
    made_of.forget(path)
    assert not made_of.is_made_of(path, first)


def test_recipe_digest_follows_its_packages() -> None:
    first = images.RECIPES[images.PYTHON_BASE]
    other = images.Recipe(first.tag, (*first.packages, "ffmpeg"), first.config, first.finish)
    assert first.digest() != other.digest()


def test_programs_are_built_when_missing_or_outdated(layout: Layout) -> None:
    module = binaries.MODULES_TO_BUILD[1]
    assert not binaries.is_current(layout, module)
    layout.bin.mkdir(parents=True)
    for program in module.programs:
        (layout.bin / program).touch()
    stamp = layout.bin / f".{module.folder}.sha256"
    stamp.write_text(binaries.digest(module))
    assert binaries.is_current(layout, module)
    stamp.write_text("of an older go.mod")
    assert not binaries.is_current(layout, module)


def test_kubeconfig_decides_which_cluster(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")  # neither kind nor docker
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert isinstance(choose(layout), LocalCluster)
    named = tmp_path / "kubeconfig"
    named.write_text("{}")
    monkeypatch.setenv("KUBECONFIG", str(named))
    assert isinstance(choose(layout), ExternalCluster)
    layout.admin_kubeconfig.parent.mkdir(parents=True)
    layout.admin_kubeconfig.write_text("{}")
    assert isinstance(choose(layout), LocalCluster)


def test_a_foreign_cluster_is_told_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = ExternalCluster(tmp_path / "kubeconfig")
    for variable in IMAGE_VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("STREAMER_IMAGE", "registry.example:5000/streamer:1")
    with pytest.raises(NotSupported, match="set CENTRAL_IMAGE to images of this repository"):
        cluster.images()
    monkeypatch.setenv("CENTRAL_IMAGE", "central")
    found = {"streamer": "registry.example:5000/streamer:1", "central": "central"}
    assert cluster.images() == found
    monkeypatch.setenv("POSTGRES_IMAGE", "postgres:15")
    assert cluster.images() == {**found, "postgres": "postgres:15"}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("a/b:1", {"newName": "a/b", "newTag": "1"}),
        ("registry.example:5000/b", {"newName": "registry.example:5000/b", "newTag": "latest"}),
        ("registry.example:5000/b:2", {"newName": "registry.example:5000/b", "newTag": "2"}),
        ("b@sha256:0a", {"newName": "b", "digest": "sha256:0a"}),
    ],
)
def test_an_image_as_kustomize_has_it(image: str, expected: dict[str, str]) -> None:
    assert kustomized(image) == expected


def test_obstacles_name_what_is_missing(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = "; ".join(LocalCluster(layout).obstacles())
    assert "not installed: containerd" in found
    assert "no Go to build Kubernetes with" in found


def test_unknown_node_is_refused_with_those_there_are() -> None:
    with pytest.raises(ClusterError, match="node-9: no such node; there are node-1, node-2"):
        node.by_name("node-9")


def test_command_line_reports_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load-image", "no-such-image:1"]) == 1
    assert "no-such-image:1: no such image" in capsys.readouterr().err


def test_status_of_no_cluster(layout: Layout) -> None:
    status = LocalCluster(layout).status()
    assert (status["running"], status["nodes"], status["programs"]) == (False, {}, {})


def test_failed_command_tells_why() -> None:
    with pytest.raises(CommandError, match=r"exit status 3: reason"):
        run(["sh", "-c", "echo reason >&2; exit 3"])
    with pytest.raises(CommandError, match="no end within"):
        run(["sleep", "60"], timeout=0.05)
    with pytest.raises(CommandError, match="No such file"):
        run(["no-such-program"])


def test_processes_are_found_by_role_and_stopped(layout: Layout) -> None:
    # The second ignores SIGTERM, and so does its child.
    start(layout, "a/sleep", ["sleep", "60"])
    start(layout, "b/stubborn", ["sh", "-c", "trap '' TERM; sleep 60 & wait; wait"])
    wait_until(lambda: len(find(layout)) == 3, "all run", 10)
    assert {p.role for p in find(layout, "a/")} == {"a/sleep"}
    stop(layout, "a/")
    assert {p.role for p in find(layout)} == {"b/stubborn"}
    stop(layout, at_once=True)
    assert find(layout) == []
    assert find(Layout(state=layout.state / "other", cache=layout.cache)) == []


def test_only_own_processes_are_found(layout: Layout) -> None:
    with subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL) as foreign:
        start(layout, "own", ["sleep", "60"])
        wait_until(lambda: bool(find(layout)), "it runs", 10)
        stop(layout)
        assert foreign.poll() is None
        foreign.kill()
