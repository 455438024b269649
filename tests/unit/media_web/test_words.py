"""The catalogue of words: complete, with the same places for values."""

import json
import re
import shutil
import subprocess

import pytest
from media_web.assets import STATIC

TEXT = r'"((?:[^"\\]|\\.)*)"'
SOURCES = [
    path
    for path in sorted(STATIC.rglob("*.js"))
    if not {"vendor", "locales"} & set(path.relative_to(STATIC).parts)
]
RUSSIAN = sorted((STATIC / "locales").glob("ru*.js"))


def spoken() -> set[str]:
    """Texts that are said as they stand: t("text") and t(is ? "one" : "other")."""
    found: set[str] = set()
    for path in SOURCES:
        source = path.read_text("utf-8")
        found.update(re.findall(rf"\bt\(\s*{TEXT}", source))
        found.update(re.findall(rf"\bsay\(\s*{TEXT}", source))
        found.update(re.findall(rf"\.end\(undefined, {TEXT}", source))
        found.update(
            re.findall(r'^(?:export )?const [A-Z]+ = "([A-Z]\w+ [^"]+)";', source, re.MULTILINE)
        )
        for one, other in re.findall(rf"\bt\([^()\"]*\? {TEXT} : {TEXT}", source):
            found |= {one, other}
    return found - {""}


def russian() -> dict[str, str]:
    return {
        quoted or bare: text
        for path in RUSSIAN
        for quoted, bare, text in re.findall(
            rf"(?:{TEXT}|\b(\w+)): {TEXT}", path.read_text("utf-8")
        )
    }


def test_everything_that_is_said_is_translated() -> None:
    assert len(spoken()) > 200
    assert sorted(spoken() - russian().keys()) == []


def test_nothing_is_written_past_the_catalogue() -> None:
    """Words between tags and in attributes that are read out; names of protocols are no words."""
    plain = re.compile(
        r"""[\w"}]>([A-Z][a-z]+[A-Za-z ,.]*)</"""
        r"""|(?:aria-label|title|placeholder|alt)="([A-Z][a-z][^"$]*)\""""
    )
    found = [
        f"{path.name}: {''.join(words)}"
        for path in SOURCES
        for words in plain.findall(path.read_text("utf-8"))
    ]
    assert found == []


def test_values_have_their_places() -> None:
    places = re.compile(r"\{\w+\}")
    wrong = {
        text: said
        for text, said in russian().items()
        if sorted(places.findall(said)) != sorted(places.findall(text))
    }
    assert wrong == {}


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_catalogue_is_read_as_it_is_here() -> None:
    sources = [f"import('{path}')" for path in RUSSIAN]
    program = (
        f"Promise.all([{','.join(sources)}]).then((all) => "
        "console.log(JSON.stringify(Object.assign({}, ...all.map((m) => m.default)))))"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program], capture_output=True, check=True, timeout=30
    )
    assert json.loads(done.stdout) == russian()
