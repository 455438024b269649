"""What the API answers of a stream and a streamer: the record, defaults, and live statistics.

Effective configurations are computed once a version: a list of 10,000 streams must not validate
10,000 models for every request.
"""

import asyncio
import ipaddress
import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from media_api.base import JsonObject
from media_api.play_urls import play_urls, publish_urls
from media_api.playback import ProtocolsSpec, denied_switches
from media_api.protocols import ANY_PUBLISHER
from media_api.unsupported import asked_in_vain
from media_rest.query import searched_text
from media_rest.stream_states import StreamState, state_of

from media_central.store.documents import MODELS
from media_central.store.port import Kind, Record, ResourceStore
from media_central.streamers.fleet import Fleet
from media_central.streamers.link import StreamerLink

log = logging.getLogger(__name__)

SECRET_FIELDS = frozenset({"cluster_key"})
"""Of a streamer: taken, never answered."""


READY_AT_ONCE = 10
READY_PAUSE_SECONDS = 0.005
"""Streams are worked out before somebody asks for them, so many (2 ms), and again after a pause."""
RESTART_PAUSE_SECONDS = 1.0
_HOST_NAME = re.compile(r"[a-z0-9._-]{1,253}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Viewer:
    """How the caller reached Central: a streamer known by a loopback address is reached alike."""

    host: str | None = None
    scheme: str | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What follows from one version of a record."""

    version: int
    config: JsonObject
    effective: JsonObject
    warnings: list[str]
    """What of a stream has no effect, in words."""
    searched: str
    """What free text is looked for in."""


class Views:
    """Builds answers from the store and the fleet."""

    def __init__(self, store: ResourceStore, fleet: Fleet) -> None:
        self._store = store
        self._fleet = fleet
        # By kind and key; a key of both would cost a call of Python for each of 10,000 streams.
        self._memory: dict[Kind, dict[str, _Known]] = {kind: {} for kind in Kind}
        self._streams = self._memory[Kind.STREAM]

    def streams(self, viewer: Viewer, *, history: bool = False) -> list[JsonObject]:
        records = self._store.all(Kind.STREAM)
        self.forget(Kind.STREAM, len(records))
        return [self.stream(record, viewer, history=history) for record in records]

    def stream(self, record: Record, viewer: Viewer, *, history: bool = False) -> JsonObject:
        effective = self.effective(record)
        layout = dict(record.layout or {})
        if not history:
            layout.pop("ingest_history", None)
        layout.pop("preferred", None)
        link = self._fleet.link(layout["ingest"]) if layout.get("ingest") else None
        running = _running(link, record.key)
        if running is not None:
            running = self._store.shown(record, running)
        view = {
            **effective,
            "named_by": "config",
            "config_on_disk": record.config,
            "created_at": record.created_at,
            "updated_at": record.updated_at,
            "stats": _stats(record, effective, layout, link, running, viewer),
        }
        if warnings := self._known(record).warnings:
            view["warnings"] = warnings
        if "managed_by" in layout:
            view["managed_by"] = layout.pop("managed_by")
        if layout:
            view["layout"] = layout
        if running is not None:
            for name in ("inputs", "pushes"):
                if configured := effective.get(name):
                    view[name] = with_stats(configured, running.get(name))
        return view

    def state(self, record: Record) -> StreamState:
        """The state of a stream, without building its answer."""
        effective, layout = self.effective(record), record.layout or {}
        if effective.get("disabled"):
            return "disabled"
        link = self._fleet.link(layout["ingest"]) if layout.get("ingest") else None
        if (running := _running(link, record.key)) is not None:
            return state_of(False, running.get("stats") or {})
        problem = _why_not_running(effective, layout, link)
        return "problem" if problem else "waiting"

    def streamers(self) -> list[JsonObject]:
        records = self._store.all(Kind.STREAMER)
        counts = self.placed()
        return [self.streamer(record, counts.get(record.key, 0)) for record in records]

    def streamer(self, record: Record, stream_count: int | None = None) -> JsonObject:
        if stream_count is None:
            stream_count = self.placed().get(record.key, 0)
        effective = self.effective(record)
        view: JsonObject = {
            key: value for key, value in effective.items() if key not in SECRET_FIELDS
        }
        view |= {"updated_at": record.updated_at, "stream_count": stream_count, "stats": None}
        link = self._fleet.link(record.key)
        if link is not None:
            if link.observed is not None:
                view["stats"] = link.observed.stats
            state = link.health.state()
            if state is not None:
                view["healthcheck_status"] = state
        return view

    def placed(self) -> dict[str, int]:
        """Streams by the streamer they are placed on."""
        counts: dict[str, int] = {}
        for record in self._store.all(Kind.STREAM):
            ingest = (record.layout or {}).get("ingest")
            if ingest:
                counts[ingest] = counts.get(ingest, 0) + 1
        return counts

    def effective(self, record: Record) -> JsonObject:
        """The configuration with defaults. Do not change the answer."""
        return self._known(record).effective

    def effectives(self, streams: Iterable[Record]) -> list[JsonObject]:
        """`effective` of each, at a fifth of the cost."""
        memory = self._streams
        found = []
        for record in streams:
            known = memory.get(record.key)
            if known is None or known.version != record.version:
                known = self._known(record)
            found.append(known.effective)
        return found

    def searched(self, stream: JsonObject) -> str:
        """What free text is looked for in, of a stream by its effective configuration."""
        return self._streams[stream["name"]].searched

    def _known(self, record: Record) -> _Known:
        kind = record.kind
        memory = self._streams if kind is Kind.STREAM else self._memory[kind]
        known = memory.get(record.key)
        if known is None or known.version != record.version:
            if known is not None and known.config == record.config:  # it was moved
                known = replace(known, version=record.version)
            else:
                known = _known_of(record)
            memory[record.key] = known
        return known

    async def keep_ready(self, after_first: Callable[[], None] = lambda: None) -> None:
        """Works out streams a few at a time, until cancelled, so that the first list of 10,000 does
        not stop all else for two seconds. `after_first`: called once those that are there are."""
        while True:
            try:
                await self._follow(after_first)
            except Exception:
                log.exception(
                    "working out streams ahead failed and begins anew; until then, lists do it"
                )
            await asyncio.sleep(RESTART_PAUSE_SECONDS)

    async def _follow(self, after_first: Callable[[], None]) -> None:
        with self._store.watch() as watch:
            present = (record.key for record in self._store.all(Kind.STREAM))
            await self._get_ready([*self._streams, *present])
            after_first()
            while True:
                changed = await watch.next()
                await self._get_ready([key for kind, key in changed if kind is Kind.STREAM])

    async def _get_ready(self, streams: Iterable[str]) -> None:
        due = 0
        for key in streams:
            record, known = self._store.get(Kind.STREAM, key), self._streams.get(key)
            if record is None:
                self._streams.pop(key, None)
                continue
            if known is not None and known.version == record.version:
                continue
            try:
                self._known(record)
            except Exception:
                # Of one that an older release wrote, say; the others must not wait for somebody.
                log.exception(
                    "stream %s is not understood: no list of streams is, until it is", key
                )
            due += 1
            if due % READY_AT_ONCE == 0:
                await asyncio.sleep(READY_PAUSE_SECONDS)

    def forget(self, kind: Kind, live: int) -> None:
        """Deleted resources leave entries where `keep_ready` was not there: drop all when they
        outnumber the living."""
        memory = self._memory[kind]
        if len(memory) > 2 * live + 100:
            memory.clear()


def _known_of(record: Record) -> _Known:
    effective = MODELS[record.kind].parse(record.config).effective()
    in_vain = asked_in_vain(effective) if record.kind is Kind.STREAM else ()
    texts = [one.text for one in in_vain]
    return _Known(record.version, record.config, effective, texts, searched_text(effective))


def _running(link: StreamerLink | None, name: str) -> JsonObject | None:
    return link.observed.streams.get(name) if link is not None and link.observed else None


def _stats(
    record: Record,
    effective: JsonObject,
    layout: JsonObject,
    link: StreamerLink | None,
    running: JsonObject | None,
    viewer: Viewer,
) -> JsonObject:
    reported = running.get("stats") if running else None
    stats: JsonObject = dict(reported) if isinstance(reported, dict) else {}
    if link is not None and layout.get("ingest"):
        base = public_url(link, viewer)
        stats["streaming_endpoint"] = base
        ports = public_ports(link)
        urls = play_urls(record.key, base, ports, denied(effective))
        stats["play_urls"] = [item.as_json() for item in urls]
        stats.pop("publish_urls", None)
        if _takes_publisher(effective):
            stats["publish_urls"] = [
                item.as_json() for item in publish_urls(record.key, base, ports)
            ]
    if running is not None:
        stats["running_on"] = [layout["ingest"]]
        return stats
    stats |= {"alive": False, "running_on": [], "status": "waiting"}
    problem = _why_not_running(effective, layout, link)
    if problem:
        stats |= {"status": "error", "source_error": problem}
    return stats


def _takes_publisher(effective: JsonObject) -> bool:
    begin = f"{ANY_PUBLISHER}://"
    return any(str(item.get("url")).startswith(begin) for item in effective.get("inputs") or ())


def _why_not_running(
    effective: JsonObject, layout: JsonObject, link: StreamerLink | None
) -> str | None:
    if effective.get("disabled") or not effective.get("static", True):
        return None
    if not layout.get("ingest"):
        return layout.get("message")
    if link is not None and link.observed is None and link.ever_online:
        return f"streamer {layout['ingest']} does not answer: {link.error}"
    return None


def with_stats(configured: list[JsonObject], reported: Any) -> list[JsonObject]:
    """The configured inputs or pushes with the statistics that the streamer reports, by place."""
    found = reported if isinstance(reported, list) else []
    merged = []
    for index, item in enumerate(configured):
        other = found[index] if index < len(found) and isinstance(found[index], dict) else {}
        same = isinstance(other.get("stats"), dict)
        merged.append({**item, "stats": other["stats"]} if same else item)
    return merged


def denied(effective: JsonObject) -> Collection[str]:
    """Protocols that must not play the stream."""
    switches = tuple((effective.get("protocols") or {}).items())
    return _denied(switches, encrypted=effective.get("drm") is not None)


@lru_cache(maxsize=256)  # most streams say the same
def _denied(switches: tuple[tuple[str, bool | None], ...], *, encrypted: bool) -> Collection[str]:
    return denied_switches(ProtocolsSpec.parse(dict(switches)), encrypted=encrypted)


def public_url(link: StreamerLink, viewer: Viewer) -> str:
    """Where viewers reach the streamer: `http(s)://HOST[:PORT]`, without a path."""
    config = link.config
    url = config.get("public_payload_url") or config.get("api_url") or f"http://{link.hostname}"
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    host, port = (parts.hostname or link.hostname), (f":{parts.port}" if parts.port else "")
    if not config.get("public_payload_url") and host in ("localhost", "127.0.0.1", "::1"):
        seen = _host_of(viewer.host)
        if seen:
            netloc = (f"[{seen}]" if ":" in seen else seen) + port
    path = parts.path.rstrip("/") if config.get("public_payload_url") else ""
    return urlunsplit((viewer.scheme or parts.scheme, netloc, path, "", ""))


def _host_of(header: str | None) -> str | None:
    """The name or address in a Host header; None for what is neither, since anybody can send it."""
    try:
        host = urlsplit(f"//{header}").hostname if header else None
        if host is not None and ":" in host:
            address = ipaddress.IPv6Address(host)
            return str(address) if address.scope_id is None else None
    except ValueError:
        return None
    return host if host is not None and _HOST_NAME.fullmatch(host) else None


def public_ports(link: StreamerLink) -> Mapping[str, int]:
    """Ports of listeners beside HTTP at the host of `public_url`, by name."""
    said: Mapping[str, int] | None = link.config.get("public_ports")
    return link.ports if said is None else said
