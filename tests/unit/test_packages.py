"""The Debian packages: scripts that a shell reads, and names that agree with the units."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from media_central.settings import load_settings
from media_streamer.config.binder import parse

ROOT = Path(__file__).resolve().parents[2]
DEBIAN = ROOT / "packaging" / "debian"
SERVICES = {"flussonic": "flussonic", "flussonic-central": "central"}
SCRIPTS = sorted(path for path in DEBIAN.glob("*") if path.is_file())


def whole(script: str, package: str) -> str:
    """As build.sh puts it together."""
    own = DEBIAN / package / script
    text = (DEBIAN / script).read_text()
    text = text.replace("@OWN@\n", own.read_text() if own.exists() else "")
    return text.replace("@SERVICE@", SERVICES[package])


@pytest.mark.parametrize("package", SERVICES)
@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm", "init.sh"])
def test_a_shell_reads_the_scripts(package: str, script: str) -> None:
    text = whole(script, package)
    assert "@OWN@" not in text
    assert "@SERVICE@" not in text
    done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_shell_reads_what_builds_them() -> None:
    assert subprocess.run(["sh", "-n", DEBIAN / "build.sh"], check=False).returncode == 0


@pytest.mark.parametrize("package", SERVICES)
def test_unit_and_package_agree(package: str) -> None:
    unit = (ROOT / f"packaging/systemd/{SERVICES[package]}.service").read_text()
    command = re.search(r"^ExecStart=(\S+)", unit, re.MULTILINE)
    assert command is not None
    assert command[1].startswith(f"/opt/{package}/venv/bin/")
    assert f'"{command[1]} ' in (DEBIAN / "build.sh").read_text()
    assert f"User={SERVICES[package]}\n" in unit
    for line in re.findall(r"^Environment=(.*)$", unit, re.MULTILINE):
        for word in line.split():
            assert word in (DEBIAN / "build.sh").read_text() or "LOG_DIR" in word


def test_the_first_configurations_are_right() -> None:
    files = DEBIAN / "flussonic/files/usr/share/flussonic/flussonic.conf"
    parsed = parse(files.read_text())
    assert not parsed.errors
    assert not parsed.warnings
    central = DEBIAN / "flussonic-central/files/usr/share/flussonic-central/central.conf"
    loaded = load_settings(central, {})
    assert not loaded.warnings
    assert not loaded.settings.with_local_streamer


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg is not here")
@pytest.mark.parametrize("package", SERVICES)
def test_dpkg_reads_the_control_file(package: str, tmp_path: Path) -> None:
    control = (DEBIAN / package / "control").read_text()
    for name, value in {
        "VERSION": "1.0",
        "ARCHITECTURE": "all",
        "PYTHON": "python3",
        "SIZE": "1",
    }.items():
        control = control.replace(f"@{name}@", value)
    assert "@" not in control.replace("@localhost", "")
    (tmp_path / "p/DEBIAN").mkdir(parents=True, mode=0o755)
    (tmp_path / "p/DEBIAN/control").write_text(control)
    command = ["dpkg-deb", "--build", "--root-owner-group", tmp_path / "p", tmp_path / "p.deb"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    shown = subprocess.run(
        ["dpkg-deb", "--field", tmp_path / "p.deb", "Package"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert shown.stdout.strip() == package
