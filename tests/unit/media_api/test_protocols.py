"""The table of protocols says each thing once."""

from collections import Counter
from collections.abc import Iterable

import pytest
from media_api import protocols
from media_api.play_urls import publish_urls
from media_api.protocols import readme
from media_api.server import Listeners, ServerConfig
from media_api.stream import StreamConfig


def twice(words: Iterable[str]) -> list[str]:
    return [word for word, count in Counter(words).items() if count > 1]


def test_names_forms_schemes_and_listeners_are_unique() -> None:
    assert twice(row.name for row in protocols.ROWS) == []
    assert twice(item.name for row in protocols.ROWS for item in row.listeners) == []
    for role in ("play", "publish"):
        forms = [form.name for _, found in protocols.roles(role) for form in found.forms]
        assert twice(forms) == []
    for role in ("pull", "push"):
        found = [(*one.schemes, *one.other_schemes) for _, one in protocols.roles(role)]
        assert twice(scheme for schemes in found for scheme in schemes) == []


@pytest.mark.parametrize("row", protocols.ROWS, ids=lambda row: row.name)
def test_a_row_is_whole(row: protocols.Protocol) -> None:
    """What is played can be switched and reached; what is pulled or pushed has a scheme."""
    if row.play is not None:
        assert row.switch
        assert row.transport != "none"
        assert row.transport == "http" or row.listeners
    # Somebody answers where the row says so.
    assert not row.listeners or row.transport != "none"
    for role in (row.pull, row.push):
        assert role is None or role.schemes
    for role in (row.play, row.publish):
        for form in role.forms if role else ():
            assert "{name}" in form.path


def test_options_of_the_table_exist() -> None:
    known = {*StreamConfig.model_fields, *ServerConfig.model_fields}
    assert protocols.unserved_fields().keys() <= known


def test_listeners_are_those_of_the_table() -> None:
    assert Listeners.model_fields.keys() == protocols.listeners().keys()


def test_what_is_served_says_so_in_every_role() -> None:
    assert protocols.served_listeners().keys() >= {"http", "https", "rtmp", "rtmps"}
    assert {"turn", "snmp"}.isdisjoint(protocols.served_listeners())
    assert protocols.pull_protocol("rtsps") is protocols.find("rtsp")
    assert protocols.pull_protocol("rtmpe") is None
    assert protocols.pull_protocol("h323") is None
    assert protocols.switch_of("llhls") == "cmaf"
    assert protocols.switch_of("fake") == protocols.switch_of("nonsense") == ""
    assert protocols.missing_switches().keys() >= {"mss"}
    assert "cmaf" not in protocols.missing_switches()


def test_encoders_with_two_fields_get_server_and_key() -> None:
    urls = {one.form: one for one in publish_urls("a/b c", "https://h:8443", {"rtmp": 19350})}
    assert urls["rtmp"].url == "rtmp://h:19350/static/a/b%20c"
    assert (urls["rtmp"].server, urls["rtmp"].key) == ("rtmp://h:19350/static", "a/b%20c")
    assert urls["tshttp"].url == "https://h:8443/a/b%20c/mpegts"
    assert "rtmp" not in {one.form for one in publish_urls("a", "http://h")}


def test_the_readme_is_in_step() -> None:
    text = readme.README.read_text(encoding="utf-8")
    assert readme.render(text) == text, "run make crds"
    with pytest.raises(ValueError, match="is missing"):
        readme.render(text.replace(readme.END, ""))
