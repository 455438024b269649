"""`python -m media_streamer.lua.process FILE`: runs one script whenever it is told to.

A line of JSON on standard input is a run: `{"id", "globals"}`. Lines on standard output are what
came of it: `{"id", "result"}` or `{"id", "error"}`, and `{"log": LEVEL, "text"}` from within a run.
The file is read at each run, so an edited script holds at once; where Landlock is, one that was
replaced cannot be read from here, and `{"id", "stale"}` asks for another process. Runs are threads;
the end of the input is the end of the process.

Bounds: memory, CPU time of a run (RLIMIT_CPU moves on with each), no core, no file written, none
read but the script and what Python needs (by Landlock, if any), the lowest priority but one.
"""

import contextlib
import json
import os
import resource
import stat
import sys
import threading
from pathlib import Path
from typing import Any

from media_streamer import cage
from media_streamer.lua.sandbox import CPU_SECONDS, ScriptError, run

MAX_SCRIPT_BYTES = 1024 * 1024
ADDRESS_SPACE_BYTES = 1024 * 1024 * 1024
STACK_BYTES = 4 * 1024 * 1024
DESCRIPTORS = 256
NICE = 10

_writing = threading.Lock()


def main() -> int:
    path = Path(sys.argv[1])
    began_with = _identity(path)
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    with contextlib.suppress(OSError):
        cage.enter(cage.Limits(read=[path]))
    threading.stack_size(STACK_BYTES)
    for line in sys.stdin.buffer:
        _allow_cpu()
        request = json.loads(line)
        try:
            arguments = (path, began_with, request)
            threading.Thread(target=_run, args=arguments, daemon=True).start()
        except RuntimeError as error:
            _tell({"id": request["id"], "error": f"no room for another run: {error}"})
    return 0


def _allow_cpu() -> None:
    """What all runs together may still take: twice the limit of one, so that its error is first."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime + 4 * CPU_SECONDS) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _run(path: Path, began_with: tuple[int, int] | None, request: dict[str, Any]) -> None:
    answer: dict[str, Any] = {"id": request["id"]}
    try:
        script = read_script(path)
    except (ScriptError, OSError) as error:
        answer["error"] = str(getattr(error, "strerror", None) or error)
        if isinstance(error, PermissionError) and _identity(path) != began_with:
            answer["stale"] = True
        _tell(answer)
        return
    try:
        answer["result"] = run(script, path.name, request["globals"], _log)
    except (ScriptError, OSError) as error:
        answer["error"] = str(getattr(error, "strerror", None) or error)
    except BaseException as error:  # the run must be answered
        answer["error"] = f"{type(error).__name__}: {error}"
    try:
        _tell(answer)
    except (ValueError, TypeError) as error:
        _tell({"id": request["id"], "error": f"what it returns is no JSON: {error}"})


def read_script(path: Path) -> str:
    """Raises OSError, ScriptError."""
    with path.open("rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ScriptError("it is no file")
        data = file.read(MAX_SCRIPT_BYTES + 1)
    if len(data) > MAX_SCRIPT_BYTES:
        raise ScriptError(f"it is larger than {MAX_SCRIPT_BYTES >> 20} MiB")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ScriptError("it is no UTF-8 text") from None


def _log(level: str, text: str) -> None:
    _tell({"log": level, "text": text})


def _tell(line: dict[str, Any]) -> None:
    data = json.dumps(line, allow_nan=False).encode() + b"\n"
    with _writing:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
