"""Answers with a tag: made once, sent once."""

import json

import pytest
from aiohttp.test_utils import make_mocked_request
from media_central.rest import tagged
from media_central.rest.tagged import TaggedAnswers
from media_central.store.port import Kind, Record


def record(name: str, version: int = 1) -> Record:
    return Record(Kind.STREAM, name, {"name": name}, None, version, 0, 0)


class Asked:
    """Answers of one question, and how often one was made."""

    def __init__(self) -> None:
        self.answers = TaggedAnswers()
        self.made = 0

    def ask(
        self, records: list[Record], known: str = "", question: str = "q", version: int = 0
    ) -> tuple[int, str]:
        def build() -> bytes:
            self.made += 1
            return json.dumps([one.key for one in records]).encode()

        request = make_mocked_request("GET", "/", headers={"If-None-Match": known})
        response = self.answers.answer(request, question, records, build, {"X-A": "b"}, version)
        assert response.headers["X-A"] == "b"
        assert (response.body is None) == (response.status == 304)
        return response.status, response.headers["ETag"]


def test_what_is_known_is_not_sent_again() -> None:
    asked, records = Asked(), [record("a"), record("b")]
    status, tag = asked.ask(records)
    assert status == 200
    for known in (tag, f'"x", {tag}', f"W/{tag}"):
        assert asked.ask(list(records), known) == (304, tag)
    assert asked.ask(records, '"other"') == (200, tag)
    assert asked.made == 1, "the records are the same objects"


def test_other_records_are_another_answer() -> None:
    asked, first = Asked(), record("a")
    _, tag = asked.ask([first])
    assert asked.ask([record("a", 2)], tag) == (304, tag), "made anew, and the same"
    status, other = asked.ask([first, record("b")], tag)
    assert status == 200
    assert other != tag
    assert asked.made == 3


def test_another_secret_is_another_answer_though_no_record_changed() -> None:
    asked, records = Asked(), [record("a")]
    asked.ask(records)
    asked.ask(records, version=1)
    assert asked.made == 2
    asked.ask(records, version=1)
    assert asked.made == 2


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagged, "MAX_KEPT_BYTES", 20)
    asked = Asked()
    one, other = [record("a" * 4)], [record("b" * 4)]
    for number in range(5):
        asked.ask(one, question="often")
        asked.ask(other, question=str(number))
    assert len(asked.answers) == 2
    before = asked.made
    asked.ask(one, question="often")
    assert asked.made == before
