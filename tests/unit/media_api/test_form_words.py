"""The form of a stream is Russian as a whole: names of settings, their help, their choices."""

import re
from collections.abc import Iterator
from typing import Any

from media_rest.openapi import openapi
from media_streamer.api.server import BASES, ROUTES
from media_web.assets import STATIC

from tests.unit.media_web.test_words import russian

LABELS = (STATIC / "forms" / "labels.js").read_text("utf-8")
DEFAULT = re.compile(r"(?:^|\s)Default:? (?!of )([^.]+(?:\.\d[^.]*)?)\.(?=\s|$)")
"""As forms/schema.js takes the default out of a description."""


ELSEWHERE = {"name", "inputs", "disabled"}
"""Fields of a stream that are no part of the form, as forms/labels.js says."""
FORMS = ("StreamConfig", "InputConfig", "PushConfig")


def shown(schemas: dict[str, Any]) -> Iterator[str]:
    """Help of the settings that are served, of the models of the forms and all that they hold."""
    seen = set(FORMS)
    waiting = list(FORMS)
    while waiting:
        model = waiting.pop()
        for name, setting in schemas[model].get("properties", {}).items():
            if setting.get("x-no-effect") or (model == "StreamConfig" and name in ELSEWHERE):
                continue
            if help_ := DEFAULT.sub("", setting.get("description", ""), count=1).strip():
                yield help_
            found = set(re.findall(r"#/components/schemas/(\w+)", repr(setting))) - seen
            seen |= found
            waiting += sorted(found)


def test_help_of_every_setting_is_translated() -> None:
    document = openapi(ROUTES, title="Streamer", version="1", bases=BASES)
    said = set(shown(document["components"]["schemas"]))
    assert len(said) > 150
    missing = sorted(said - russian().keys())
    assert missing == [], "to be translated in web/media_web/static/locales/ru.forms.js"


def test_names_and_choices_are_translated() -> None:
    said = set(re.findall(r'(?:label|help|entry|title): "([^"]+)"', LABELS))
    for words in re.findall(r"words: \{([^}]*)\}", LABELS):
        said |= set(re.findall(r': "([^"]+)"', words))
    assert len(said) > 80
    assert sorted(said - russian().keys()) == []
