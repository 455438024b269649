"""Container images made on this machine: pause, a Python base and PostgreSQL.

Role: turn a file tree into an image archive (`docker save` format, which containerd and Docker
both import), and make the trees by debootstrap. No engine and no registry takes part.
Invariant: an archive in the cache is complete (it is renamed into place); its name carries what
it was made from, so a changed recipe or a changed CA bundle of the host gives a new one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_cluster.layout import PACKAGE, Layout
from local_cluster.processes import ClusterError, run

PAUSE = "localhost/pause:3"
PYTHON_BASE = "localhost/python-base:bookworm"
POSTGRES = "localhost/postgres:15"

# Raise it when a `finish` function changes: the cached images are then made again.
REVISION = 2
SUITE = "bookworm"
DEBOOTSTRAP_TIMEOUT_S = 900
# The user id of the public image, which the manifests name in their securityContext.
POSTGRES_UID = 999
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
ENTRYPOINT = PACKAGE / "postgres-entrypoint.sh"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_NOT_IN_AN_IMAGE = ("./dev/*", "./proc/*", "./sys/*", "./var/cache/apt/*", "./var/lib/apt/lists/*")


@dataclass(frozen=True)
class Recipe:
    """An image made by debootstrap."""

    tag: str
    packages: tuple[str, ...]
    config: dict[str, object]
    finish: Callable[[Path], None] = field(compare=False)

    def digest(self) -> str:
        """Short hash of all that goes into the image but Debian's packages themselves."""
        hasher = hashlib.sha256(json.dumps([REVISION, self.packages, self.config]).encode())
        for path in (CA_BUNDLE, ENTRYPOINT):
            hasher.update(path.read_bytes() if path.exists() else b"")
        return hasher.hexdigest()[:12]


def _finish_python(root: Path) -> None:
    _trust_what_the_host_trusts(root)


def _finish_postgres(root: Path) -> None:
    _trust_what_the_host_trusts(root)
    run(["chroot", root, "usermod", "--uid", str(POSTGRES_UID), "postgres"])
    run(["chroot", root, "groupmod", "--gid", str(POSTGRES_UID), "postgres"])
    # Debian makes a cluster at installation; the container makes its own in PGDATA.
    for relative in ("var/lib/postgresql", "etc/postgresql", "var/log/postgresql"):
        shutil.rmtree(_inside(root, relative), ignore_errors=True)
    for relative in ("var/lib/postgresql/data", "run/postgresql"):
        folder = _inside(root, relative)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777)
    for relative in ("var/lib/postgresql", "var/lib/postgresql/data"):
        os.chown(_inside(root, relative), POSTGRES_UID, POSTGRES_UID)
    entrypoint = _inside(root, "usr/local/bin/docker-entrypoint.sh")
    shutil.copyfile(ENTRYPOINT, entrypoint)
    entrypoint.chmod(0o755)


def _trust_what_the_host_trusts(root: Path) -> None:
    """Copy the host's CA bundle: behind a company proxy pip finds no registry without it."""
    if CA_BUNDLE.exists():
        shutil.copyfile(CA_BUNDLE, _inside(root, "etc/ssl/certs/ca-certificates.crt"))


def _inside(root: Path, relative: str) -> Path:
    """A path in an image's tree; ClusterError if a link leads out of it (/var/run is one)."""
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise ClusterError(f"{relative} of the image leads to {path} of this host")
    return path


_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TRUST = [f"SSL_CERT_FILE={CA_BUNDLE}", f"PIP_CERT={CA_BUNDLE}", f"REQUESTS_CA_BUNDLE={CA_BUNDLE}"]

RECIPES = {
    recipe.tag: recipe
    for recipe in (
        Recipe(
            PYTHON_BASE,
            ("ca-certificates", "python3", "python3-pip", "python3-venv", "python-is-python3"),
            # As in the public python image, pip may install beside the system's packages.
            {
                "Env": [_PATH, "LANG=C.UTF-8", "PIP_BREAK_SYSTEM_PACKAGES=1", *_TRUST],
                "Cmd": ["python3"],
            },
            _finish_python,
        ),
        Recipe(
            POSTGRES,
            ("ca-certificates", "postgresql-15"),
            {
                "Env": [_PATH, "LANG=C.UTF-8", "PGDATA=/var/lib/postgresql/data"],
                "User": str(POSTGRES_UID),
                "Entrypoint": ["docker-entrypoint.sh"],
                "Cmd": ["postgres"],
                "ExposedPorts": {"5432/tcp": {}},
            },
            _finish_postgres,
        ),
    )
}


