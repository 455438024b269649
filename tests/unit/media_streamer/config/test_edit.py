"""Saving changes only the block concerned, or nothing at all."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from media_api.base import ApiModel
from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_streamer.config import EditError, parse, save_global, save_objects
from media_streamer.config.edit import replace_global

FILE = """\
# the cameras of the yard
http 80;   # do not touch

stream gate { # front
  input rtsp://cam/1;
}

  stream  yard rtsp://cam/2 ;  # one line
# the end
"""


def stream(**values: object) -> StreamConfig:
    return StreamConfig.model_validate(values)


Replaced = Callable[..., str]


@pytest.fixture
def replaced(tmp_path: Path) -> Replaced:
    """`text` after one object of it was saved."""
    file = tmp_path / "flussonic.conf"

    def save(text: str, key: str, name: str, item: ApiModel | None) -> str:
        file.write_text(text)
        save_objects([file], key, {name: item})
        return file.read_text()

    return save


def test_only_the_block_of_the_stream_is_replaced(replaced: Replaced) -> None:
    new = stream(name="gate", inputs=[{"url": "rtsp://cam/9"}], title="Gate 9")
    assert replaced(FILE, "streams", "gate", new) == FILE.replace(
        "stream gate { # front\n  input rtsp://cam/1;\n}",
        'stream gate {\n  title "Gate 9";\n  input rtsp://cam/9;\n}',
    )


def test_a_one_line_stream_keeps_its_comment(replaced: Replaced) -> None:
    text = replaced(FILE, "streams", "yard", stream(name="yard"))
    assert "  stream yard { }  # one line\n# the end\n" in text


def test_a_new_stream_is_appended(replaced: Replaced) -> None:
    text = replaced(FILE, "streams", "new", stream(name="new"))
    assert text == FILE + "\nstream new { }\n"


def test_a_deleted_stream_takes_its_lines_along(replaced: Replaced) -> None:
    text = replaced(FILE, "streams", "gate", None)
    assert text == FILE.replace("stream gate { # front\n  input rtsp://cam/1;\n}\n", "")
    yard = replaced(FILE, "streams", "yard", None)
    assert yard.endswith("}\n\n    # one line\n# the end\n")


def test_globals_are_replaced_set_and_taken_out() -> None:
    assert "loglevel debug;" in replace_global(FILE, "loglevel", "debug")
    assert replace_global("a;http 80;\nhttp 81;\n".replace("a;", ""), "listeners", None) == ""
    text = replace_global("no_auto_token; # x\n", "auto_token", "uuid")
    assert text == "auto_token uuid; # x\n"
    text = replace_global(FILE, "listeners", {"http": [{"port": 90}], "rtmp": [{"port": 1935}]})
    assert "\nhttp 90;\nrtmp 1935;   # do not touch\n" in text


def test_a_live_block_is_replaced_as_the_template_it_is(replaced: Replaced) -> None:
    template = parse("live pub { title x; }").config.templates[0]
    template.password = "secret"
    text = replaced("# a\nlive pub { }\n# b\n", "templates", "pub", template)
    assert text.startswith("# a\ntemplate pub {\n")
    assert text.endswith("}\n# b\n")


def test_a_file_with_syntax_errors_is_not_touched(replaced: Replaced) -> None:
    with pytest.raises(EditError, match="syntax error in line 1") as caught:
        replaced("http 80\nstream a { }", "streams", "a", None)
    assert caught.value.problems[0].code == "missing_semicolon"


def test_a_name_that_differs_from_the_object_is_refused(replaced: Replaced) -> None:
    with pytest.raises(EditError, match="differ"):
        replaced(FILE, "streams", "gate", stream(name="other"))


def test_the_file_that_declares_the_stream_is_written(tmp_path: Path) -> None:
    main, drop_in = tmp_path / "a.conf", tmp_path / "b.conf"
    main.write_text("http 80;\r\n")
    drop_in.write_text("stream a { }\n")
    os.chmod(drop_in, 0o600)
    files = [main, drop_in]
    assert save_objects(files, "streams", {"a": stream(name="a", title="A")}) == [drop_in]
    assert drop_in.read_text() == "stream a {\n  title A;\n}\n"
    assert drop_in.stat().st_mode & 0o777 == 0o600
    assert save_objects(files, "streams", {"b": stream(name="b")}) == [main]
    assert main.read_bytes().startswith(b"http 80;\r\n")
    assert save_global(files, "loglevel", "debug") == main
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.conf", "b.conf"]


def test_many_objects_are_saved_at_once_or_not_at_all(tmp_path: Path) -> None:
    main, drop_in = tmp_path / "a.conf", tmp_path / "b.conf"
    main.write_text("stream a { }\nstream gone { }\n# end\n")
    drop_in.write_text("stream b { }\n")
    items = {
        "a": stream(name="a", title="A"),
        "b": stream(name="b", title="B"),
        "c": stream(name="c"),
        "d": stream(name="d"),
        "gone": None,
        "never": None,
    }
    assert save_objects([main, drop_in], "streams", items) == [main, drop_in]
    assert main.read_text() == (
        "stream a {\n  title A;\n}\n# end\n\nstream c { }\n\nstream d { }\n"
    )
    assert drop_in.read_text() == "stream b {\n  title B;\n}\n"
    before = main.read_text()
    with pytest.raises(EditError):
        save_objects([main], "streams", {"a": None, "b": stream(name="other")})
    assert main.read_text() == before


def test_a_link_stays_a_link_and_a_missing_file_is_made(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    link.symlink_to(real)
    save_objects([link], "streams", {"a": stream(name="a")})
    assert link.is_symlink()
    assert parse(real.read_text()).config == ServerConfig.model_validate(
        {"streams": [{"name": "a"}]}
    )


def test_what_a_file_of_json_declares_is_changed_where_it_comes_from(tmp_path: Path) -> None:
    """The operator hands over a Streamer's directives so; all else can be saved beside them."""
    main, given = tmp_path / "a.conf", tmp_path / "00-resource.json"
    main.write_text(FILE)
    text = '{"max_sessions": 5, "templates": [{"name": "t"}], "caches": null}'
    given.write_text(text)
    files = [main, given]
    assert save_global(files, "url_prefix", "http://cdn/") == main
    assert save_objects(files, "streams", {"x": stream(name="x")}) == [main]
    with pytest.raises(EditError, match=r"max_sessions stands in .*00-resource.json"):
        save_global(files, "max_sessions", 6)
    with pytest.raises(EditError, match="templates: t stands in"):
        save_objects(files, "templates", {"t": None})
    for wrong in ("[", '{"templates": {"t": {}}, "streams": ["x"]}'):
        given.write_text(wrong)
        assert save_global(files, "max_sessions", 7) == main
        assert save_objects(files, "templates", {"t": None}) == [main]
        assert save_objects(files, "streams", {"x": stream(name="x")}) == [main]
    with pytest.raises(EditError, match=r"00-resource.json is JSON"):
        save_objects([given], "templates", {"t": None})
    with pytest.raises(EditError, match=r"00-resource.json is JSON"):
        save_global([given], "url_prefix", "http://cdn/")
