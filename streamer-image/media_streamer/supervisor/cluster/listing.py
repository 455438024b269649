"""The client of another server: its streams (`GET /streams`) and its load (`/config/stats`).

Any server that answers the first of the two in the form of the published API can be asked.

Invariants: no answer is larger or takes longer than its bound; redirects are not followed, because
the address that the administrator wrote is the one that gets the cluster key; what one item of a
list says wrongly costs that item.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import aiohttp
from media_api.units import check_stream_name
from media_rest.credentials import basic_header, cluster_header
from media_rest.redact import redact_text

JsonObject = dict[str, Any]

TIMEOUT_SECONDS = 5.0
PAGE_ITEMS = 1000
MAX_ITEMS = 10_000
"""Streams of one server that are taken; more are not asked for."""
MAX_PAGES = 2 * MAX_ITEMS // PAGE_ITEMS
"""A server that makes its pages smaller than asked for gives as many."""
MAX_BODY_BYTES = 32 * 1024 * 1024
LARGE_BYTES = 64 * 1024
"""A longer answer is read in a thread."""
MAX_VIA = 16
API = "/streamer/api/v3"
SELECT = (
    "name,title,static,disabled,groups,named_by,cluster_ingest,"
    "stats.alive,stats.status,stats.via"
)  # fmt: skip


class RemoteError(Exception):
    """The other server could not be asked; the text is for people and holds no secrets."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A stream of another server."""

    name: str
    title: str = ""
    groups: tuple[str, ...] = ()
    runs: bool = False
    """It gives frames, or does so when it is asked for."""
    is_remote: bool = False
    """That server has it from another one, too."""
    ingest: bool = False
    """One of several servers captures it (`cluster_ingest`)."""
    via: tuple[str, ...] = ()
    """Servers that it comes through to that one, by what they call themselves."""


@dataclass(frozen=True, slots=True)
class Listing:
    """All that another server has."""

    instance: str
    """What it calls itself; empty if it does not."""
    streams: Mapping[str, Listed]
    cut: bool = False
    """It has more streams than are taken."""
    invalid: int = 0
    """Items that are no streams, or have names that no stream here can have."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where another server is asked. `url` has no login and no slash at its end."""

    url: str
    login: str = ""
    password: str = ""
    cluster_key: str = ""

    @classmethod
    def of(cls, text: str, cluster_key: str | None) -> "Address":
        """From `HOST[:PORT]` or a URL; raises ValueError."""
        parts = urlsplit(text if "://" in text else f"http://{text}")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("write HOST[:PORT], or a URL with http or https")
        _ = parts.port  # raises
        host = parts.netloc.rpartition("@")[2]
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(f"{parts.scheme}://{host}", user, password, cluster_key or "")

    @property
    def host(self) -> str:
        """Host and port, as people know the server."""
        return self.url.partition("://")[2]

    def headers(self) -> dict[str, str]:
        if self.login:
            return {"Authorization": basic_header(self.login, self.password)}
        if self.cluster_key:
            return {"Authorization": cluster_header(self.cluster_key, time.time())}
        return {}

    def inputs(self, name: str, *, ours: bool) -> list[JsonObject]:
        """How a stream is pulled from there. `ours`: by frames; one whose frames are of another
        version gives MPEG-TS, as every server does."""
        scheme, _, rest = self.url.partition("://")
        tls = "s" if scheme == "https" else ""
        key = {"cluster_key": self.cluster_key} if self.cluster_key else {}
        by_frames: JsonObject = {"url": f"m4f{tls}://{rest}/{name}", **key}
        by_ts: JsonObject = {"url": f"tshttp{tls}://{rest}/{name}/mpegts", **key}
        return [by_frames, by_ts] if ours and key else [by_ts]


