"""The unit files: what they name exists here, and systemd calls them well confined."""

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from media_streamer.config.log_files import log_directory

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "packaging/systemd").glob("*.service"))
UNIT = ROOT / "packaging/systemd/flussonic.service"
MOST_EXPOSED = 3.0
"""Of 10, by systemd-analyze; below 5 it calls a service OK."""


def settings() -> dict[str, list[str]]:
    found = defaultdict(list)
    for name, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE):
        found[name] += value.split()
    return found


def test_it_names_variables_and_a_command_that_there_are() -> None:
    unit = settings()
    environment = dict(one.split("=", 1) for one in unit["Environment"])
    assert str(log_directory(environment)) == environment["STREAMER_LOG_DIR"]
    source = (ROOT / "streamer-image/media_streamer/supervisor/settings.py").read_text()
    for name in ("STREAMER_STATE_DIR", "STREAMER_RUNTIME_DIR"):
        assert f'"{name}"' in source
        assert name in environment
    scripts = (ROOT / "pyproject.toml").read_text()
    assert f"\n{Path(unit['ExecStart'][0]).name} = " in scripts
    assert unit["NoNewPrivileges"] == ["yes"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_calls_it_confined(path: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if run.returncode:
        pytest.skip(f"this systemd-analyze cannot look at files: {run.stderr.strip()[:100]}")
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", run.stdout)
    assert exposure is not None, run.stdout[-500:]
    assert float(exposure[1]) <= MOST_EXPOSED
