"""Answers that the same client asks for every few seconds, and that seldom change.

Each has a tag (RFC 9110, 8.8.3), and who knows it already is told so by a 304 without a body. As
long as the records that an answer is made of are the same objects, and the Secrets that they name
are as they were, it is not made anew either: records are never changed in place, a changed one is
another object.
"""

import hashlib
import operator
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from aiohttp import web

from media_central.store.port import Record

MAX_KEPT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Kept:
    records: Sequence[Record]
    version: int
    body: bytes
    etag: str


class TaggedAnswers:
    """The last answer to each question, the least asked for thrown out first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def answer(
        self,
        request: web.Request,
        question: Hashable,
        records: Sequence[Record],
        build: Callable[[], bytes],
        headers: dict[str, str],
        version: int = 0,
    ) -> web.Response:
        """The answer to `question`: JSON that `build` makes of `records`, of what `version` is
        that of, and of nothing else."""
        known = self._kept.get(question)
        if known is None or known.version != version or not _are_same(known.records, records):
            known = self._keep(question, records, version, build())
        self._kept.move_to_end(question)
        headers = {**headers, "ETag": known.etag}
        if known.etag in _tags(request.headers.get("If-None-Match", "")):
            return web.Response(status=304, headers=headers)
        response = web.Response(
            body=known.body, headers=headers, content_type="application/json", charset="utf-8"
        )
        response.enable_compression()
        return response

    def _keep(
        self, question: Hashable, records: Sequence[Record], version: int, body: bytes
    ) -> _Kept:
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if (old := self._kept.pop(question, None)) is not None:
            self._bytes -= len(old.body)
        kept = self._kept[question] = _Kept(records, version, body, etag)
        self._bytes += len(body)
        while self._bytes > MAX_KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= len(self._kept.popitem(last=False)[1].body)
        return kept


def _are_same(some: Sequence[Record], others: Sequence[Record]) -> bool:
    return len(some) == len(others) and all(map(operator.is_, some, others))


def _tags(header: str) -> set[str]:
    """Of If-None-Match; a proxy that compressed the answer has made the tag a weak one."""
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}
