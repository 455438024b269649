"""The process that workers are forked from: `python -m media_streamer.fork_server FD MODULE…`.

Role: import what workers are made of once, and be copied for each of them: a worker begins in
milliseconds in place of a second of CPU time, and shares the memory of what it does not change. It
does what it is told over a socket (`supervisor/forks.py`), hears no stranger, and lives as long as
its supervisor holds the other end.

Invariants: it has one thread, no event loop and no descriptors but the standard three and the
socket; a worker has the standard three. Its environment is that of the workers, without secrets
(`supervisor/processes.py`). Nobody's parent: a worker belongs to the supervisor, which alone learns
how it ends, and lives on when this process dies. A worker begins when the supervisor was told of
it, and not at all if it was not. What it runs is the program's `main()`, as by `python -m`.

Once it has imported it says `READY`. Requests are words with NUL between them: module, arguments.
Answers: a process id, or `!` and why there is none.
"""

import contextlib
import ctypes
import errno
import gc
import importlib
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from media_process import collector
from media_process.heap import trim

MAX_REQUEST_BYTES = 64 * 1024
ROOM = " " * 4096
"""The last word of the command line, in place of which a worker writes its own (proc(5), cmdline):
there is no other way to a longer one without privileges (prctl(2), PR_SET_MM)."""
READY = b"ready"
IMPORTED, TURN = "--imported=", "--turn="
"""Words with an end of a pipe: one server imports once another, which holds the other end, has."""
TURN_SECONDS = 5.0
"""Longest wait for another's import, which takes one on a core of its own."""
_GO = b"1"
_ENDING = frozenset({signal.SIGTERM, signal.SIGINT})
"""They may come to all of a service at once; this process ends with its socket. Blocked, not
ignored: a worker that is told to end before it has become one hears of it then."""


def main() -> int:
    """Serve; in each copy of this process, what it is told to run. Returns its exit status."""
    # The supervisor blocks some as long as it begins.
    signal.pthread_sigmask(signal.SIG_SETMASK, _ENDING)
    collector.hold_off()
    descriptor, *words = sys.argv[1:]
    modules = [word for word in words if word.strip() and not word.startswith((TURN, IMPORTED))]
    kinds = (module.split(".")[1] for module in modules)
    call_yourself([*_interpreter(), "-m", "media_streamer.fork_server", *kinds])
    _wait([word for word in words if word.startswith(TURN)])
    for module in modules:
        prepare = getattr(importlib.import_module(module), "prepare", None)
        if prepare is not None:
            prepare()
    for word in words:
        if word.startswith(IMPORTED):
            os.close(int(word.removeprefix(IMPORTED)))
    trim()
    gc.freeze()
    with socket.socket(fileno=int(descriptor)) as channel:
        request = _serve(channel, modules)
    if request is None:
        return 0
    gc.enable()
    return _become(request)


def _wait(turns: Sequence[str]) -> None:
    """Until the other end of each of these pipes is closed, or its process has ended."""
    for word in turns:
        turn = int(word.removeprefix(TURN))
        select.select([turn], [], [], TURN_SECONDS)
        os.close(turn)


def _serve(channel: socket.socket, modules: Sequence[str]) -> list[str] | None:
    """Until the supervisor is gone: None. In a worker: its module and arguments."""
    with contextlib.suppress(ConnectionError):
        channel.send(READY)
        while request := channel.recv(MAX_REQUEST_BYTES):
            words = os.fsdecode(request).split("\0")
            try:
                if words[0] not in modules:
                    raise OSError(f"{words[0]} is not one of {', '.join(modules)}")
                if _begin(channel):
                    return words
            except ConnectionError:
                return None
            except OSError as error:
                channel.send(b"!" + os.fsencode(str(error)))
    return None


def _begin(channel: socket.socket) -> bool:
    """Fork a worker and tell its process id; True in the worker. Raises OSError."""
    told, tell = os.pipe()
    try:
        pid = _fork_apart()
        if pid:
            channel.send(b"%d" % pid)
            with contextlib.suppress(BrokenPipeError):  # it was killed already
                os.write(tell, _GO)
            return False
        os.close(tell)
        tell = -1
        if os.read(told, 1) != _GO:  # nobody knows of this worker
            os._exit(0)
        return True
    finally:
        os.close(told)
        if tell >= 0:
            os.close(tell)


def _fork_apart() -> int:
    """fork(2) a process that is not our child but that of our supervisor, the next above us that
    takes orphans (prctl(2), PR_SET_CHILD_SUBREAPER). Its process id; 0 in it. Raises OSError."""
    heard, say = os.pipe()
    between = os.fork()
    if between == 0:
        os.close(heard)
        try:
            pid = os.fork()
        except OSError:
            os._exit(1)
        if pid:
            os.write(say, b"%d" % pid)
            os._exit(0)
        os.close(say)
        return 0
    os.close(say)
    try:
        answer = os.read(heard, 32)
    finally:
        os.close(heard)
        os.waitpid(between, 0)
    if not answer:
        raise BlockingIOError(errno.EAGAIN, "there is no room for another process")
    return int(answer)


def _become(request: Sequence[str]) -> int:
    """Be the worker that is wanted; its exit status."""
    # Ctrl-C in a terminal goes to the whole group: the supervisor alone ends workers.
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    module, *arguments = request
    call_yourself([*_interpreter(), "-m", module, *arguments])
    sys.argv = [str(sys.modules[module].__file__), *arguments]
    return int(sys.modules[module].main())


def _interpreter() -> list[str]:
    """With its options, as it was called."""
    return sys.orig_argv[: sys.orig_argv.index("-m")]


def call_yourself(words: Sequence[str]) -> None:
    """Let others read these words as the command line of this process, as far as there is room
    (proc(5), cmdline; where it lies: stat, fields 48 and 49)."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    text = b"".join(os.fsencode(word) + b"\0" for word in words)[: max(end - begin - 1, 0)]
    if begin:
        ctypes.memset(begin, 0, end - begin)
        ctypes.memmove(begin, text, len(text))


if __name__ == "__main__":
    sys.exit(main())
