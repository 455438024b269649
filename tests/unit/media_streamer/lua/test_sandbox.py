"""What scripts can do, and what they cannot."""

from typing import Any

import pytest
from media_streamer.lua import sandbox
from media_streamer.lua.sandbox import ScriptError, run


def lua(source: str, **given: Any) -> list[Any]:
    return run(source, "test.lua", given, lambda level, text: None)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("return true, {auth_time = 30, user_id = 'u', share = 0.5}",
         [True, {"auth_time": 30, "user_id": "u", "share": 0.5}]),
        ("return req.name .. '!', #req.keys, req.deep.er", ["s!", 2, 7]),
        ("return http.qs_encode({b = 1, a = 'x y', c = true})", ["a=x+y&b=1&c=true"]),
        ("return json.decode('[1, {\"a\": null}]')[1], json.encode({1, 2})", [1, "[1, 2]"]),
        ("return ('x'):rep(3), string.format('%d', 4), table.concat({1, 2}, ',')",
         ["xxx", "4", "1,2"]),
        ("return {}, {1, 2}, {[2] = 'b'}", [{}, [1, 2], {"2": "b"}]),
        ("", [None]),
        ("return 'Ж', utf8.len('Ж')", ["Ж", 1]),
    ],
)  # fmt: skip
def test_values_go_in_and_out(source: str, found: list[Any]) -> None:
    assert lua(source, req={"name": "s", "keys": [1, 2], "deep": {"er": 7}}) == found


@pytest.mark.parametrize(
    "name",
    ["io", "os.execute", "os.getenv", "os.remove", "os.exit", "require", "package", "load",
     "loadfile", "dofile", "debug", "python", "collectgarbage", "string.dump"],
)  # fmt: skip
def test_there_is_no(name: str) -> None:
    assert lua(f"return {name}") == [None]


@pytest.mark.parametrize(
    "source",
    ["return http.get.__globals__", "return http.get.__class__", "http.get.x = 1",
     "return log.info.__self__", "getmetatable(http.get).__index = print"],
)  # fmt: skip
def test_our_objects_are_closed(source: str) -> None:
    with pytest.raises(ScriptError):
        lua(source)
    assert lua("return getmetatable(http.get)") == ["closed"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("error('boom')", "test.lua:1: boom"),
        ("return nothing.there", "nil value"),
        ("retrun 1", "syntax error"),
        ("local t = {} t.t = t return t", "too deeply"),
        ("json.decode('{')", "Expecting"),
        ("\x1bLua", "binary"),
    ],
)
def test_what_is_wrong_is_told(source: str, words: str) -> None:
    with pytest.raises(ScriptError, match=words):
        lua(source)


@pytest.mark.parametrize(
    "source",
    ["while true do end", "coroutine.wrap(function() while true do end end)()",
     "local c = coroutine.create(function() while true do end end) coroutine.resume(c) "
     "while true do end"],
)  # fmt: skip
def test_a_loop_ends(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "CPU_SECONDS", 0.05)
    with pytest.raises(ScriptError, match="too long"):
        lua(source)


@pytest.mark.parametrize(
    "source",
    ["local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end", "return ('x'):rep(1 << 40)"],
)
def test_memory_has_a_bound(source: str) -> None:
    with pytest.raises(ScriptError, match=r"MiB|too large"):
        lua(source)


def test_nothing_is_left_for_the_next_run() -> None:
    lua("mine = 1; string.mine = 2; http.mine = 3")
    assert lua("return mine, string.mine, http.mine") == [None, None, None]


def test_what_is_said_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, str]] = []
    run(
        "print(1, nil, true) log.error(('x'):rep(9999)) for i = 1, 999 do print(i) end",
        "test.lua",
        {},
        lambda level, text: said.append((level, text)),
    )
    assert said[0] == ("info", "1\tnil\ttrue")
    assert said[1] == ("error", "x" * sandbox.MAX_LOG_CHARACTERS)
    assert len(said) == sandbox.MAX_LOG_LINES


def test_a_server_that_is_not_there_is_an_answer() -> None:
    assert lua("local a = http.get('http://127.0.0.1:1/') return a.code, a.error") == [
        0,
        "Connection refused",
    ]
    assert lua("return http.get('file:///etc/passwd').error")[0].startswith("http(s)://")