def archive_of(layout: Layout, tag: str) -> Path:
    """The archive of an image of ours, made first if the cache has none."""
    recipe = RECIPES.get(tag)
    if recipe is None:
        raise ClusterError(f"{tag}: no such image; there are {', '.join(sorted(RECIPES))}")
    name = tag.removeprefix("localhost/").replace(":", "-")
    path = layout.images / f"{name}-{recipe.digest()}.tar"
    layout.images.mkdir(parents=True, exist_ok=True)
    with (layout.images / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for outdated in layout.images.glob(f"{name}-*.tar"):
                outdated.unlink()
            _debootstrap(recipe, path)
    return path


def _debootstrap(recipe: Recipe, path: Path) -> None:
    print(f"Making {recipe.tag} by debootstrap ...", flush=True)
    root = path.with_suffix(".root")
    layer = path.with_suffix(".layer")
    try:
        shutil.rmtree(root, ignore_errors=True)
        run(
            [
                "nice",
                "debootstrap",
                "--variant=minbase",
                f"--include={','.join(recipe.packages)}",
                SUITE,
                str(root),
            ],
            timeout=DEBOOTSTRAP_TIMEOUT_S,
            env={"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        )
        recipe.finish(root)
        excluded = [f"--exclude={pattern}" for pattern in _NOT_IN_AN_IMAGE]
        run(
            ["tar", "-C", root, "--sort=name", "--numeric-owner", *excluded, "-cf", layer, "."],
            timeout=300,
        )
        write_archive(path, recipe.tag, layer, recipe.config)
    finally:
        shutil.rmtree(root, ignore_errors=True)
        layer.unlink(missing_ok=True)


def pause_archive(layout: Layout) -> Path:
    """The archive of the image that holds a pod's namespaces (made anew each time: 2 MB)."""
    layer = layout.state / "pause.layer"
    with tarfile.open(layer, "w") as tar:
        tar.add(layout.bin / "pause", "pause")
    path = layout.state / "pause.tar"
    write_archive(path, PAUSE, layer, {"Entrypoint": ["/pause"], "User": "65535:65535"})
    layer.unlink()
    return path


def write_archive(path: Path, tag: str, layer: Path, config: dict[str, object]) -> None:
    """Write an image of one layer (an uncompressed tar file) as `docker save` does.

    ``config`` has the keys of the OCI image configuration's ``config`` (OCI image-spec 1.0,
    config.md).
    """
    with layer.open("rb") as file:
        layer_digest = hashlib.file_digest(file, "sha256").hexdigest()
    image = json.dumps(
        {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
            "history": [{"created_by": "local_cluster"}],
        }
    ).encode()
    config_name = hashlib.sha256(image).hexdigest() + ".json"
    layer_name = f"{layer_digest}/layer.tar"
    manifest = [{"Config": config_name, "RepoTags": [tag], "Layers": [layer_name]}]
    unfinished = path.with_suffix(".new")
    folder = path.with_suffix(".parts")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        (folder / config_name).write_bytes(image)
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with tarfile.open(unfinished, "w") as tar:
            tar.add(folder / config_name, config_name)
            tar.add(layer, layer_name)
            tar.add(folder / "manifest.json", "manifest.json")
        unfinished.rename(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tag_in(archive: Path) -> str:
    """The tag of the first image in an archive. Raises ClusterError if it is none."""
    return str(_manifest(archive)["RepoTags"][0])


def holds(archive: Path, digest: str) -> bool:
    """Whether the image in an archive is that of this configuration digest (hexadecimal)."""
    return digest in str(_manifest(archive)["Config"])


def _manifest(archive: Path) -> dict[str, Any]:
    """The first entry of an archive's `manifest.json`; ClusterError if the file has none."""
    try:
        with tarfile.open(archive) as tar:
            member = tar.extractfile("manifest.json")
            if member is None:
                raise KeyError("manifest.json")
            first = json.load(member)[0]
            if not first["RepoTags"] or not first["Config"]:
                raise KeyError("RepoTags")
            return dict(first)
    except (OSError, tarfile.TarError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ClusterError(f"{archive} is no image archive (docker save): {error}") from error
