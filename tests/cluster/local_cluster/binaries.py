"""The programs of Kubernetes, built from their Go modules into the user's cache.

Role: ``ensure`` makes ``Layout.bin`` complete.
Invariant: a program is built when it is missing or when its module's files changed since; the
digest of those files is kept beside it. A cold build takes about 8 minutes on 2 idle cores (48
were seen on a busy machine), the next one, also after one that was stopped, uses Go's build cache.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from local_cluster.layout import KUBERNETES_VERSION, MODULES, Layout
from local_cluster.processes import ClusterError, run

BUILD_TIMEOUT_S = 3600
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=readonly"}
_VERSION_PACKAGE = "k8s.io/component-base/version"
_MAJOR, _MINOR, _ = KUBERNETES_VERSION.split(".")


@dataclass(frozen=True)
class Module:
    """A Go module of ours: its folder and the package of each program it pins."""

    folder: str
    programs: dict[str, str]
    ldflags: str = "-s -w"


MODULES_TO_BUILD = (
    Module(
        "kubernetes",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-proxy",
                "kube-scheduler",
                "kubectl",
                "kubelet",
            )
        },
        # Without these the API server calls itself v0.0.0 and clients refuse it.
        f"-s -w -X {_VERSION_PACKAGE}.gitVersion=v{KUBERNETES_VERSION}"
        f" -X {_VERSION_PACKAGE}.gitMajor={_MAJOR} -X {_VERSION_PACKAGE}.gitMinor={_MINOR}",
    ),
    Module("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Module("coredns", {"coredns": "."}),
    Module("pause", {"pause": "."}),
)
_CERT_MANAGER = "github.com/cert-manager/cert-manager"
WAYS_IN = (
    Module(
        "cert-manager",
        {
            f"cert-manager-{name}": f"{_CERT_MANAGER}/cmd/{name}"
            for name in ("cainjector", "controller", "webhook")
        },
    ),
    Module("envoy-gateway", {"envoy-gateway": "github.com/envoyproxy/gateway/cmd/envoy-gateway"}),
    Module("traefik", {"traefik": "github.com/traefik/traefik/v3/cmd/traefik"}),
)
"""What is not of the cluster: controllers of Ingress, Gateway and certificates, for one test."""


def digest(module: Module) -> str:
    """SHA-256 of the module's files and link flags: what the programs are made from."""
    hasher = hashlib.sha256(module.ldflags.encode())
    for path in sorted((MODULES / module.folder).iterdir()):
        hasher.update(path.name.encode() + b"\0" + path.read_bytes())
    return hasher.hexdigest()


def _stamp(layout: Layout, module: Module) -> Path:
    return layout.bin / f".{module.folder}.sha256"


def is_current(layout: Layout, module: Module) -> bool:
    """Whether the module's programs are there and made from its present files."""
    stamp = _stamp(layout, module)
    return (
        all((layout.bin / program).exists() for program in module.programs)
        and stamp.exists()
        and stamp.read_text() == digest(module)
    )


def missing(layout: Layout, modules: tuple[Module, ...] = MODULES_TO_BUILD) -> list[Module]:
    """Those of the modules that have to be built."""
    return [module for module in modules if not is_current(layout, module)]


def source_of(module: Module, path: str) -> Path:
    """The folder, in Go's cache, of a module that `module` requires."""
    listed = ["go", "list", "-m", "-f", "{{.Dir}}", path]
    return Path(run(listed, cwd=MODULES / module.folder, env=_ENVIRONMENT).strip())


def ensure(layout: Layout, modules: tuple[Module, ...] = MODULES_TO_BUILD) -> None:
    """Build what is missing; a second process that wants the same waits for the first."""
    if not missing(layout, modules):
        return
    layout.bin.mkdir(parents=True, exist_ok=True)
    with (layout.bin / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for module in missing(layout, modules):
            _build(layout, module)


def _build(layout: Layout, module: Module) -> None:
    if shutil.which("go") is None:
        raise ClusterError(
            f"go is not installed, and {', '.join(module.programs)} are not in {layout.bin}: "
            "install Go 1.26 or newer"
        )
    count = len(module.programs)
    for number, (program, package) in enumerate(module.programs.items(), 1):
        print(f"Building {program} ({number} of {count} of {module.folder}) ...", flush=True)
        target = layout.bin / f".{program}.new"
        run(
            ["nice", "go", "build", "-ldflags", module.ldflags, "-o", str(target), package],
            cwd=MODULES / module.folder,
            env=_ENVIRONMENT,
            timeout=BUILD_TIMEOUT_S,
        )
        # Renamed, never written over: the old one may be running.
        target.rename(layout.bin / program)
    _stamp(layout, module).write_text(digest(module))
