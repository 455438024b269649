"""`/streams`: list, read, change, delete, stop, choose an input."""

import contextlib
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from aiohttp import web
from media_api.media import MediaInfo
from media_api.play_urls import play_urls, publish_urls
from media_api.playback import denied_switches
from media_api.status import PlayToken, StreamState
from media_api.stream import StreamConfig
from media_api.unsupported import asked_in_vain
from media_rest import stream_states
from media_rest.errors import ApiError, not_found
from media_rest.merge import body_name, merge_put
from media_rest.openmetrics import stream_families
from media_rest.query import CollectionQuery, parse_query, run_query, selected, stream_order
from media_rest.redact import redact
from media_rest.unknown import told

from media_streamer.api.answers import (
    JsonObject,
    json_answer,
    json_body,
    metrics_answer,
    metrics_format,
    no_content,
)
from media_streamer.api.auth import NO_LOGIN
from media_streamer.api.guard import reads_only
from media_streamer.api.port import Server
from media_streamer.api.route import Route, server_of
from media_streamer.supervisor.access import MAX_NAME_LENGTH
from media_streamer.supervisor.catalog import Stream
from media_streamer.supervisor.commands import CommandError
from media_streamer.supervisor.play_tokens import LIFE_SECONDS
from media_streamer.supervisor.srt_ports import public_port
from media_streamer.wire.control import AccessKind


def stream_state(
    server: Server, stream: Stream, *, redacted: bool, http_url: str = ""
) -> JsonObject:
    """JSON of `media_api.status.StreamState`."""
    state = dict(stream.redacted) if redacted else {**stream.effective}
    if not redacted and stream.named_by != "remote":
        state["config_on_disk"] = stream.saved
    state.setdefault("title", "")
    state["named_by"] = stream.named_by
    if stream.warnings:
        state["warnings"] = stream.warnings
    stats = server.stream_statistics(stream)
    if http_url and not stream.config.disabled:
        stats |= _addresses(server, stream, http_url)
    state["stats"] = redact(stats) if redacted else stats
    measured = stream.stats.get("inputs") or ()
    state["inputs"] = [
        {**item, "stats": measured[index]} if index < len(measured) else item
        for index, item in enumerate(state.get("inputs") or ())
    ]
    if pushes := state.get("pushes"):
        pushed = server.push_statistics(stream)
        state["pushes"] = [
            {**item, "stats": pushed[index]} if pushed[index] else item
            for index, item in enumerate(pushes)
        ]
    return state


def _is_summary(query: CollectionQuery) -> bool:
    """Whether nothing but what `summary_state` has is asked for, of all streams: that is what other
    servers of a cluster do, every few seconds."""
    select = query.select
    if select is None or query.filters or query.sort or query.q:
        return False
    stats = select.get("stats", {})
    return select.keys() <= _SUMMARY and stats is not None and stats.keys() <= _SUMMARY_STATS


_SUMMARY = frozenset(
    {"name", "title", "static", "disabled", "groups", "named_by", "cluster_ingest", "stats"}
)
_SUMMARY_STATS = frozenset({"alive", "status", "via"})


def summary_state(stream: Stream) -> JsonObject:
    """What tells whether a stream can be had from here; a fraction of the cost of all."""
    config, stats = stream.config, stream.stats
    found: JsonObject = {
        "name": stream.name,
        "static": config.static,
        "disabled": config.disabled,
        "named_by": stream.named_by,
        "stats": {
            "alive": bool(stats.get("alive")),
            "status": stats.get("status", "waiting"),
        },
    }
    for key in ("title", "groups", "position"):
        if value := getattr(config, key):
            found[key] = value
    if config.cluster_ingest is not None:
        found["cluster_ingest"] = config.cluster_ingest.effective()
    if stream.elsewhere is not None:
        found["stats"]["via"] = [one for one in stream.elsewhere.via if one]
    return found


