"""What a process in the cage can no longer do; each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from media_streamer import cage

NEEDS_LANDLOCK = pytest.mark.skipif(not cage.version(), reason="this kernel has no Landlock")


def in_cage(
    code: str,
    *writable: Path,
    read: tuple[Path, ...] = (),
    place: str = "",
    listens: bool = False,
) -> str:
    """What `code` prints in a cage; OSErrors by their names."""
    limits = (
        f"cage.Limits(map(pathlib.Path, {[str(path) for path in writable]!r}),"
        f" map(pathlib.Path, {[str(path) for path in read]!r}),"
        f" map(pathlib.Path, {[place] if place else []!r}))"
    )
    program = (
        "import errno, os, pathlib, signal, socket, subprocess, sys, threading\n"
        "from media_streamer import cage\n"
        f"cage.enter({limits}, listens={listens})\n"
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
    read = f"print(open({str(other / 'kept')!r}).read())"
    assert in_cage(read, own) == "EACCES"
    assert in_cage(read, own, read=(other,)) == "kept"
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


def test_capabilities_that_reach_others_are_dropped() -> None:
    code = "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('CapEff')][0])"
    kept = int(in_cage(code, listens=True), 16)
    for number in (5, 12, 16, 17, 19, 21, 25, 27, 38, 39, 40):  # kill … sys_ptrace … perfmon, bpf
        assert not kept >> number & 1, number


def test_capabilities_that_cannot_be_dropped_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hardened service may refuse the call: the rest of the cage stands."""

    def refused(result: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(cage, "_check", refused)
    assert cage._drop_capabilities() == " (capabilities stay: Operation not permitted)"


def test_without_landlock_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(cage, "version", lambda: 0)
    monkeypatch.setattr(cage, "_check", lambda result: calls.append(result) or 0)
    monkeypatch.setattr(cage._libc, "prctl", lambda *_: 0)
    monkeypatch.setattr(cage, "_drop_capabilities", lambda: "")
    monkeypatch.setattr(cage.resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(cage.system_calls, "refuse", lambda: "nothing refused")
    assert "no Landlock in this kernel" in cage.enter(cage.Limits())
    assert "so files of others can be read and written" in cage.enter(cage.Limits())
    assert calls == [0] * 2


SECRETS = ("/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssl/private", "/root", "/home",
           "/var/lib", "/var/log", "/tmp", "/run", "/boot", "/dev/shm")  # fmt: skip
"""Of every machine; those that there are must not be read."""


@NEEDS_LANDLOCK
def test_secrets_are_not_read(tmp_path: Path) -> None:
    """Whoever runs it may read them: root does here, the owner of the server elsewhere."""
    made = {}
    for name in ("flussonic.conf", "state/config_external.json", "tls/server.key", "archive/a.mp4"):
        made[name] = tmp_path / name
        made[name].parent.mkdir(exist_ok=True)
        made[name].write_text("secret")
    films = tmp_path / "films"
    films.mkdir()
    (films / "link.mp4").symlink_to(made["flussonic.conf"])
    there = [name for name in SECRETS if Path(name).exists()]
    paths = [*there, *map(str, made.values()), str(films / "link.mp4"), f"/proc/{os.getpid()}/stat"]
    code = (
        f"for path in {paths!r}:\n"
        "    try:\n"
        "        os.listdir(path) if os.path.isdir(path) else open(path).read()\n"
        "        print(path)\n"
        "    except PermissionError: pass\n"
        "print('none')"
    )
    assert in_cage(code, read=(films,)) == "none"
    for name in ("environ", "maps", "mem", "cmdline", "fd"):
        path = f"/proc/{os.getpid()}/{name}"
        attempt = "os.listdir" if name == "fd" else "open"
        assert in_cage(f"{attempt}({path!r}); print('read')") in ("EACCES", "EPERM"), name


@NEEDS_LANDLOCK
def test_who_listens_is_confined_but_for_that(tmp_path: Path) -> None:
    for name in ("environ", "maps", "mem"):
        path = f"/proc/{os.getpid()}/{name}"
        assert in_cage(f"open({path!r}); print('read')", listens=True) == "EACCES", name
    (tmp_path / "kept").write_text("kept")
    for attempt in (f"open({str(tmp_path / 'kept')!r})", f"os.mkdir({str(tmp_path / 'new')!r})"):
        assert in_cage(f"{attempt}; print('done')", listens=True) == "EACCES", attempt
    listening = "socket.create_server(('127.0.0.1', 0)); import zoneinfo, lupa; print('done')"
    assert in_cage(listening, listens=True) == "done"
    runs = "subprocess.run(['/bin/true']); print('done')"
    assert in_cage(runs, listens=True) in ("EPERM", "EACCES")
    if cage.version() >= 6:
        assert in_cage("os.kill(os.getppid(), 0); print('done')", listens=True) == "EPERM"


@NEEDS_LANDLOCK
def test_what_python_and_its_libraries_need_is_read() -> None:
    code = (
        "import importlib, ssl, zoneinfo, mimetypes, xml.dom.minidom, encodings.idna, lzma\n"
        "mimetypes.init(); ssl.create_default_context()\n"
        "for name in ('media_streamer.protocols.hls.pull', 'media_streamer.transcoder.engine',\n"
        "             'PIL.ImageFont', 'lupa', 'media_api.stream', 'obstore'):\n"
        "    importlib.import_module(name)\n"
        "from PIL import ImageFont; ImageFont.load_default(20)\n"
        "socket.getaddrinfo('localhost', 80)\n"
        "open('/proc/self/status').read(); open('/proc/self/statm').read()\n"
        "open('/proc/meminfo').read(); os.listdir('/proc/self/fd'); os.cpu_count()\n"
        "open('/etc/hosts').read(); os.urandom(1); open('/dev/urandom', 'rb').read(1)\n"
        "threading.Thread(target=lambda: print(len(open('/proc/thread-self/stat').read()) > 9))"
        ".start()"
    )
    assert in_cage(code) == "True"


@NEEDS_LANDLOCK
def test_in_a_place_sockets_are_made_and_nothing_is_read(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    code = "\n".join(
        (
            f"p = pathlib.Path({str(tmp_path)!r})",
            "s = socket.socket(socket.AF_UNIX); s.bind(str(p / 'sock')); s.listen()",
            "(p / 'a').write_bytes(b'x'); (p / 'a').rename(p / 'b')",
            "c = socket.socket(socket.AF_UNIX); c.connect(str(p / 'sock'))",
            "print(len(list(p.glob('*'))))",
            "open(p / 'kept').read()",
        )
    )
    assert in_cage(code, place=str(tmp_path)) == "3\nEACCES"
