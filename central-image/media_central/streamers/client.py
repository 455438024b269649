"""Calls to the API v3 of one streamer, with the cluster key as credentials.

A streamer is outside: every call has a time-out and a bound of its answer's size, and every way it
can fail is a `StreamerError` in words that name the way out.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
from media_api.base import JsonObject
from media_rest.credentials import cluster_header
from media_rest.redact import redact_text

API = "/streamer/api/v3"
PAGE_LIMIT = 1000
MAX_PAGES = 200  # 200,000 streams: a cursor that never ends must not hold Central
MAX_ANSWER_BYTES = 64 * 1024 * 1024
CONNECT_TIMEOUT_SECONDS = 5.0


class StreamerError(Exception):
    """A call that failed. `status` is the HTTP status, None if there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(redact_text(message))
        self.status = status

    @property
    def is_refusal(self) -> bool:
        return self.status in (401, 403)


def api_base(hostname: str, api_url: str | None) -> str:
    """Base URL of the API; the suffix may be part of `api_url` or not, as both are in use."""
    url = (api_url or f"http://{hostname}").rstrip("/")
    for suffix in (API, "/flussonic/api/v3"):
        url = url.removesuffix(suffix)
    return url + API


@dataclass(frozen=True, slots=True)
class StreamerClient:
    """`base` is the URL of the API, `timeout` the longest time of a call in seconds."""

    http: aiohttp.ClientSession
    base: str
    cluster_key: str | None
    timeout: float

    async def get(self, path: str, **query: str | int) -> Any:
        """JSON of a GET. Raises StreamerError."""
        return await self._call("GET", path, query=query)

    async def put(self, path: str, body: JsonObject) -> Any:
        """JSON of a PUT. Raises StreamerError."""
        return await self._call("PUT", path, body=body)

    async def post(self, path: str, body: JsonObject | None = None) -> Any:
        """Raises StreamerError."""
        return await self._call("POST", path, body=body)

    async def delete(self, path: str, body: JsonObject | None = None) -> Any:
        """Raises StreamerError."""
        return await self._call("DELETE", path, body=body)

    async def collection(self, name: str, /, **query: str | int) -> list[JsonObject]:
        """All pages of a collection. Raises StreamerError."""
        items: list[JsonObject] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = {**query, "limit": PAGE_LIMIT, **({"cursor": cursor} if cursor else {})}
            answer = await self.get(f"/{name}", **page)
            if not isinstance(answer, dict) or not isinstance(answer.get(name), list):
                raise StreamerError(f"the answer for {name} has no {name}: is it a streamer?")
            items += [item for item in answer[name] if isinstance(item, dict)]
            cursor = answer.get("next")
            if not cursor:
                return items
        raise StreamerError(f"the list of {name} does not end")

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: JsonObject | None = None,
    ) -> Any:
        if self.http.closed:
            raise StreamerError("Central is stopping")
        headers = {"Accept": "application/json", "X-Originator": "central"}
        if self.cluster_key:
            headers["Authorization"] = cluster_header(self.cluster_key, time.time())
        try:
            async with asyncio.timeout(self.timeout):
                async with self.http.request(
                    method,
                    self.base + path,
                    params={key: str(value) for key, value in (query or {}).items()},
                    json=body,
                    headers=headers,
                    allow_redirects=False,
                ) as response:
                    raw = await _read(response)
        except TimeoutError:
            raise StreamerError(f"no answer within {self.timeout:g} s from {self._where}") from None
        except aiohttp.ClientConnectorError as error:
            reason = error.os_error.strerror or str(error.os_error)
            raise StreamerError(f"cannot reach {self._where}: {reason}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise StreamerError(f"cannot reach {self._where}: {error}") from None
        if response.status >= 300:
            raise StreamerError(self._refusal(response.status, raw), response.status)
        if not raw.strip():
            return None
        try:
            return json.loads(raw, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise StreamerError(
                f"{self._where} answers no JSON: is API URL that of a streamer?"
            ) from None

    @property
    def _where(self) -> str:
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def _refusal(self, status: int, raw: bytes) -> str:
        if status in (401, 403):
            return (
                f"{self._where} refuses the cluster key ({status}): set the same cluster_key"
                " here and in the streamer's configuration"
            )
        detail = raw[:500].decode(errors="replace").strip()
        try:
            answer = json.loads(raw)
            errors = answer.get("errors") or [{}]
            detail = errors[0].get("title") or answer.get("detail") or answer.get("error") or detail
        except (ValueError, AttributeError, IndexError, TypeError, RecursionError):
            pass
        return f"{self._where} answers {status}: {detail}"


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(256 * 1024):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise ValueError(f"the answer exceeds {MAX_ANSWER_BYTES // 1024**2} MiB")
        chunks.append(chunk)
    return b"".join(chunks)


def stream_path(name: str) -> str:
    """Path of a stream in the API; slashes of the name are escaped."""
    return f"/streams/{quote(name, safe='')}"
