"""`kubectl media` as kubectl runs it, against a real API server."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from media_api.resources.meta import API_VERSION

from tests.support.api_server import ApiServer, binaries

PLUGIN = Path(__file__).parents[3] / "packaging" / "kubectl"
REFUSED = {
    "type": "InputActive",
    "status": "False",
    "reason": "SourceFailed",
    "message": "connection refused",
}


@pytest.fixture
def plugin_environment(api_server: ApiServer, tmp_path: Path) -> dict[str, str]:
    """Where kubectl, the plugin and its completion are in PATH, as krew puts them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    shutil.copy(PLUGIN / "kubectl_media.py", folder / "kubectl-media")
    shutil.copy(PLUGIN / "kubectl_complete-media", folder)
    found = binaries()
    assert found is not None
    program = found / "kubectl"
    (folder / "kubectl").symlink_to(program if program.exists() else str(shutil.which("kubectl")))
    (tmp_path / "kubeconfig").write_text(api_server.kubeconfig())
    return {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
    }


def test_plugin(api_server: ApiServer, namespace: str, plugin_environment: dict[str, str]) -> None:
    def kubectl(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", *words],
            env=plugin_environment,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    empty = kubectl("media", "status", "-n", namespace)
    assert (empty.returncode, empty.stderr) == (0, "")
    assert "no streams" in empty.stdout
    item = {
        "apiVersion": API_VERSION,
        "kind": "Stream",
        "metadata": {"name": "gate", "namespace": namespace},
        "spec": {"name": "cameras/Gate", "inputs": [{"url": "rtsp://camera"}]},
    }
    api_server.must("apply", "-f", "-", data=item)
    status = {
        "conditions": [{**REFUSED, "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "streamer": "default-0",
        "urls": {"hls": "http://edge.example/cameras/Gate/index.m3u8"},
    }
    patch = json.dumps({"status": status})
    api_server.must(
        *("patch", "streams", "gate", "-n", namespace, "--subresource=status"),
        *("--type=merge", "-p", patch),
    )

    listed = kubectl("media", "status", "-n", namespace)
    assert listed.returncode == 1
    assert "SourceFailed: connection refused" in listed.stdout
    why = kubectl("media", "why", "cameras/Gate", "-n", namespace)
    assert why.returncode == 1
    assert "x InputActive" in why.stdout
    assert "no pod here" in why.stdout
    url = kubectl("media", "play", "gate", "--url", "-n", namespace)
    assert url.stdout == f"{status['urls']['hls']}\n"  # type: ignore[index]
    missing = kubectl("media", "why", "nothing", "-n", namespace)
    assert missing.returncode == 2
    assert "NotFound" in missing.stderr
    completed = kubectl("__complete", "media", "-n", namespace, "why", "g")
    assert completed.stdout.splitlines()[0] == "gate"
