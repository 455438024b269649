"""Streams as text of a configuration file and back, and writes that are only tried."""

from typing import Any

import pytest

from .test_app import BASE, Api, api  # noqa: F401  # the fixture

STREAM: dict[str, Any] = {
    "name": "dir/new",
    "title": "A; b",
    "inputs": [{"url": "rtsp://u:p@192.0.2.1/x", "source_timeout": 7}],
    "dvr": {"root": "/storage", "expiration": 3600},
}


async def test_text_reads_back_as_it_was_written(api: Api) -> None:  # noqa: F811
    before = api.configured()
    status, written = await api.call("POST", f"{BASE}/config/write", json={"streams": [STREAM]})
    assert status == 200
    assert written["text"].startswith("stream dir/new {")
    status, read = await api.call("POST", f"{BASE}/config/read", json=written)
    assert (status, read) == (200, {"streams": [STREAM], "problems": []})
    assert api.configured() == before


async def test_problems_have_their_places(api: Api) -> None:  # noqa: F811
    text = "stream a {\n  input gopher://x;\n}\n"
    _, read = await api.call("POST", f"{BASE}/config/read", json={"text": text})
    assert [(one["line"], one["col"]) for one in read["problems"]] == [(2, 9)]
    assert "gopher" in read["problems"][0]["detail"]
    _, read = await api.call("POST", f"{BASE}/config/read", json={"text": "http 80;"})
    assert "only streams" in read["problems"][0]["detail"]


async def test_what_is_no_text_and_no_stream_is_refused(api: Api) -> None:  # noqa: F811
    for path, body in (("read", {}), ("read", {"text": 5 * [1]}), ("write", {"streams": [{}]})):
        status, answer = await api.call("POST", f"{BASE}/config/{path}", json=body)
        assert (status, answer["error"]) == (400, "validation_error")


async def test_a_tried_write_saves_nothing(api: Api) -> None:  # noqa: F811
    before = api.configured()
    tried = f"{BASE}/streams/a?dry_run=true"
    status, answer = await api.call("PUT", tried, json={"epg_enabled": True, "title": None})
    assert status == 200
    assert "title" not in answer["config_on_disk"]
    assert answer["warnings"] == ["epg_enabled has no effect in this version"]
    status, answer = await api.call("PUT", tried, json={"segment_duration": 7})
    assert (status, answer["errors"][0]["source"]["pointer"]) == (400, "/segment_duration")
    assert api.configured() == before


FILE = """
http 8080;
edit_auth admin HIDDEN;
include /etc/passwd;
auth_backend home { allow ip 10.0.0.0/8; }
template paid {
  on_play auth://home; push rtmp://cdn.example/live/%s; url_prefix http://cdn.example;
}
template studio { prefix live; input publish://; }
stream a { template paid; title A; input rtsp://u:p@192.0.2.1/x; epg_enabled; }
stream b { input gopher://x; }
sip 5060;
nonsense;
"""


async def test_a_file_from_elsewhere_is_told_line_by_line(api: Api) -> None:  # noqa: F811
    before = api.configured()
    status, told = await api.call("POST", f"{BASE}/config/explain", json={"text": FILE})
    assert status == 200
    assert told["streams"][0] == {
        "name": "a",
        "title": "A",
        "inputs": [{"url": "rtsp://u:p@192.0.2.1/x"}],
        "epg_enabled": True,
        "on_play": {"url": "auth://home"},
        "pushes": [{"url": "rtmp://cdn.example/live/a"}],
        "url_prefix": "http://cdn.example",
    }
    assert told["auth_backends"] == [{"name": "home", "allow_ips": ["10.0.0.0/8"]}]
    assert told["broken"] == ["b"]
    lines = {one["line"]: (one["verdict"], one["reasons"]) for one in told["directives"]}
    assert {line: verdict for line, (verdict, _) in lines.items()} == {
        4: "no effect", 10: "no effect", 11: "error", 12: "no effect", 13: "error",
    }  # fmt: skip
    assert "paste" in lines[4][1][0]
    left = {one["line"]: one["directive"] for one in told["left"]}
    assert left == {
        2: "http 8080", 3: "edit_auth …", 9: "template studio", 12: "sip 5060",
    }  # fmt: skip
    assert "HIDDEN" not in str(told)
    assert sum(told["counts"].values()) > 12
    assert api.configured() == before


async def test_any_text_is_told(api: Api) -> None:  # noqa: F811
    for text in ("", "}", "stream", "stream { ; ; }", "template { prefix x; }", "\0"):
        status, told = await api.call("POST", f"{BASE}/config/explain", json={"text": text})
        assert (status, told["streams"]) == (200, []), text


async def test_templates_do_not_multiply_a_file(
    api: Api,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("media_streamer.api.text.MAX_EXPLAINED", 10_000)
    urls = "".join(f"push rtmp://cdn{n}.example/{'x' * 60}; " for n in range(20))
    text = f"template t {{ {urls}}}\n" + "".join(
        f"stream s{n} {{ template t; }}\n" for n in range(9)
    )
    status, told = await api.call("POST", f"{BASE}/config/explain", json={"text": text})
    assert (status, told["errors"][0]["code"]) == (400, "too_large")
    few = "".join(text.splitlines(keepends=True)[:3])
    status, told = await api.call("POST", f"{BASE}/config/explain", json={"text": few})
    assert (status, len(told["streams"])) == (200, 2)
