"""One run of a script: what it finds, and what it may not do. Used in the script's process only.

Invariants: a run has an interpreter of its own, so nothing is left of it for the next one. There is
no `io`, `os.execute`, `require`, `load`, `debug`; memory and instructions are bounded. What a
script sees of us are tables and functions: attributes of Python objects are closed to it.

The bounds hold against mistakes. What gets around them (a `pcall` that swallows the error of the
time limit, a pattern that takes for ever) ends with the process, which its owner kills.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from lupa import lua54

from media_streamer.lua.fetch import Fetch

MEMORY_BYTES = 32 * 1024 * 1024
CPU_SECONDS = 2.0
HOOK_INSTRUCTIONS = 100_000
MAX_DEPTH = 32
LOG_LEVELS = ("debug", "info", "warning", "error")
MAX_LOG_LINES = 100
MAX_LOG_CHARACTERS = 2000

_CLOSED = (
    "io", "require", "package", "load", "loadfile", "dofile", "python", "collectgarbage", "warn",
)  # fmt: skip
_PREPARE = """
local clock, limit, sethook, create, wrap = ...
getmetatable(clock).__metatable = "closed"
local function stop()
    if clock() > limit then error("the script runs for too long", 2) end
end
sethook(stop, "", {instructions})
local function watched(f)
    return function(...) sethook(stop, "", {instructions}) return f(...) end
end
coroutine.create = function(f) return create(watched(f)) end
coroutine.wrap = function(f) return wrap(watched(f)) end
os = {{time = os.time, clock = os.clock, date = os.date, difftime = os.difftime}}
string.dump = nil
debug = nil
"""

Log = Callable[[str, str], None]
"""`log(level, text)`."""


class ScriptError(Exception):
    """The script failed; the text says where and why."""


def run(
    source: str, name: str, given: Mapping[str, Any], log: Log, fetch: Fetch | None = None
) -> list[Any]:
    """Values that the script returns. `given`: its globals, as JSON has values.

    Raises ScriptError.
    """
    lua = lua54.LuaRuntime(
        unpack_returned_tuples=True,
        register_eval=False,
        register_builtins=False,
        attribute_filter=_no_attributes,
        max_memory=MEMORY_BYTES,
        encoding="utf-8",
    )
    try:
        compiled = lua.eval("function(text, name) return load(text, name, 't') end")(
            source, f"@{name}"
        )
        chunk, complaint = compiled if isinstance(compiled, tuple) else (compiled, None)
        if chunk is None:
            raise ScriptError(str(complaint))
        _close(lua)
        room = lua.globals()
        for key, value in given.items():
            room[key] = _to_lua(lua, value)
        _open(lua, log, fetch or Fetch())
        found = chunk()
        return [_to_python(one) for one in (found if isinstance(found, tuple) else (found,))]
    except ScriptError:
        raise
    except lua54.LuaMemoryError:
        raise ScriptError(f"it needs more than {MEMORY_BYTES >> 20} MiB") from None
    except Exception as error:  # of Lua, or of one of our functions that it called
        text = str(error).partition("\nstack traceback")[0]
        raise ScriptError(text[:MAX_LOG_CHARACTERS] or type(error).__name__) from None


def _no_attributes(_: object, name: object, __: bool) -> object:
    raise AttributeError(f"there is no {name}")


def _close(lua: "lua54.LuaRuntime") -> None:
    room = lua.globals()
    prepare = lua.eval(f"function(...) {_PREPARE.format(instructions=HOOK_INSTRUCTIONS)} end")
    limit = time.thread_time() + CPU_SECONDS
    prepare(time.thread_time, limit, room.debug.sethook, room.coroutine.create, room.coroutine.wrap)
    for name in _CLOSED:
        room[name] = None


def _open(lua: "lua54.LuaRuntime", log: Log, fetch: Fetch) -> None:
    lines = [0]

    def say(level: str) -> Callable[..., None]:
        def write(*values: object) -> None:
            lines[0] += 1
            if lines[0] <= MAX_LOG_LINES:
                log(level, "\t".join(_text(one) for one in values)[:MAX_LOG_CHARACTERS])

        return write

    def get(url: str, options: Any = None) -> Any:
        return _to_lua(lua, fetch.ask("GET", url, None, _mapping(options)))

    def post(url: str, body: Any = "", options: Any = None) -> Any:
        data = body if isinstance(body, str) else json.dumps(_to_python(body))
        return _to_lua(lua, fetch.ask("POST", url, data, _mapping(options)))

    def decode(text: str) -> Any:
        return _to_lua(lua, json.loads(text))

    room = lua.globals()
    room.print = say("info")
    room.log = lua.table_from({level: say(level) for level in LOG_LEVELS})
    room.http = lua.table_from({"get": get, "post": post, "qs_encode": _qs_encode})
    room.json = lua.table_from({"encode": _json_encode, "decode": decode})


def _qs_encode(table: Any) -> str:
    return urlencode(_query(table))


def _json_encode(value: Any = None) -> str:
    return json.dumps(_to_python(value), ensure_ascii=False)


def _query(table: Any) -> list[tuple[str, str]]:
    found = _mapping(table)
    return [(str(key), _text(value)) for key, value in sorted(found.items())]


def _mapping(table: Any) -> dict[str, Any]:
    found = _to_python(table)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _to_lua(lua: "lua54.LuaRuntime", value: Any, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError("a table is nested too deeply")
    if isinstance(value, Mapping):
        return lua.table_from({k: _to_lua(lua, v, depth + 1) for k, v in value.items()})
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return lua.table_from([_to_lua(lua, one, depth + 1) for one in value])
    return value


def _to_python(value: Any, depth: int = 0) -> Any:
    """A list for a table whose keys are 1 to n, an object for any other."""
    if depth > MAX_DEPTH:
        raise ValueError("a table is nested too deeply, or holds itself")
    if lua54.lua_type(value) != "table":
        return value if isinstance(value, str | int | float | bool | None) else str(type(value))
    items = {key: _to_python(one, depth + 1) for key, one in value.items()}
    if items and list(items) == list(range(1, len(items) + 1)):
        return list(items.values())
    return {str(key): one for key, one in items.items()}
