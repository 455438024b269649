"""`/episodes`: stretches of archives that something happened in, saved by analytics and people;
and which of them a streamer must keep when it cleans up."""

import asyncio

from aiohttp import web
from media_api.base import JsonObject
from media_api.episodes import KeptEpisode
from media_rest.errors import ApiError, not_found, validation_error
from media_rest.merge import merge
from media_rest.query import QueryError, parse_query, run_query
from media_rest.route import Route
from pydantic import ValidationError

from media_central.history.episodes import LISTING, UNAVAILABLE, ClosedAtError
from media_central.history.search import search
from media_central.models.episodes import Episode
from media_central.rest.answers import json_answer, object_body
from media_central.rest.context import Context, context
from media_central.rest.polling import poll_seconds
from media_central.store.documents import is_storable
from media_central.store.port import Kind
from media_central.streamers.client import StreamerError, stream_path

RECHECK_SECONDS = 1.0
"""Another Central may have saved what is waited for."""
MAX_NAMES = 10_000
PAGE_LIMIT = 1000


def _id(request: web.Request) -> int:
    text = request.match_info["id"]
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) < 2**63:
        raise not_found("episode", text)
    return int(text)


async def list_episodes(request: web.Request) -> web.StreamResponse:
    """Newest sign first; `poll_timeout` waits until there is one."""
    ctx, seconds = context(request), poll_seconds(request)
    query = [(key, value) for key, value in request.query.items() if key != "poll_timeout"]
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        changed = ctx.episodes.changed
        found = await search(ctx.history, LISTING, query, "episodes")
        left = deadline - asyncio.get_running_loop().time()
        if found["episodes"] or left <= 0:
            break
        try:
            async with asyncio.timeout(min(left, RECHECK_SECONDS)):
                await changed.wait()
        except TimeoutError:
            pass
    if request.query.get("dvr_presence_check") == "true":
        await _add_presence(ctx, found["episodes"])
    return json_answer(found)


async def get_episode(request: web.Request) -> web.StreamResponse:
    ctx, episode_id = context(request), _id(request)
    try:
        episode = await ctx.episodes.get(episode_id)
    except UNAVAILABLE as error:
        raise _unavailable(error) from None
    if episode is None:
        raise not_found("episode", str(episode_id))
    if request.query.get("dvr_presence_check") == "true":
        await _add_presence(ctx, [episode])
    return json_answer(episode)


async def put_episode(request: web.Request) -> web.StreamResponse:
    """Saves or changes; the answer comes when it is kept."""
    ctx, episode_id, body = context(request), _id(request), await object_body(request)

    def merged(before: JsonObject | None) -> JsonObject:
        document = merge(before or {}, body) | {"episode_id": episode_id}
        document.pop("dvr_presence", None)
        episode = Episode.parse(document).effective()
        if not is_storable(episode):
            raise ValueError("text must not contain U+0000 or a lone surrogate")
        return episode

    try:
        episode = await ctx.episodes.save(episode_id, merged)
    except ValidationError as error:
        raise validation_error(error, body) from None
    except ClosedAtError as error:
        raise ApiError(409, "episode_closed", str(error)) from None
    except UNAVAILABLE as error:
        raise _unavailable(error) from None
    except ValueError as error:
        raise ApiError(400, "validation_error", str(error)) from None
    return json_answer(episode)


async def delete_episode(request: web.Request) -> web.StreamResponse:
    episode_id = _id(request)
    try:
        there = await context(request).episodes.delete(episode_id)
    except UNAVAILABLE as error:
        raise _unavailable(error) from None
    if not there:
        raise not_found("episode", str(episode_id))
    return web.Response(status=204)


