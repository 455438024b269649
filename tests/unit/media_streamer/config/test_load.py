"""Files, drop-ins, includes and the environment."""

import io
from pathlib import Path

from media_streamer.config import load
from media_streamer.config.check import check


def codes(path: Path, environ: dict[str, str] | None = None) -> list[str]:
    return [error.code for error in load(path, environ or {}).errors]


def write(directory: Path, **files: str) -> Path:
    """Files by name (`a__b` is a/b with .conf); returns main.conf."""
    for name, text in files.items():
        path = directory / (name.replace("__", "/") + ".conf")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory / "main.conf"


def test_drop_ins_and_includes_are_one_configuration(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        main="http 80;\ninclude more/*.conf;\nstream b { }\n",
        more__2="stream a2 { }",
        more__1="stream a1 { }",
    )
    drop_ins = tmp_path / "main.conf.d"
    drop_ins.mkdir()
    (drop_ins / "z.conf").write_text("stream c { }")
    (drop_ins / "ignored.txt").write_text("nonsense")
    loaded = load(main, {})
    assert loaded.errors == []
    assert [stream.name for stream in loaded.config.streams] == ["a1", "a2", "b", "c"]
    assert [path.name for path in loaded.files] == ["main.conf", "1.conf", "2.conf", "z.conf"]


def test_problems_name_their_file(tmp_path: Path) -> None:
    main = write(tmp_path, main="include x.conf;\nstream a { }", x="\n  streem x;\nstream a { }")
    errors = load(main, {}).errors
    assert [(e.code, Path(e.filename).name, e.line, e.col) for e in errors] == [
        ("duplicate_name", "main.conf", 2, 8),
        ("unknown_directive", "x.conf", 2, 3),
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert codes(tmp_path / "none.conf") == ["missing_file"]
    assert codes(tmp_path) == ["unreadable_file"]
    main = write(tmp_path, main="include nothing.conf; include none*.conf; http 80;")
    assert codes(main) == ["missing_file"]
    main = write(tmp_path, main="include main.conf;")
    assert codes(main) == ["included_twice"]
    main.write_bytes(b"stream a {\n title \xff\xfe; }")
    (error,) = load(main, {}).errors
    assert (error.code, error.line, error.col) == ("bad_encoding", 2, 8)
    main.write_bytes(b"\xef\xbb\xbfhttp 80;\r\nstream a {\r\n}\r\n")
    assert codes(main) == []


def test_the_environment_wins(tmp_path: Path) -> None:
    main = write(tmp_path, main="http 80 { api false; } loglevel debug; edit_auth a b;")
    loaded = load(
        main,
        {
            "FLUSSONIC_HTTP": "80",
            "STREAMER_HOSTNAME": "s1.example",
            "FLUSSONIC_HOSTNAME": "old.example",
            "STREAMER_EDIT_AUTH": "admin:pass",
            "STREAMER_CONFIG_EXTERNAL": "http://key@central:9019/x",
            "FLUSSONIC_LOG_LEVEL": "Error",
            "STREAMER_CLUSTER_KEY": "k",
            "STREAMER_RTMP": "1935",
            "STREAMER_TRUSTED_PROXIES": "10/8, 192.0.2.1",
            "LICENSE_KEY": "x",
            "HOSTNAME": "pod-1",
        },
    )
    assert loaded.errors == []
    assert loaded.config.explicit() == {
        "listeners": {"http": [{"port": 80, "api": False}], "rtmp": [{"port": 1935}]},
        "loglevel": "error",
        "edit_auth": {"login": "admin", "password": "pass"},
        "hostname": "s1.example",
        "config_external": "http://key@central:9019/x",
        "cluster_key": "k",
        "trusted_proxies": ["10.0.0.0/8", "192.0.2.1/32"],
    }


def test_a_bad_variable_is_a_problem(tmp_path: Path) -> None:
    main = write(tmp_path, main="http 80;")
    (error,) = load(main, {"STREAMER_HTTP": "eighty"}).errors
    assert (error.filename, error.code) == ("environment", "bad_value")
    assert "STREAMER_HTTP" in error.detail


def test_check_prints_every_problem_and_fails(tmp_path: Path) -> None:
    main = write(tmp_path, main="http 80\nrtmp x;\niptv;\n")
    out = io.StringIO()
    assert check(main, {}, out) == 1
    lines = out.getvalue().splitlines()
    assert lines[0].startswith(f"{main}:1:8: error: ; is missing")
    assert lines[1].startswith(f"{main}:2:6: error: port must be")
    assert lines[2].startswith(f"{main}:3:1: warning: iptv")
    assert lines[3] == f"{main}: 2 errors"
    main.write_text("http 80; stream a { }")
    out = io.StringIO()
    assert check(main, {}, out) == 0
    assert out.getvalue() == f"{main}: ok, 1 stream\n"


def test_json_drop_ins_say_what_directives_say(tmp_path: Path) -> None:
    main = write(tmp_path, main="http 80;")
    drop_ins = tmp_path / "main.conf.d"
    drop_ins.mkdir()
    resource = drop_ins / "00-resource.json"
    resource.write_text('{"loglevel": "debug", "vods": [{"prefix": "films", "storages": []}]}')
    (drop_ins / "10-more.conf").write_text("stream a { }")
    loaded = load(main, {})
    assert loaded.errors == []
    assert loaded.config.loglevel == "debug"
    assert [vod.prefix for vod in loaded.config.vods] == ["films"]
    assert [stream.name for stream in loaded.config.streams] == ["a"]


def test_broken_json_drop_ins_are_told(tmp_path: Path) -> None:
    main = write(tmp_path, main="http 80;")
    drop_ins = tmp_path / "main.conf.d"
    drop_ins.mkdir()
    resource = drop_ins / "00-resource.json"
    resource.write_text('{"loglevel":\n oops}')
    (error,) = load(main, {}).errors
    assert (error.code, Path(error.filename).name, error.line) == ("syntax_error", resource.name, 2)
    resource.write_text('{"loglevel": "loud", "cluster_key": "not-to-be-shown"}')
    (error,) = load(main, {}).errors
    assert (error.code, error.path) == ("bad_value", ("loglevel",))
    assert "not-to-be-shown" not in str(error)


def test_json_drop_ins_name_what_is_wrong_and_what_is_unknown(tmp_path: Path) -> None:
    main = tmp_path / "flussonic.conf"
    main.write_text("http 8080;\n")
    drop_ins = tmp_path / "flussonic.conf.d"
    drop_ins.mkdir()
    (drop_ins / "a.json").write_text(
        '{"streams": [{"name": "a", "titel": "x", "segment_count": "many"}]}'
    )
    (drop_ins / "b.json").write_text("[1]")
    loaded = load(main, {})
    assert [one.detail for one in loaded.errors] == [
        "streams.0.segment_count must be a whole number",
        "the file must be an object",
    ]
    (warning,) = loaded.warnings
    assert warning.detail.startswith("streams.0.titel: there is no such field")
    assert warning.detail.endswith("did you mean title?")


def test_segments_of_a_group_have_seconds_as_those_of_a_stream(tmp_path: Path) -> None:
    main = tmp_path / "flussonic.conf"
    main.write_text("source h { segment_duration 4; group news { segment_duration 1.5; } }\n")
    loaded = load(main, {})
    assert not loaded.errors
    (source,) = loaded.config.sources
    group = (source.group_config or {})["news"]
    assert (source.segment_duration, group.segment_duration) == (4000, 1500)
