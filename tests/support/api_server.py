"""A real kube-apiserver on etcd for tests: no node, no controller, ready within seconds.

The programs are those that the cluster tests build into the cache; without them `SKIP_REASON` says
what is missing. The API server can be killed and started again on the same port and data.
"""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kubernetes.aio.client import Configuration
from media_api import crd
from media_api.resources.meta import API_VERSION
from media_kube.client import KubeClient

from tests.support.ports import free_port

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "media-appliance"
START_LIMIT = 60  # seconds
COMMAND_LIMIT = 60  # seconds
STOP_LIMIT = 10  # seconds
PROGRAMS = ("etcd", "kube-apiserver")
TOKEN = "test"  # a static token of a server that listens on 127.0.0.1 only
OTHER_TOKEN, OTHER_USER = "other", "somebody"
"""Of a user that may nothing, until a test binds a Role to it."""


def binaries() -> Path | None:
    """The newest Kubernetes in the cache that has all programs."""
    found = [
        directory / "bin"
        for directory in sorted(CACHE.glob("kubernetes-*"), reverse=True)
        if all((directory / "bin" / program).exists() for program in PROGRAMS)
    ]
    return found[0] if found else None


def _skip_reason() -> str:
    if binaries() is None:
        return f"no kube-apiserver in {CACHE}: run tests/cluster"
    return "" if shutil.which("openssl") else "no openssl to make the signing key"


SKIP_REASON = _skip_reason()
"""Empty where an API server can be started."""


class ApiServer:
    """The processes, and kubectl against them. `start()` before use, `stop()` after."""

    def __init__(self, directory: Path) -> None:
        found = binaries()
        assert found is not None, SKIP_REASON
        self._bin = found
        self._directory = directory
        client, peer, secure = free_port(), free_port(), free_port()
        self._etcd_url, self._peer_url = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        self._port = secure
        self.url = f"https://127.0.0.1:{secure}"
        own = self._bin / "kubectl"
        self._kubectl = [
            str(own if own.exists() else "kubectl"), "--server", self.url,
            "--insecure-skip-tls-verify", "--token", TOKEN,
        ]  # fmt: skip
        self._etcd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once the API server is ready. Raises TimeoutError."""
        self._make_keys()
        (self._directory / "tokens.csv").write_text(
            f"{TOKEN},admin,1,system:masters\n{OTHER_TOKEN},{OTHER_USER},2\n"
        )
        self._etcd = self._run_program(
            "etcd", "--data-dir", "data", "--listen-client-urls", self._etcd_url,
            "--advertise-client-urls", self._etcd_url, "--listen-peer-urls", self._peer_url,
        )  # fmt: skip
        self.start_server()

    def start_server(self) -> None:
        """The API server alone, also after `kill_server`."""
        self._server = self._run_program(
            "kube-apiserver", "--etcd-servers", self._etcd_url, "--bind-address", "127.0.0.1",
            "--secure-port", str(self._port), "--cert-dir", "certificates",
            "--service-account-key-file", "sa.pub", "--service-account-signing-key-file",
            "sa.key", "--service-account-issuer", "https://test", "--token-auth-file",
            "tokens.csv", "--authorization-mode", "RBAC", "--service-cluster-ip-range",
            "10.0.0.0/24", "--disable-admission-plugins", "ServiceAccount",
        )  # fmt: skip
        deadline = time.monotonic() + START_LIMIT
        while self.run("get", "--raw", "/readyz").stdout != "ok":
            if time.monotonic() > deadline:
                raise TimeoutError("the API server did not become ready")
            time.sleep(0.2)

    def kill_server(self) -> None:
        """As a crash would: no connection is closed in good order."""
        assert self._server is not None
        self._server.kill()
        self._server.wait(STOP_LIMIT)

    def stop(self) -> None:
        for process in (self._server, self._etcd):
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(STOP_LIMIT)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(STOP_LIMIT)

    def client(self, url: str = "", token: str = TOKEN) -> KubeClient:
        """As the programs use it; close it after use. `url`: of a proxy in front of the server."""
        return KubeClient(self._configuration(url or self.url, token))

    def _configuration(self, url: str, token: str) -> Configuration:
        configuration = Configuration(
            host=url, api_key={"BearerToken": token}, api_key_prefix={"BearerToken": "Bearer"}
        )
        configuration.verify_ssl = False
        configuration.retries = None
        return configuration

    def kubeconfig(self, url: str = "") -> str:
        """Text of a kubeconfig (JSON is YAML). `url`: of a proxy in front of the server."""
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "clusters": [
                    {
                        "name": "test",
                        "cluster": {"server": url or self.url, "insecure-skip-tls-verify": True},
                    }
                ],
                "users": [{"name": "test", "user": {"token": TOKEN}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            }
        )

    def run(self, *args: str, data: Any = None) -> subprocess.CompletedProcess[str]:
        """kubectl; `data` goes to its standard input as JSON."""
        return subprocess.run(
            [*self._kubectl, *args],
            input=None if data is None else json.dumps(data),
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT,
            check=False,
        )

    def must(self, *args: str, data: Any = None) -> str:
        """Standard output of a kubectl command that succeeds."""
        done = self.run(*args, data=data)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create(self, kind: str, spec: dict[str, Any], name: str = "t") -> str:
        """Empty if the server would take the object, else what it says."""
        item = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
        done = self.run("create", "--dry-run=server", "-f", "-", data=item)
        return "" if done.returncode == 0 else done.stderr

    def install_definitions(self) -> None:
        for name in crd.files():
            self.must("apply", "-f", str(crd.DIRECTORY / name))  # client side: the size matters
        self.must("wait", "crd", "--all", "--for=condition=Established", "--timeout=30s")

    def _make_keys(self) -> None:
        for command in (
            ["openssl", "genrsa", "-out", "sa.key", "2048"],
            ["openssl", "rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub"],
        ):
            subprocess.run(
                command, check=True, capture_output=True, timeout=COMMAND_LIMIT, cwd=self._directory
            )

    def _run_program(self, name: str, *args: str) -> subprocess.Popen[bytes]:
        with (self._directory / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [str(self._bin / name), *args], stdout=log, stderr=log, cwd=self._directory
            )


@contextlib.contextmanager
def running_api_server(directory: Path) -> Iterator[ApiServer]:
    """An API server that knows the definitions of this project."""
    server = ApiServer(directory)
    try:
        server.start()
        server.install_definitions()
        yield server
    finally:
        server.stop()
