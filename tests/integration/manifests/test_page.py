"""The commands of docs/kubernetes.md, one after the other, against a real API server.

Where no controller runs nothing becomes ready: what is waited for must be there, and what would be
deleted is tried (`--dry-run=server`). The streamer that the operator would make for the first
stream is made by hand. What talks to pods, `port-forward`, is left out.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.api_server import SKIP_REASON, ApiServer, binaries

pytestmark = [
    pytest.mark.skipif(bool(SKIP_REASON), reason=SKIP_REASON),
]

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall((ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8"))
KUBECTL = """#!/bin/bash
# What a cluster without controllers can be asked.
set -u
real() { REAL "$@"; }
args=("$@")
words=()
for one in "$@"; do
  case $one in
    --for=*|--timeout=*) ;;
    *) words+=("$one") ;;
  esac
done
case " $* " in
  *" wait "*) real "${words[@]/#wait/get}" ;;
  *" rollout status "*)
    rest=()
    for one in "${words[@]}"; do
      case $one in rollout) rest+=(get) ;; status) ;; *) rest+=("$one") ;; esac
    done
    real "${rest[@]}" ;;
  *" delete "*) real "${words[@]}" --dry-run=server ;;
  *" apply "*" -k "*) real "$@" --force-conflicts ;;
  *" -f manifests/samples/stream.yaml "*)
    real "$@" && real apply -f manifests/samples/streamer.yaml ;;
  *" media "*) real "$@"; test $? -le 1 ;;
  *) real "$@" ;;
esac
"""


@pytest.fixture
def shell(api_server: ApiServer, tmp_path: Path) -> dict[str, str]:
    """The environment of a person in a checkout, who is logged in at the cluster."""
    folder = tmp_path / "bin"
    folder.mkdir()
    found = binaries()
    assert found is not None
    program = found / "kubectl"
    real = str(program) if program.exists() else str(shutil.which("kubectl"))
    (folder / "kubectl").write_text(KUBECTL.replace("REAL", real))
    (folder / "kubectl").chmod(0o755)
    for name in ("manifests", "crds", "packaging"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.pyc"))
    (tmp_path / "kubeconfig").write_text(api_server.kubeconfig())
    return {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "BIN": str(folder),
    }


def test_the_commands_of_the_page(shell: dict[str, str]) -> None:
    tried = [one for one in BLOCKS if "port-forward" not in one]
    assert len(tried) >= len(BLOCKS) - 1 > 10
    for block in tried:
        text = block.replace("/usr/local/bin/", f"{shell['BIN']}/")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=shell["HOME"],
            env=shell,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
