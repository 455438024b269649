"""The configuration backend: what each streamer must run (config_external).

A streamer asks every few seconds and does exactly what it is told: a stream that is missing from an
answer is stopped. So these answers come from memory alone and are given whole or not at all, never
shortened by a failure.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from aiohttp import web
from media_api.base import JsonObject
from media_api.stream import StreamConfig
from media_rest.errors import ApiError, not_found
from media_rest.query import QueryError, parse_query
from media_rest.route import Route

from media_central.models import PLACEMENT_FIELDS, CentralStream
from media_central.rest.answers import json_answer, json_bytes
from media_central.rest.context import Context, context
from media_central.rest.pages import run_paged
from media_central.store.port import Kind, Record, UnreadError

OWN_PARAMETERS = ("host", "client_host", "name")
PAGE_LIMIT = 1000
MAX_NAMES = 100_000
PRESENTED = (
    "title",
    "provider",
    "labels",
    "meta",
    "logo",
    "on_play",
    "protocols",
    "drm",
    "segment_duration",
    "segment_count",
    "chunk_duration",
    "dash_update_period",
    "url_prefix",
    "add_audio_only",
    "prepush",
    "webrtc_abr",
    "thumbnails",
    "jpeg_snapshot_sign_key",
    "playback_headers",
)
"""What viewers see of a stream: the same wherever it is pulled to. A viewer who is sent from one
server to another goes on only among segments of the same length."""
HEADERS = {
    "X-Config-Server-Episodes": "true",
    "X-Config-Server-Separate-Endpoints": "true",
    "X-Config-Server-Dynamic-Streams": "true",
}


async def must_run(request: web.Request) -> web.StreamResponse:
    """Streams that run on this streamer without viewers; with `name=` (older streamers) those of
    the named ones that it may run."""
    ctx, host = context(request), _streamer(request)
    if "name" in request.query:
        return await _answer(request, _allowed(ctx, host, _names(request)))
    question = host.key, request.query_string

    def answer() -> web.Response:
        records = _must_run(ctx, host.key)  # what is placed here now, also after a wait
        return ctx.backend_answers.answer(
            request,
            question,
            records,
            lambda: json_bytes(_build(request, records)),
            HEADERS,
            ctx.store.secrets_version,
        )

    return await _with_secrets(ctx, answer)


def _must_run(ctx: Context, host: str) -> list[Record]:
    records: list[Record] = []
    for record in ctx.store.all(Kind.STREAM):
        if _is_placed_on(record, host):
            if record.config.get("static", True):
                records.append(record)
        elif _keeps_copy(record, host):
            records += _restreamed(ctx, record, records_too=True)
    return records


async def still_allowed(request: web.Request) -> web.StreamResponse:
    """Of the running streams that are not in the list above, those that may go on."""
    return await _answer(request, _allowed(context(request), _streamer(request), _names(request)))


async def on_request(request: web.Request) -> web.StreamResponse:
    """A viewer or a publisher asks the streamer for a name that it does not know."""
    return await _answer(request, _allowed(context(request), _streamer(request), _names(request)))


async def resolve_srt_port(request: web.Request) -> web.StreamResponse:
    """The stream behind a port of the streamer's SRT pool, as text."""
    ctx, host = context(request), _streamer(request)
    port, mode = request.match_info["port"], request.query.get("mode", "")
    if mode not in ("play", "publish"):
        raise QueryError("mode must be play or publish", "mode")
    if not port.isascii() or not port.isdigit():
        raise not_found("port", port)
    for record in ctx.store.all(Kind.STREAM):
        if _srt_port(record, mode) == int(port) and _allowed(ctx, host, [record.key]):
            return web.Response(text=record.key)
    raise ApiError(404, "port_not_found", f"no stream is at the SRT port {port} to {mode}")


def _srt_port(record: Record, mode: str) -> int | None:
    """The port of the streamer that the stream is reached at by SRT."""
    for key in (f"srt_{mode}", f"srt2_{mode}"):
        spec = record.config.get(key)
        port = spec.get("port") if isinstance(spec, dict) else None
        if isinstance(port, int):
            return port
    return None


def _allowed(ctx: Context, host: Record, names: Iterable[str]) -> list[Record]:
    found: list[Record] = []
    for name in dict.fromkeys(names):
        record = ctx.store.get(Kind.STREAM, name)
        if record is None or record.config.get("disabled"):
            continue
        if _is_placed_on(record, host.key):
            found.append(record)
        elif _keeps_copy(record, host.key):
            found += _restreamed(ctx, record, records_too=True)
        elif _leaves(record, host.key) and not _frames_arrive(ctx, record):
            found.append(record)
        elif _leaves(record, host.key) or host.config.get("is_restreamer"):
            found += _restreamed(ctx, record)
    return found


def _leaves(record: Record, hostname: str) -> bool:
    """The stream was moved away from there by somebody: its viewers shall notice nothing.

    The streamer goes on as before until the new one has frames, and then takes the stream from
    there for as long as it is watched.
    """
    return (record.layout or {}).get("leaving") == hostname


def _frames_arrive(ctx: Context, record: Record) -> bool:
    link = ctx.fleet.link((record.layout or {}).get("ingest") or "")
    running = link.observed.streams.get(record.key) if link and link.observed else None
    return bool(((running or {}).get("stats") or {}).get("alive"))