class RemoteServer:
    """Asks one server. What it listed before and lists again is the same `Listing`."""

    def __init__(self, session: aiohttp.ClientSession, address: Address) -> None:
        self.address = address
        self._session = session
        self._before: tuple[list[bytes], Listing] | None = None

    async def list_streams(self) -> Listing:
        """Raises RemoteError."""
        bodies: list[bytes] = []
        pages: list[JsonObject] = []
        cursor: str | None = None
        count = 0
        async with asyncio.timeout(TIMEOUT_SECONDS * MAX_PAGES):
            for _ in range(MAX_PAGES):
                query = f"select={SELECT}&limit={PAGE_ITEMS}"
                more = f"&cursor={quote(cursor, safe='')}" if cursor else ""
                body = await self._get(f"{API}/streams?{query}{more}")
                page = await _parse(body)
                if not isinstance(page.get("streams"), list):
                    raise RemoteError('it sends no object with "streams"')
                bodies.append(_without_timing(body, page))
                pages.append(page)
                count += len(page["streams"])
                following = page.get("next")
                cursor = following if isinstance(following, str) else None
                if not cursor or count >= MAX_ITEMS:
                    break
        if self._before is not None and self._before[0] == bodies:
            return self._before[1]
        listing = read_listing(pages, cut=bool(cursor))
        self._before = bodies, listing
        return listing

    async def statistics(self) -> JsonObject:
        """Of the whole server (`media_api.server_status.ServerStats`). Raises RemoteError."""
        return await _parse(await self._get(f"{API}/config/stats"))

    async def _get(self, path: str) -> bytes:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            async with self._session.get(
                f"{self.address.url}{path}",
                headers=self.address.headers(),
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                if answer.status != 200:
                    raise RemoteError(_words(answer.status))
                body = bytearray()
                async for data in answer.content.iter_any():
                    body += data
                    if len(body) > MAX_BODY_BYTES:
                        raise RemoteError(f"it sends more than {MAX_BODY_BYTES >> 20} MiB")
                return bytes(body)
        except TimeoutError:
            raise RemoteError(f"it does not answer within {TIMEOUT_SECONDS:g} s") from None
        except (aiohttp.ClientError, ValueError, OSError) as error:
            text = redact_text(str(error)) or type(error).__name__
            raise RemoteError(text) from None


def _words(status: int) -> str:
    if status in {401, 403}:
        return f"it refuses the cluster key ({status}): give both servers the same cluster_key"
    if 300 <= status < 400:
        return f"it sends elsewhere ({status}): write the address of the server itself"
    return f"it answers {status}"


async def _parse(body: bytes) -> JsonObject:
    try:
        if len(body) > LARGE_BYTES:
            page = await asyncio.to_thread(json.loads, body)
        else:
            page = json.loads(body)
    except (ValueError, RecursionError):
        raise RemoteError("it sends no JSON") from None
    if not isinstance(page, dict):
        raise RemoteError("it sends no JSON object")
    return page


def _without_timing(body: bytes, page: JsonObject) -> bytes:
    """What tells whether two answers say the same: how long they took is no part of that."""
    timing = page.get("timing")
    if timing is None:
        return body
    return body.replace(json.dumps(timing).encode(), b"").replace(
        json.dumps(timing, separators=(",", ":")).encode(), b""
    )


def read_listing(pages: list[JsonObject], *, cut: bool = False) -> Listing:
    """What the pages say, up to the bound."""
    streams: dict[str, Listed] = {}
    invalid = 0
    for item in (item for page in pages for item in page["streams"]):
        if len(streams) >= MAX_ITEMS:
            cut = True
            break
        try:
            listed = read_item(item)
        except (TypeError, ValueError):
            invalid += 1
            continue
        if listed is not None:
            streams[listed.name] = listed
    instance = pages[0].get("instance") if pages else ""
    return Listing(instance if isinstance(instance, str) else "", streams, cut, invalid)


def read_item(item: Any) -> Listed | None:
    """None for a stream that is disabled. Raises TypeError or ValueError."""
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise TypeError("no object with a name")
    name = check_stream_name(item["name"])
    if item.get("disabled") is True:
        return None
    told = item.get("stats")
    stats: JsonObject = told if isinstance(told, dict) else {}
    runs = stats.get("alive") is True or stats.get("status") == "running"
    title = item.get("title")
    return Listed(
        name,
        title=title[:255] if isinstance(title, str) else "",
        groups=_texts(item.get("groups")),
        # A server that tells nothing of its streams is taken at its word that it has them.
        runs=runs or item.get("static") is False or not stats,
        is_remote=item.get("named_by") == "remote",
        ingest=bool(item.get("cluster_ingest")) or item.get("cluster_ingest") == {},
        via=_texts(stats.get("via")),
    )


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(one for one in value[:MAX_VIA] if isinstance(one, str))
