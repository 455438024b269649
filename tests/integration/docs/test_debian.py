"""Debian takes the packages that the page installs: apt finds all that they depend on.

The packages themselves are large; what apt decides by is their control file and their name.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DEBIAN = ROOT / "packaging" / "debian"
PAGE = (ROOT / "docs" / "how-to" / "debian.md").read_text(encoding="utf-8")
PACKAGES = ("flussonic", "flussonic-central")


def told(command: list[str], directory: Path) -> str:
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def knows_packages() -> bool:
    """Whether apt has lists of a Debian with the Python that the packages are made for."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return False
    shown = subprocess.run(
        ["apt-cache", "show", python()], capture_output=True, timeout=50, check=False
    )
    return shown.returncode == 0


def python() -> str:
    """As build.sh names it."""
    words = "import sys; print('python%d.%d' % sys.version_info[:2])"
    found = subprocess.run(
        ["/usr/bin/python3", "-c", words], capture_output=True, text=True, timeout=60, check=False
    )
    return found.stdout.strip()


def stand_in(package: str, dist: Path) -> None:
    """The package without its files."""
    stage = dist.parent / package
    (stage / "DEBIAN").mkdir(parents=True)
    control = (DEBIAN / package / "control").read_text()
    values = {"VERSION": "0.1", "ARCHITECTURE": "all", "PYTHON": python(), "SIZE": "1"}
    for name, value in values.items():
        assert f"@{name}@" in control
        control = control.replace(f"@{name}@", value)
    (stage / "DEBIAN" / "control").write_text(control)
    told(["dpkg-deb", "--build", str(stage), str(dist / f"{package}_0.1_all.deb")], dist)


@pytest.mark.skipif(not knows_packages(), reason="no Debian whose apt knows packages: apt update")
@pytest.mark.parametrize("package", PACKAGES)
def test_apt_finds_what_a_package_depends_on(package: str, tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    stand_in(package, tmp_path / "dist")
    (words,) = re.findall(r"^apt install (\./dist/flussonic_\*\.deb)$", PAGE, re.MULTILINE)
    pattern = words.replace("flussonic_", f"{package}_")
    said = told(["bash", "-c", f"apt-get install --simulate {pattern}"], tmp_path)
    assert f"Inst {package} (0.1" in said
    assert f"Conf {package} (0.1" in said
