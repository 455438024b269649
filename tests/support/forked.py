"""Worker processes by fork from one that has imported all of them: 30 ms in place of 1 s of CPU.

`python -m tests.support.forked MODULE…` imports the modules and forks a process of its own for each
request on its standard input: as fresh as one that was started, without the imports. The programs
are those of the product, from their `main()` on. `ForkServer` is a test's end of it.

What a streamer forks its workers from (`media_streamer.fork_server`) is forked as well when the
streamer starts, where all that it would import is imported here; one that dies later is followed by
a real one.

Invariants: every line in is answered by one line out; a child that ended is kept as a zombie until
it was asked for, so its number means nothing else; when the test's end goes, all children go.
"""

import asyncio
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from media_streamer.fork_server import ROOM

from tests.support.process import Process

Request = dict[str, Any]


class ForkServer:
    """Starts `MODULE.main()` in processes of their own; `options` are the interpreter's."""

    def __init__(self, *modules: str, options: tuple[str, ...] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *options, "-m", "tests.support.forked", *modules, ROOM],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def start(
        self, module: str, *arguments: str, log: Path, env: Mapping[str, str] | None = None
    ) -> Process:
        """Standard output and error of the process are appended to `log`."""
        request = {
            "module": module,
            "arguments": list(arguments),
            "log": str(log),
            "env": dict(os.environ if env is None else env),
            "directory": os.getcwd(),
        }
        pid = self.ask(request)["pid"]
        return Process(pid, lambda: int(self.ask({"status": pid})["status"]))

    def ask(self, request: Request) -> Request:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        answer = self._process.stdout.readline()
        assert answer, f"the fork server ended: {self._process.wait(5)}"
        found: Request = json.loads(answer)
        return found

    def close(self) -> None:
        self._process.communicate(timeout=60)


class _ForkServerProcess:
    """What the supervisor asks of the process of a fork server, as of subprocess.Popen."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def _forks_fork_servers() -> None:
    """In a streamer that has not begun."""
    from media_streamer import fork_server
    from media_streamer.supervisor import forks

    start: Callable[..., Any] = forks.launch

    def launch(
        modules: Sequence[str], environment: Mapping[str, str], number: int, *pipes: Any
    ) -> Any:
        """`pipes`: whose turn it is to import; here all of it is imported."""
        if asyncio._get_running_loop() is not None or not sys.modules.keys() >= set(modules):
            return start(modules, environment, number, *pipes)
        pid = os.fork()
        if pid:
            return _ForkServerProcess(pid)
        status = 1
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(number, 3)
            os.closerange(4, 256)
            os.environ.clear()
            os.environ.update(environment)
            sys.argv = [str(fork_server.__file__), "3", *modules, ROOM]
            status = fork_server.main()
        except BaseException:
            traceback.print_exc()
        finally:
            _exit(status)
        raise AssertionError  # for who reads types

    forks.launch = launch


def _exit(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _child(request: Request) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    out = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for standard in (1, 2):
        os.dup2(out, standard)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.closerange(3, 256)  # ours to the test: it must see the end of them when we go
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = [request["module"], *request["arguments"]]
    if "media_streamer.supervisor.forks" in sys.modules:
        _forks_fork_servers()
    try:
        return int(importlib.import_module(request["module"]).main() or 0)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1


def _fork(request: Request) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = _child(request)
        finally:
            _exit(status)
    return pid


def serve(modules: list[str]) -> None:
    """Answer requests until the standard input ends."""
    for module in modules:
        if prepare := getattr(importlib.import_module(module), "prepare", None):
            prepare()
    children: set[int] = set()
    for line in sys.stdin:
        request = json.loads(line)
        if "status" in request:
            pid = request["status"]
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            children.discard(pid)
            answer: Request = {"status": status}
        else:
            pid = _fork(request)
            children.add(pid)
            answer = {"pid": pid}
        print(json.dumps(answer), flush=True)
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the test session's to handle
    serve([word for word in sys.argv[1:] if word.strip()])