def _addresses(server: Server, stream: Stream, http_url: str) -> JsonObject:
    """Where viewers and publishers of the stream find it."""
    config = stream.config
    denied = denied_switches(config.protocols, encrypted=config.drm is not None)
    whole = server.configuration.current
    ports = whole.listeners.first_ports() if whole.listeners is not None else {}

    def with_srt(mode: AccessKind) -> dict[str, int]:
        port = public_port(whole, config, mode)
        return ports | {"srt": port} if port else {k: v for k, v in ports.items() if k != "srt"}

    urls = play_urls(stream.name, http_url, with_srt("play"), denied)
    found: JsonObject = {"play_urls": [one.as_json() for one in urls]}
    if config.accepts_publish:
        publish = publish_urls(stream.name, http_url, with_srt("publish"))
        found["publish_urls"] = [one.as_json() for one in publish]
    return found


def public_url(request: web.Request) -> str:
    """`http(s)://HOST[:PORT]` as the client reaches this server; empty if it does not say."""
    host = request.headers.get("Host", "")
    try:
        parts = urlsplit(f"//{host}")
        usable = parts.netloc == host and parts.hostname and parts.username is None
    except ValueError:
        return ""
    secure = request.headers.get("X-Forwarded-Proto") == "https"
    return f"{'https' if secure else 'http'}://{host}" if usable else ""


async def list_streams(request: web.Request) -> web.Response:
    server = server_of(request)
    own = {"format", "name_only", *stream_states.PARAMETERS}
    query = parse_query(request.query.items(), StreamState, own_params=own)
    by_state = stream_states.StateQuery(request.query)
    redacted, url = reads_only(request), public_url(request)
    streams, form = server.streams.all(), metrics_format(request)
    if form is None and _is_summary(query) and not by_state.needs_states:
        states: Iterable[JsonObject] = map(summary_state, streams)
    else:
        states = (
            stream_state(server, stream, redacted=redacted, http_url=url) for stream in streams
        )
    if form is not None:
        return metrics_answer(stream_families(states, server.id), form)
    answer = _by_state(by_state, states, query)
    answer["server_id"], answer["instance"] = server.id, server.instance
    return json_answer(answer)


def _by_state(
    asked: stream_states.StateQuery, items: Iterable[JsonObject], query: CollectionQuery
) -> JsonObject:
    if not asked.needs_states:
        return run_query(items, query, "streams", stream_order)
    listed = list(items)
    states = {
        item["name"]: stream_states.state_of(bool(item.get("disabled")), item["stats"])
        for item in listed
    }
    wanted = [item for item in listed if states[item["name"]] in asked.wanted]
    answer = run_query(
        wanted, query, "streams", asked.order(states) if asked.by_state else stream_order
    )
    if asked.with_totals:
        answer["totals"] = stream_states.totals(states)
    return answer


async def get_stream(request: web.Request) -> web.Response:
    state = _state(request, _known(request))
    return json_answer(selected(state, request.query.get("select", ""), StreamState))


async def put_stream(request: web.Request) -> web.Response:
    """Merge the body into what is saved; the name in the body wins."""
    server, name = server_of(request), request.match_info["name"]
    _refuse_external(server)
    body = await json_body(request)
    old = server.streams.get(name)
    saved: JsonObject | None = None
    if old is not None and old.named_by in {"config", "user"}:
        saved = old.saved
    item = merge_put(StreamConfig, saved, body, name)
    if request.query.get("dry_run", "false") in {"true", "1"}:
        return json_answer(told(_tried(item), body, StreamConfig, StreamState))
    was_saved = old is not None and old.named_by == "config"
    new_name = body_name(body, name)
    await server.configuration.save_object("streams", name if was_saved else new_name, item)
    state = _state(request, _find(server, item.name))
    return json_answer(told(state, body, StreamConfig, StreamState))


def _tried(item: StreamConfig) -> JsonObject:
    """What would be saved, and what of it would have no effect."""
    saved = item.explicit()
    texts = [one.text for one in asked_in_vain(item)]
    return {**saved, "config_on_disk": saved, **({"warnings": texts} if texts else {})}


