"""The client of a configuration backend (`config_external` of Flussonic).

`/streams` for what runs without viewers, `/update-streams` for the others that run,
`/dynamic-streams` for a name that somebody asks for, each with `host` and `client_host`, paged by
`cursor`.

Invariants: one wrong stream in an answer costs that stream only; no answer is larger than its
bounds; what came before and comes again costs no reading.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import aiohttp
from media_api.stream import StreamConfig
from media_rest.credentials import basic_header
from media_rest.redact import redact_text
from pydantic import ValidationError

JsonObject = dict[str, Any]

REQUEST_TIMEOUT_SECONDS = 10.0
MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_PAGES = 1000
_SEPARATE = "X-Config-Server-Separate-Endpoints"
_DYNAMIC = "X-Config-Server-Dynamic-Streams"
_EPISODES = "X-Config-Server-Episodes"


class BackendError(Exception):
    """The backend could not be asked; `reason` is a word of the API."""

    def __init__(self, reason: str, detail: str, code: int | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.code = code


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer, and how to know it again."""

    etag: str
    digest: bytes
    items: list[Any]
    """As they came."""
    streams: dict[str, StreamConfig]
    invalid: dict[str, str]
    following: str | None


@dataclass(slots=True)
class Answer:
    """Streams of all pages of one question, and what was wrong with single ones."""

    pages: list[Page] = field(default_factory=list)
    separate: bool = False
    dynamic: bool = True
    episodes: bool = False
    """It says at `/episodes` what of archives is kept."""

    @property
    def streams(self) -> dict[str, StreamConfig]:
        return {name: one for page in self.pages for name, one in page.streams.items()}

    @property
    def invalid(self) -> dict[str, str]:
        return {name: text for page in self.pages for name, text in page.invalid.items()}


def base_and_authorization(url: str) -> tuple[str, str | None]:
    """The URL without user info, and the Authorization header made of that."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    base = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
    if parts.username is None:
        return base, None
    user = unquote(parts.username)
    if parts.password:
        return base, basic_header(user, unquote(parts.password))
    return base, f"Bearer {user}"


def headers_of(authorization: str | None, token_file: Path | None) -> dict[str, str]:
    """What the URL says, else the token in the file: whoever keeps that replaces it now and then.

    Raises OSError, ValueError.
    """
    if authorization is None and token_file is not None:
        authorization = f"Bearer {token_file.read_text('ascii').strip()}"
    return {"Authorization": authorization} if authorization else {}


class ConfigBackend:
    """Asks one backend; knows nothing of what is done with the answers.

    Pages of the list are known again, by their tag (RFC 9110, 8.8.3) or else by their bytes: the
    same `Page` is returned then. Of one that changed, only the streams that differ are read anew.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        host: str,
        token_file: Path | None = None,
    ) -> None:
        self._session = session
        self._base, self._authorization = base_and_authorization(url)
        self._token_file = token_file
        self._host = host
        self._known: dict[str, Page] = {}
        """Pages of the last list by their address."""

    async def list_all(self) -> Answer:
        """What shall run without viewers. Raises BackendError."""
        read: dict[str, Page] = {}
        answer = await self._ask("/streams", {}, REQUEST_TIMEOUT_SECONDS, read)
        self._known = read
        return answer

    async def ask(
        self,
        suffix: str,
        names: Collection[str],
        timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
    ) -> Answer:
        """Streams of these names. Raises BackendError."""
        return await self._ask(suffix, {"name": ",".join(names)}, timeout_seconds, {})

    async def _ask(
        self, suffix: str, more: dict[str, str], timeout_seconds: float, read: dict[str, Page]
    ) -> Answer:
        """All pages of one question, put into `read` by their address."""
        answer = Answer()
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            # Under its older name, too: backends look for the one or the other.
            query = {"host": self._host, "client_host": self._host, **more}
            if cursor:
                query["cursor"] = cursor
            # Commas between names stay as they are: servers split the raw value.
            text = "&".join(f"{key}={quote(value, safe=',/')}" for key, value in query.items())
            address = f"{self._base}{suffix}?{text}"
            page, headers = await self._get(suffix, address, timeout_seconds)
            read[address] = page
            answer.pages.append(page)
            answer.separate = headers.get(_SEPARATE, "").lower() == "true"
            answer.episodes = headers.get(_EPISODES, "").lower() == "true"
            answer.dynamic = headers.get(_DYNAMIC, "true").lower() != "false"
            cursor = page.following
            if not cursor:
                return answer
        raise BackendError("invalid_request", f"{suffix} has more than {MAX_PAGES} pages")

    async def _get(
        self, suffix: str, address: str, timeout_seconds: float
    ) -> tuple[Page, Mapping[str, str]]:
        known = self._known.get(address)
        try:
            headers = headers_of(self._authorization, self._token_file)
            if known is not None:
                headers["If-None-Match"] = known.etag
            async with self._session.get(
                address,
                headers={key: value for key, value in headers.items() if value},
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            ) as response:
                if response.status == 304 and known is not None and known.etag:
                    return known, response.headers
                if response.status != 200:
                    raise BackendError(
                        "invalid_request", f"{suffix} answered {response.status}", response.status
                    )
                body = await response.content.read(MAX_BODY_BYTES + 1)
                while not response.content.at_eof() and len(body) <= MAX_BODY_BYTES:
                    body += await response.content.read(MAX_BODY_BYTES + 1 - len(body))
                received = response.headers
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            text = redact_text(str(error)) or type(error).__name__
            raise BackendError("network_error", text) from error
        if len(body) > MAX_BODY_BYTES:
            raise BackendError("malformed_json", f"{suffix} sent more than {MAX_BODY_BYTES} bytes")
        digest, etag = hashlib.sha256(body).digest(), received.get("ETag", "")
        if known is not None and known.digest == digest and known.etag == etag:
            return known, received
        return read_page(_parse(suffix, body), etag, digest, known), received


def _parse(suffix: str, body: bytes) -> JsonObject:
    try:
        page = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BackendError("malformed_json", f"{suffix}: {error}") from error
    if not isinstance(page, dict) or not isinstance(page.get("streams"), list):
        raise BackendError("malformed_json", f'{suffix} sent no object with "streams"')
    return page


def read_page(page: JsonObject, etag: str, digest: bytes, before: Page | None = None) -> Page:
    items = page["streams"]
    known = {item["name"]: item for item in before.items if _is_named(item)} if before else {}
    streams: dict[str, StreamConfig] = {}
    invalid: dict[str, str] = {}
    for item in items:
        name = item["name"] if _is_named(item) else None
        if before is not None and name in before.streams and known.get(name) == item:
            streams[name] = before.streams[name]
            continue
        try:
            stream = StreamConfig.model_validate(item)
            streams[stream.name] = stream
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            path = ".".join(str(part) for part in first["loc"])
            invalid[str(name)] = redact_text(f"{path}: {first['msg']}")
    following = page.get("next")
    return Page(etag, digest, items, streams, invalid, str(following) if following else None)


def _is_named(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("name"), str)