def _keeps_copy(record: Record, hostname: str) -> bool:
    """The streamer keeps a further copy of the archive."""
    copies = (record.layout or {}).get("dvr_backups") or ()
    return hostname in copies and not record.config.get("disabled", False)


def _restreamed(ctx: Context, record: Record, *, records_too: bool = False) -> list[Record]:
    """The stream as it is pulled from the streamer that captures it, while it is watched.

    `records_too`: all the time, with an archive of its own.
    """
    origin = ctx.store.get(Kind.STREAMER, (record.layout or {}).get("ingest") or "")
    if origin is None:
        return []
    known = origin.config
    base = known.get("private_payload_url") or known.get("api_url") or f"http://{origin.key}"
    inputs = _sources(base.rstrip("/"), record.key, known.get("cluster_key"))
    if not records_too:
        # What is recorded lies there: whoever asks here is answered from there.
        inputs[0]["remote_dvr"] = "nochain"
    viewers: JsonObject = {key: record.config[key] for key in PRESENTED if key in record.config}
    config = {**viewers, "name": record.key, "static": records_too, "inputs": inputs}
    if records_too:
        config["dvr"] = record.config.get("dvr")
    return [replace(record, config=config)]


def _sources(base: str, name: str, cluster_key: str | None) -> list[JsonObject]:
    """How a stream is pulled from the streamer at `base`.

    By frames, which keep their times and need no demuxer; a streamer whose frames are of another
    release, or that has no cluster key, gives MPEG-TS, as every server does. The key lets in:
    whoever may watch is decided by the restreamer.
    """
    scheme, _, rest = base.partition("://")
    tls = "s" if scheme == "https" else ""
    key = {"cluster_key": cluster_key} if cluster_key else {}
    by_frames: JsonObject = {"url": f"m4f{tls}://{rest}/{name}", **key}
    by_ts: JsonObject = {"url": f"tshttp{tls}://{rest}/{name}/mpegts", **key}
    return [by_frames, by_ts] if key else [by_ts]


def _is_placed_on(record: Record, hostname: str) -> bool:
    placed = (record.layout or {}).get("ingest") == hostname
    return placed and not record.config.get("disabled", False)


def streamer_config(config: JsonObject) -> JsonObject:
    """What the streamer is told of a stream: what was set, without Central's own fields."""
    return {
        key: value
        for key, value in config.items()
        if key not in PLACEMENT_FIELDS and key not in ("namespace", "cluster_ingest")
    }


async def _answer(request: web.Request, records: Iterable[Record]) -> web.Response:
    listed = list(records)
    return await _with_secrets(
        context(request), lambda: json_answer(_build(request, listed), headers=HEADERS)
    )


async def _with_secrets(ctx: Context, answer: Callable[[], web.Response]) -> web.Response:
    """An answer that may need Secrets which nobody has read yet. Raises UnreadError (503) where
    they cannot be read now: who asks goes on with what it has."""
    try:
        return answer()
    except UnreadError:
        await ctx.store.read_secrets()
        return answer()


def _build(request: web.Request, records: Iterable[Record]) -> JsonObject:
    query = parse_query(
        request.query.items(), CentralStream, OWN_PARAMETERS, default_limit=PAGE_LIMIT
    )
    interval = context(request).settings.config_external_reconciliation_interval
    store = context(request).store
    by_name = {record.key: record for record in records}
    configs = [record.config for record in by_name.values()]
    answer = run_paged(
        configs,
        query,
        "streams",
        lambda config: str(config["name"]),
        lambda config: streamer_config(store.told(by_name[config["name"]])),
    )
    answer["config_external_reconciliation_interval"] = round(interval * 1000)
    return answer


def _streamer(request: web.Request) -> Record:
    hostname = request.match_info["hostname"]
    record = context(request).store.get(Kind.STREAMER, hostname)
    if record is None:
        raise not_found("streamer", hostname)
    return record


def _names(request: web.Request) -> list[str]:
    names = [name for text in request.query.getall("name", []) for name in text.split(",") if name]
    if not names:
        raise QueryError("name is required: the streams that are asked for", "name")
    if len(names) > MAX_NAMES:
        raise QueryError(f"more than {MAX_NAMES} names", "name")
    return names


_HOST = {"host": "the streamer, as in the path"}
_NAME = {"name": "streams, separated by commas", **_HOST}
ROUTES = (
    Route(
        "GET", "/streamers/{hostname}/streams", must_run, "Streams that must run on a streamer",
        need="backend", operation="streamer_streams_list", response=StreamConfig,
        collection="streams", query=_NAME,
    ),
    Route(
        "GET", "/streamers/{hostname}/update-streams", still_allowed,
        "Of running streams those that may go on", need="backend",
        operation="streamer_update_streams_list", response=StreamConfig, collection="streams",
        query=_NAME,
    ),
    Route(
        "GET", "/streamers/{hostname}/dynamic-streams", on_request,
        "Streams that somebody asked a streamer for", need="backend",
        operation="streamer_dynamic_streams_list", response=StreamConfig, collection="streams",
        query=_NAME,
    ),
    Route(
        "GET", "/streamers/{hostname}/srt_port_resolve/{port}", resolve_srt_port,
        "The stream behind an SRT port", need="backend", operation="srt_port_resolve",
        query={"mode": "play or publish", **_HOST},
    ),
)  # fmt: skip
