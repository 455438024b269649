"""The outline has every directive, and says of each what `--check` says."""

import io
from pathlib import Path

import pytest
from media_api.playback import DrmSpec
from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_streamer.config.check import check
from media_streamer.config.outline import Block, _objects, outline
from media_streamer.config.sections import SECTIONS, section_of
from media_streamer.config.shapes import Constant


def block(model: type) -> Block:
    return next(one for one in outline() if one.model is model)


def test_every_spelling_of_every_object_has_a_row() -> None:
    told = {one.model: one for one in outline()}
    assert set(SECTIONS) <= set(told), "an object that no directive leads to"
    for model, one in told.items():
        for spelling, shape in section_of(model).entries.items():
            row = one.row(spelling)
            assert row is not None, (model.__name__, spelling)
            dropped = row.outcome.reason == "no effect here"
            assert dropped or isinstance(shape, Constant) or shape.key in ("", row.key), spelling


def test_every_field_of_every_object_has_a_row() -> None:
    for one in outline():
        keys = {row.key for row in one.rows}
        for name, field in one.model.model_fields.items():
            assert (field.alias or name) in keys, (one.model.__name__, name)


def test_each_row_says_what_may_be_written() -> None:
    for one in outline():
        for row in one.rows:
            assert row.values or row.outcome.state == "none", (one.model.__name__, row.name)
            assert row.outcome.state == "works" or row.outcome.reason


def warned(tmp_path: Path, text: str) -> bool:
    path = tmp_path / "a.conf"
    path.write_text(text)
    out = io.StringIO()
    check(path, {}, out)
    assert ": error: " not in out.getvalue(), out.getvalue()
    return "[not_served]" in out.getvalue() or "unsupported_directive" in out.getvalue()


VALUES = {
    "`true` `false`": "true",
    "duration (`90`, `48h`, `7d`)": "90",
    "keys and values": "a=b",
    "rate (`10G`)": "10G",
}


@pytest.mark.parametrize(
    ("model", "form"), [(ServerConfig, "{};"), (StreamConfig, "stream s {{ {}; }}")]
)
def test_what_is_said_is_what_check_says(model: type, form: str, tmp_path: Path) -> None:
    tried = 0
    for row in block(model).rows:
        value = VALUES.get(row.values)
        if value is None or row.outcome.state == "partly":
            continue
        tried += 1
        line = form.format(f"{row.name} {value}")
        assert warned(tmp_path, line) == (row.outcome.state == "none"), line
    assert tried >= 5


def test_an_object_that_does_nothing_has_no_part_that_works() -> None:
    """Wherever it is held: in the server, a stream, a source, a location, a transcoder."""
    holders: dict[type, list[str]] = {}
    for one in outline():
        for name, held in _objects(section_of(one.model)):
            row = one.row(name)
            assert row is not None
            holders.setdefault(held, []).append(row.outcome.state)
    for one in outline():
        if holders.get(one.model) and set(holders[one.model]) == {"none"}:
            assert all(row.outcome.state == "none" for row in one.rows), one.model.__name__
    idle = {one.model for one in outline() if all(r.outcome.state == "none" for r in one.rows)}
    assert DrmSpec not in idle


def test_an_option_whose_value_decides_is_asked_with_one_that_works() -> None:
    row = block(ServerConfig).row("init_script")
    assert row is not None
    assert row.outcome.state == "works"
