"""openapi.json for many who ask at once."""

import asyncio
import gzip
import json

import pytest
from aiohttp.test_utils import make_mocked_request
from media_rest import document
from media_rest.document import Document
from media_rest.openapi import openapi


async def test_it_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def count(*arguments: object, **named: object) -> object:
        made.append("once")
        return openapi(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(document, "openapi", count)
    one = Document([], title="API", version="1", bases=["/v3"])
    plain = make_mocked_request("GET", "/openapi.json")
    packed = make_mocked_request("GET", "/openapi.json", {"Accept-Encoding": "br, gzip"})
    answers = await asyncio.gather(*(one.answer(plain) for _ in range(50)), one.answer(packed))
    assert made == ["once"]
    assert len({bytes(answer.body or b"") for answer in answers[:50]}) == 1
    body = bytes(answers[0].body or b"")
    assert json.loads(body)["info"] == {"title": "API", "version": "1"}
    assert "Content-Encoding" not in answers[0].headers
    assert answers[50].headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(bytes(answers[50].body or b"")) == body


async def test_who_leaves_takes_it_from_nobody() -> None:
    one = Document([], title="API", version="1", bases=["/v3"])
    request = make_mocked_request("GET", "/openapi.json")
    first = asyncio.create_task(one.answer(request))
    await asyncio.sleep(0)
    first.cancel()
    assert (await one.answer(request)).status == 200


async def test_a_failure_is_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **named: object) -> object:
        raise MemoryError

    one = Document([], title="API", version="1", bases=["/v3"])
    request = make_mocked_request("GET", "/openapi.json")
    with monkeypatch.context() as patched:
        patched.setattr(document, "openapi", fail)
        with pytest.raises(MemoryError):
            await one.answer(request)
    assert (await one.answer(request)).status == 200
