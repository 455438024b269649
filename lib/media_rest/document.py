"""openapi.json as it is served: made once, for all who ask, as anybody may ask and making it takes
most of a second of CPU time."""

import asyncio
import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiohttp import hdrs, web

from media_rest.openapi import openapi
from media_rest.route import Route

_PACKED = {hdrs.CONTENT_ENCODING: "gzip", hdrs.VARY: hdrs.ACCEPT_ENCODING}


@dataclass(frozen=True)
class _Made:
    plain: bytes
    packed: bytes


def _has_failed(making: asyncio.Future[_Made]) -> bool:
    return making.done() and (making.cancelled() or making.exception() is not None)


class Document:
    """Of one program; belongs to its event loop."""

    def __init__(
        self, routes: Iterable[Route], *, title: str, version: str, bases: Sequence[str]
    ) -> None:
        self._routes = tuple(routes)
        self._title, self._version, self._bases = title, version, bases
        self._making: asyncio.Future[_Made] | None = None

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """The document, packed for those who take that."""
        if self._making is None or _has_failed(self._making):
            self._making = asyncio.ensure_future(asyncio.to_thread(self._make))
        made = await asyncio.shield(self._making)
        is_packed = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower()
        return web.Response(
            body=made.packed if is_packed else made.plain,
            headers=_PACKED if is_packed else None,
            content_type="application/json",
            charset="utf-8",
        )

    def _make(self) -> _Made:
        document = openapi(
            self._routes, title=self._title, version=self._version, bases=self._bases
        )
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
        return _Made(text.encode(), gzip.compress(text.encode(), mtime=0))
