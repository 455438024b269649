"""`/flussonic/api/…` before v3, as far as tools still ask for it."""

from datetime import UTC, datetime

from aiohttp import web
from media_rest.errors import ApiError, not_found
from media_rest.openmetrics import CONTENT_TYPES, render, server_families, stream_families
from media_rest.redact import redact

from media_streamer.api.answers import JsonObject, json_answer
from media_streamer.api.guard import reads_only
from media_streamer.api.route import Route, server_of
from media_streamer.api.streams import public_url, stream_state
from media_streamer.supervisor.archive_errors import ArchiveError
from media_streamer.supervisor.catalog import Stream
from media_streamer.supervisor.configuration import config_error


async def server(request: web.Request) -> web.Response:
    server = server_of(request)
    stats = server.statistics()
    config = server.configuration.current
    ports = config.listeners.first_ports() if config.listeners is not None else {}
    keys = (
        "hostname",
        "uptime",
        "total_clients",
        "total_streams",
        "online_streams",
        "input_kbit",
        "output_kbit",
        "build",
        "cpu_usage",
        "memory_usage",
        "scheduler_load",
        "partitions",
        "transcoder",
        "transcoder_devices",
    )
    return json_answer(
        {
            "event": "server.info",
            "version": stats["server_version"],
            "status": stats["streamer_status"],
            "auth_token": config.auth_token,
            **{name: port for name, port in ports.items() if name in {"rtmp", "rtsp"}},
            **{key: stats[key] for key in keys},
        }
    )


def _chosen(request: web.Request) -> list[Stream]:
    streams = server_of(request).streams
    names = [name for name in request.query.get("name", "").split(",") if name]
    if not names:
        return streams.all()
    found = (streams.get(name) for name in names)
    return [stream for stream in found if stream is not None]


async def media(request: web.Request) -> web.Response:
    return json_answer([{"entry": "stream", "value": _entry(request, s)} for s in _chosen(request)])


async def streams(request: web.Request) -> web.Response:
    return json_answer(
        {"event": "stream.list", "streams": [_entry(request, s) for s in _chosen(request)]}
    )


def _entry(request: web.Request, stream: Stream) -> JsonObject:
    state = stream_state(
        server_of(request),
        stream,
        redacted=reads_only(request),
        http_url=public_url(request),
    )
    options = {
        key: state[key]
        for key in ("title", "comment", "disabled", "provider", "static", "position")
        if key in state
    }
    urls = [
        {"value": item["url"], "options": {k: v for k, v in item.items() if k not in _INPUT_OWN}}
        for item in state.get("inputs", ())
    ]
    # Tools look for the first key that ends in `url"`, and mean this one.
    stats = {"url": "", **state["stats"]}
    return {"name": stream.name, "urls": urls, "stats": stats, "options": options}


DAY = 86_400
_INPUT_OWN = ("url", "stats")


async def sessions(request: web.Request) -> web.Response:
    wanted = request.query.get("name")
    found = []
    for session in server_of(request).sessions:
        if session.kind != "play" or (wanted and session.name != wanted):
            continue
        info = session.info()
        info.update(type=session.proto, created_at=info["opened_at"], bytes_sent=session.bytes)
        found.append(redact(info) if reads_only(request) else info)
    return json_answer({"event": "user.list", "sessions": found})


async def reload(request: web.Request) -> web.Response:
    problems = await server_of(request).configuration.reload()
    if problems:
        return json_answer(config_error(problems), 400)
    return json_answer({"success": True})


async def media_info(request: web.Request) -> web.Response:
    stream = _known(request)
    return json_answer(stream.stats.get("media_info") or {})


async def stream_health(request: web.Request) -> web.Response:
    """200 for a stream that is alive, 424 for one that is not."""
    stream = _known(request)
    if not stream.stats.get("alive"):
        raise ApiError(424, "stream_not_alive", f"stream {stream.name!r} is not alive")
    return json_answer({"name": stream.name, "alive": True})


async def dvr_status(request: web.Request) -> web.Response:
    """What was recorded on a day of UTC: `[{"from", "duration"}]` in Unix seconds."""
    stream = _known(request)
    try:
        year, month, day = (int(request.match_info[part]) for part in ("year", "month", "day"))
        begin = int(datetime(year, month, day, tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        raise ApiError(400, "bad_query", "the path is dvr_status/YEAR/MONTH/DAY/NAME") from None
    try:
        ranges = await server_of(request).archives.ranges(stream.name)
    except ArchiveError as error:
        raise ApiError(404, "no_archive", str(error)) from None
    found = []
    for one in (item.as_json() for item in ranges):
        first, last = max(one["from"], begin), min(one["from"] + one["duration"], begin + DAY)
        if first < last:
            found.append({"from": first, "duration": last - first})
    return json_answer(found)


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text: `?request=server|streams`, both without it."""
    server, what = server_of(request), request.query.get("request", "")
    if what not in {"", "server", "streams", "pusher"}:
        raise ApiError(400, "bad_query", "request must be server or streams", parameter="request")
    found = []
    if what in {"", "server"}:
        found += server_families(server.statistics(), server.id)
    if what in {"", "streams", "pusher"}:
        states = [stream_state(server, item, redacted=True) for item in _chosen(request)]
        found += stream_families(states, server.id)
    return web.Response(body=render(found, "text"), headers={"Content-Type": CONTENT_TYPES["text"]})


def _known(request: web.Request) -> Stream:
    name = request.match_info["name"]
    stream = server_of(request).streams.get(name)
    if stream is None:
        raise not_found("stream", name)
    return stream


ROUTES = (
    Route("GET", "/server", server, "Server"),
    Route("GET", "/media", media, "Streams"),
    Route("GET", "/streams", streams, "Streams"),
    Route("GET", "/sessions", sessions, "Sessions"),
    Route("GET", "/reload", reload, "Reload the configuration", need="edit"),
    Route("POST", "/reload", reload, "Reload the configuration"),
    Route("GET", "/media_info/{name}", media_info, "Tracks of a stream"),
    Route("GET", "/stream_health/{name}", stream_health, "Whether a stream is alive"),
    Route("GET", "/dvr_status/{year}/{month}/{day}/{name}", dvr_status, "Archive of a day"),
    Route("GET", "/metrics", metrics, "Metrics"),
)
