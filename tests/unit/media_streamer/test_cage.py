"""What a process in the cage can no longer do; each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest
from media_streamer import cage

NEEDS_LANDLOCK = pytest.mark.skipif(not cage.version(), reason="this kernel has no Landlock")


def in_cage(code: str, *writable: Path) -> str:
    """What `code` prints in a cage; OSErrors by their names."""
    program = (
        "import errno, os, pathlib, signal, socket, subprocess, sys, threading\n"
        "from media_streamer import cage\n"
        f"cage.enter(map(pathlib.Path, {[str(path) for path in writable]!r}))\n"
        "try:\n"
        + "".join(f"    {line}\n" for line in code.splitlines())
        + "except OSError as error:\n    print(errno.errorcode[error.errno])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@NEEDS_LANDLOCK
def test_files_are_written_in_its_own_folders_only(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    (other / "kept").write_text("kept")
    code = "\n".join(
        (
            f"p = pathlib.Path({str(own)!r})",
            "(p / 'a').write_text('x'); (p / 'a').rename(p / 'b'); (p / 'd').mkdir()",
            "(p / 'b').open('r+').truncate(0); (p / 'b').unlink(); (p / 'd').rmdir()",
            "s = socket.socket(socket.AF_UNIX); s.bind(str(p / 'sock')); s.listen()",
            "print('done')",
        )
    )
    assert in_cage(code, own) == "done"
    attempts = (
        "(p / 'new').write_text('x')",
        "(p / 'kept').write_text('x')",
        "(p / 'kept').unlink()",
        "(p / 'd').mkdir()",
        "os.symlink('/', p / 'l')",
    )
    for attempt in attempts:
        found = in_cage(f"p = pathlib.Path({str(other)!r})\n{attempt}\nprint('done')", own)
        assert found == "EACCES", attempt
    assert in_cage(f"print(open({str(other / 'kept')!r}).read())", own) == "kept"
    assert in_cage("open('/dev/null', 'w').write('x'); print('done')", own) == "done"


@NEEDS_LANDLOCK
def test_no_programs_are_started() -> None:
    assert in_cage("subprocess.run(['/bin/true']); print('done')") in ("EPERM", "EACCES")


@pytest.mark.skipif(cage.version() < 4, reason="this kernel's Landlock knows no ports")
def test_it_listens_on_no_port() -> None:
    assert in_cage("socket.create_server(('127.0.0.1', 0)); print('done')") == "EACCES"
    udp = "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0))"
    assert in_cage(f"{udp}\nprint('done')") == "done", "sources by UDP come in"


@pytest.mark.skipif(cage.version() < 6, reason="this kernel's Landlock knows no signals")
def test_it_signals_nobody_else() -> None:
    assert in_cage("os.kill(os.getppid(), 0); print('done')") == "EPERM"
    assert in_cage("os.kill(os.getpid(), 0); print('done')") == "done"


def test_no_new_privileges_for_its_threads_too() -> None:
    code = (
        "read = lambda: print([l for l in open('/proc/thread-self/status') if 'NoNewPrivs' in l])\n"
        "thread = threading.Thread(target=read); thread.start(); thread.join()"
    )
    assert in_cage(code) == "['NoNewPrivs:\\t1\\n']"


def test_without_landlock_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(cage, "version", lambda: 0)
    monkeypatch.setattr(cage, "_check", lambda result: calls.append(result) or 0)
    monkeypatch.setattr(cage._libc, "prctl", lambda *_: 0)
    monkeypatch.setattr(cage.resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(cage.system_calls, "refuse", lambda: "nothing refused")
    assert "no Landlock in this kernel" in cage.enter([])
    assert calls == [0]