async def delete_stream(request: web.Request) -> web.Response:
    server, stream = server_of(request), _known(request)
    if stream.named_by == "user":
        server.streams.forget(stream.name)
        return no_content()
    if stream.named_by == "remote":
        title = "another server has the stream: remove it there, or name it in `except`"
        raise ApiError(400, "remote_stream", title)
    _refuse_external(server)
    await server.configuration.save_object("streams", stream.name, None)
    return no_content()


async def stop_stream(request: web.Request) -> web.Response:
    """A static stream starts again by itself."""
    stream = _known(request)
    with _refusals():
        await server_of(request).streams.restart(stream.name)
    return no_content()


async def select_input(request: web.Request) -> web.Response:
    stream, text = _known(request), request.match_info["index"]
    if not text.isdecimal() or int(text) >= len(stream.config.inputs):
        title = f"the stream has {len(stream.config.inputs)} inputs, the first is 0"
        raise ApiError(400, "input_not_found", title)
    with _refusals():
        await server_of(request).streams.select_input(stream.name, int(text))
    return no_content()


async def media_info(request: web.Request) -> web.Response:
    return json_answer(_known(request).stats.get("media_info") or {})


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """A command that is not carried out is an answer of the API."""
    try:
        yield
    except CommandError as error:
        raise ApiError(*_REFUSALS[error.reason], str(error)) from None


_REFUSALS = {
    "not_running": (409, "stream_not_running"),
    "refused": (409, "refused"),
    "unavailable": (503, "unavailable"),
}


def _known(request: web.Request) -> Stream:
    return _find(server_of(request), request.match_info["name"])


def _find(server: Server, name: str) -> Stream:
    stream = server.streams.get(name)
    if stream is None:
        raise not_found("stream", name)
    return stream


def _state(request: web.Request, stream: Stream) -> JsonObject:
    return stream_state(
        server_of(request),
        stream,
        redacted=reads_only(request),
        http_url=public_url(request),
    )


def _refuse_external(server: Server) -> None:
    if server.configuration.current.config_external:
        raise ApiError(
            400,
            "config_external",
            "the streams of this server come from config_external: change them there",
        )


async def play_token(request: web.Request) -> web.Response:
    """A token to watch one stream with, for who may read the API because he logged in."""
    server, name = server_of(request), request.match_info["name"]
    config = server.configuration.current
    if reads_only(request) and config.edit_auth is None and config.view_auth is None:
        raise ApiError(403, "no_login_configured", NO_LOGIN)
    if len(name) > MAX_NAME_LENGTH:
        raise not_found("stream", name)
    found: JsonObject = {"name": name, "token": server.play_token(name)}
    return json_answer({**found, "parameter": config.auth_token, "seconds": LIFE_SECONDS})


ROUTES = (
    Route(
        "GET",
        "/streams",
        list_streams,
        "Streams",
        response=StreamState,
        collection="streams",
        query=stream_states.QUERY,
    ),
    Route("POST", "/streams/{name}/stop", stop_stream, "Stop; a static stream restarts"),
    Route("POST", "/streams/{name}/inputs/{index}/select", select_input, "Use this input now"),
    Route(
        "GET", "/streams/{name}/media_info", media_info, "Tracks of a stream", response=MediaInfo
    ),
    Route(
        "GET",
        "/streams/{name}/play_token",
        play_token,
        "A token to watch the stream with, past `on_play`",
        response=PlayToken,
    ),
    Route(
        "GET",
        "/streams/{name}",
        get_stream,
        "A stream",
        response=StreamState,
        query={"select": "name,stats.alive: these fields alone"},
    ),
    Route(
        "PUT",
        "/streams/{name}",
        put_stream,
        "Create or change a stream",
        request=StreamConfig,
        response=StreamState,
        query={"dry_run": "true: save nothing, answer what would be saved"},
    ),
    Route("DELETE", "/streams/{name}", delete_stream, "Delete a stream"),
)
