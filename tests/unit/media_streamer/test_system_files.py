"""What every process reads of the system: no secret, and what is replaced is noticed."""

from pathlib import Path

import pytest
from media_streamer import system_files
from media_streamer.system_files import devices, identities, needed


def test_no_folder_that_may_hold_a_secret_is_given_as_a_whole() -> None:
    found = {path.resolve() for path in needed({"LD_LIBRARY_PATH": "/opt/cuda/lib64::relative"})}
    assert Path("/opt/cuda/lib64") in found
    kept = ("/etc", "/etc/shadow", "/etc/ssl/private", "/proc", "/run", "/var", "/root", "/home",
            "/tmp", "/usr/local/etc", "/dev/shm", "/sys/kernel")  # fmt: skip
    for secret in map(Path, kept):
        assert not found & {secret, *secret.parents}, secret
    assert Path.cwd() not in found
    assert Path("/dev/null") in devices()
    assert not {Path("/dev"), Path("/dev/shm"), Path("/dev/mem")} & set(devices())


def test_a_replaced_file_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, folder = tmp_path / "resolv.conf", tmp_path / "resolve"
    folder.mkdir()
    link = tmp_path / "link.conf"
    link.symlink_to(folder / "stub.conf")
    monkeypatch.setattr(system_files, "RESOLVER", (str(file), str(link)))
    monkeypatch.setattr(system_files, "_ELSEWHERE", (str(folder),))
    assert identities() == {str(file): None, str(link): None}
    file.write_text("a")
    before = identities()
    file.write_text("b")
    (folder / "stub.conf").write_text("a")
    assert identities() == before, "written in place, or in a folder that is given as a whole"
    other = tmp_path / "other"
    other.write_text("c")
    other.rename(file)
    assert identities() != before
