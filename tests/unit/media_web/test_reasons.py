"""What servers say, in another language: each text of the catalogue is one that a server says."""

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from media_rest.errors import validation_error
from media_web.assets import STATIC
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tests.unit.media_web.test_words import TEXT

ROOT = Path(__file__).parents[3]
SOURCES = ("crds", "lib", "streamer-image", "central-image")
REASONS = STATIC / "locales" / "ru.reasons.js"
SYSTEM = {
    "Connection refused", "Connection reset by peer", "No route to host", "Network is unreachable",
    "Name or service not known", "Temporary failure in name resolution", "Input/output error",
    "No space left on device", "Permission denied", "Read-only file system",
    "No such file or directory", "Not a directory",
}  # fmt: skip
"""Of the operating system, which the servers pass on."""


def reasons() -> dict[str, str]:
    return dict(re.findall(rf"^  {TEXT}: {TEXT},$", REASONS.read_text("utf-8"), re.MULTILINE))


@cache
def said() -> str:
    """The source of all servers: texts over several lines in one, values as {}."""
    found = []
    for root in SOURCES:
        for path in sorted((ROOT / root).rglob("*.py")):
            text = re.sub(r'"\s*\n\s*f?"', "", path.read_text("utf-8"))
            found.append(re.sub(r"\{[^{}\n]*\}", "{}", text))
    return "\n".join(found)


class Told(BaseModel):
    model_config = ConfigDict(extra="forbid")
    needed: int


WRONG: list[tuple[Any, Any]] = [
    (Annotated[int, Field(ge=1)], 0), (Annotated[int, Field(gt=1)], 0),
    (Annotated[int, Field(le=1)], 2), (Annotated[int, Field(lt=1)], 2),
    (int, None), (int, "many"), (float, None), (float, "many"), (str, 1), (bool, None),
    (list[int], 1), (Told, 1), (Told, {}), (Told, {"needed": 1, "more": 1}),
    (Literal["one", "two"], "three"), (Annotated[str, Field(min_length=1)], ""),
    (Annotated[str, Field(min_length=2)], ""), (Annotated[str, Field(max_length=2)], "many"),
]  # fmt: skip


def of_models() -> list[str]:
    """What pydantic says of wrong values, as api.js passes it on."""
    found = []
    for kind, value in WRONG:
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(kind).validate_python(value)
        for error in validation_error(caught.value).body()["errors"]:
            title = re.sub("^must ", "It must ", error["title"])
            found.append(re.sub("^Field required$", "This is needed.", title))
    return found


def fits(text: str, told: str) -> bool:
    pattern = "".join(
        ".+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", text)
    )
    return re.fullmatch(pattern, told) is not None


def test_each_text_is_one_of_a_server() -> None:
    models = of_models()
    stale = [
        text
        for text in reasons()
        if text.removesuffix(": {path}") not in SYSTEM
        and re.sub(r"\{\w+\}", "{}", text) not in said()
        and not any(fits(text, one) for one in models)
    ]
    assert stale == []
    assert len(reasons()) > 100


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_texts_of_servers_are_told_in_the_readers_language() -> None:
    asked = [
        "timed out",
        "10.0.0.5:554: connection refused",
        "the server answers 404 Not Found",
        "the server answers 418 I'm a teapot",
        "connection lost: timed out",
        "first\ntimed out",
        "words of another program",
        *of_models(),
    ]
    program = f"""
      globalThis.localStorage = {{ getItem: () => "ru", setItem() {{}} }};
      Object.defineProperty(globalThis, "navigator", {{ value: {{ languages: ["ru"] }} }});
      globalThis.document = {{ documentElement: {{}} }};
      globalThis.dispatchEvent = () => {{}};
      const {{ told, loadWords }} = await import("{STATIC / "i18n.js"}");
      await loadWords();
      console.log(JSON.stringify({json.dumps(asked)}.map(told)));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program], capture_output=True, check=True, timeout=30
    )
    answers = json.loads(done.stdout)
    assert answers[:7] == [
        "время ожидания истекло",
        "10.0.0.5:554: соединение отклонено",
        "сервер отвечает 404: такого пути нет",
        "сервер отвечает 418 I'm a teapot",
        "соединение потеряно: время ожидания истекло",
        "first\nвремя ожидания истекло",
        "words of another program",
    ]
    english = [text for text in answers[7:] if re.search(r"[a-z]{5}", text)]
    assert english == []