async def kept_episodes(request: web.Request) -> web.StreamResponse:
    """What a streamer must keep of the archives that it names.

    Everything of a named stream that is not in the answer is deleted there, so what cannot be
    answered is 501: keep all.
    """
    ctx = context(request)
    hostname = request.match_info["hostname"]
    if ctx.store.get(Kind.STREAMER, hostname) is None:
        raise not_found("streamer", hostname)
    given = [*request.query.getall("media", []), *request.query.getall("name", [])]
    names = [name for text in given for name in text.split(",") if name]
    if not names:
        raise QueryError("media is required: the streams that are asked for", "media")
    if len(names) > MAX_NAMES:
        raise QueryError(f"more than {MAX_NAMES} names", "media")
    own = ("media", "name", "host", "client_host", "opened_at_lt", "closed_at_gt")
    query = parse_query(request.query.items(), KeptEpisode, own, default_limit=PAGE_LIMIT)
    opened, closed = _milliseconds(request, "opened_at_lt"), _milliseconds(request, "closed_at_gt")
    try:
        names = [name for name in names if is_storable(name)]
        found = await ctx.episodes.kept(names, opened, closed)
    except UNAVAILABLE as error:
        raise ApiError(501, "episodes_unavailable", f"delete nothing: {error}") from None
    return json_answer(run_query(found, query, "episodes", None))


def _milliseconds(request: web.Request, parameter: str) -> int | None:
    text = request.query.get(parameter)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 13:
        raise QueryError(f"{parameter} must be Unix milliseconds", parameter)
    return int(text)


async def _add_presence(ctx: Context, episodes: list[JsonObject]) -> None:
    """Whether the archive of each is there, as its streamer says."""
    ranges = dict(
        zip(
            names := list(dict.fromkeys(episode["media"] for episode in episodes)),
            await asyncio.gather(*(_ranges(ctx, name) for name in names)),
            strict=True,
        )
    )
    for episode in episodes:
        found = ranges[episode["media"]]
        if found is None:
            episode["dvr_presence"] = "unknown"
            continue
        begin = episode["opened_at"]
        end = episode.get("closed_at") or episode["updated_at"]
        there = any(first < end and begin < last for first, last in found)
        episode["dvr_presence"] = "present" if there else "absent"


async def _ranges(ctx: Context, name: str) -> list[tuple[float, float]] | None:
    """Recorded spans in Unix ms; None if nobody says."""
    record = ctx.store.get(Kind.STREAM, name)
    link = ctx.fleet.link(((record.layout if record else None) or {}).get("ingest") or "")
    if link is None or not link.online:
        return None
    try:
        answer = await link.client.get(stream_path(name) + "/dvr/ranges")
        return [
            (item["from"] * 1000, (item["from"] + item["duration"]) * 1000)
            for item in answer["ranges"]
        ]
    except (StreamerError, KeyError, TypeError):
        return None


def _unavailable(error: BaseException) -> ApiError:
    return ApiError(503, "episodes_unavailable", str(error), headers={"Retry-After": "5"})


_PRESENCE = {"dvr_presence_check": "true: say whether the archive is there"}
ROUTES = (
    Route(
        "GET", "/episodes", list_episodes, "List of episodes, newest sign first",
        operation="episodes_list", response=Episode, collection="episodes",
        query={
            "media": "of these streams", "episode_type": "of these kinds",
            "updated_at_gt": "only with a later sign, Unix ms",
            "poll_timeout": "seconds to wait for one", **_PRESENCE,
        },
    ),
    Route(
        "GET", "/episodes/{id}", get_episode, "An episode", operation="episode_get",
        response=Episode, query=_PRESENCE,
    ),
    Route(
        "PUT", "/episodes/{id}", put_episode, "Save or change an episode: JSON merge",
        operation="episode_save", request=Episode, response=Episode,
    ),
    Route(
        "DELETE", "/episodes/{id}", delete_episode, "Delete an episode", operation="episode_delete"
    ),
    Route(
        "GET", "/streamers/{hostname}/episodes", kept_episodes,
        "Episodes whose archive a streamer must keep", need="backend",
        operation="external_episodes_list", response=KeptEpisode, collection="episodes",
        query={
            "media": "streams, separated by commas", "opened_at_lt": "only begun before, Unix ms",
            "closed_at_gt": "only ended after, Unix ms",
        },
    ),
)  # fmt: skip
