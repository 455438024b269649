"""Services of a foreign cluster at ports of this machine: `kubectl port-forward`, kept up.

Role: a test asks for a Service's URL and uses it as long as it likes. kubectl ends with the pod
that it forwards to; it is started again on the same port, so that the URL stays good.
"""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from pathlib import Path

from local_cluster import processes

PAUSE_S = 0.3
READY_TIMEOUT_S = 30.0


class Forwards:
    """One forwarded port a Service. `close` ends all."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._ports: dict[tuple[str, str, int], int] = {}
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []

    def url(self, namespace: str, name: str, port: int) -> str:
        """Base URL of a Service; it answers as soon as a pod of it runs."""
        key = (namespace, name, port)
        if key not in self._ports:
            self._ports[key] = local = _free_port()
            command = ["kubectl", "--kubeconfig", str(self._kubeconfig), "-n", namespace]
            command += ["port-forward", f"service/{name}", f"{local}:{port}"]
            thread = threading.Thread(target=self._keep, args=(command,), name=f"forward {name}")
            thread.start()
            self._threads.append(thread)
            processes.wait_until(
                lambda: _is_open(local), f"service/{name} is forwarded", READY_TIMEOUT_S
            )
        return f"http://127.0.0.1:{self._ports[key]}"

    def close(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _keep(self, command: list[str]) -> None:
        quiet = subprocess.DEVNULL
        while not self._end.is_set():
            with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet) as process:
                while process.poll() is None and not self._end.is_set():
                    time.sleep(PAUSE_S)
                process.kill()
            self._end.wait(PAUSE_S)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
