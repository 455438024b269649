"""`/episodes`: stretches of the archives of this server that are kept from deletion."""

import time

from aiohttp import web
from media_api.episodes import DvrEpisode
from media_rest.errors import ApiError, not_found, validation_error
from media_rest.merge import merge
from media_rest.query import parse_query, run_query
from pydantic import ValidationError

from media_streamer.api.answers import JsonObject, json_answer, json_body, no_content
from media_streamer.api.dvr import refusal
from media_streamer.api.route import Route, server_of
from media_streamer.supervisor.archive_errors import ArchiveError


async def list_episodes(request: web.Request) -> web.Response:
    """All, oldest first; `media` and the other fields choose."""
    query = parse_query(request.query.items(), DvrEpisode)
    rows = [one.effective() for one in await _all(request)]
    return json_answer(run_query(rows, query, "episodes", "opened_at"))


async def show_episode(request: web.Request) -> web.Response:
    return json_answer((await _known(request)).effective())


async def save_episode(request: web.Request) -> web.Response:
    """Make or change one: JSON merge. Without `updated_at` its last sign is now."""
    number, body = _id(request), await json_body(request)
    before = next((one for one in await _all(request) if one.episode_id == number), None)
    now: JsonObject = {"updated_at": int(time.time() * 1000)}
    document = now | merge(before.explicit() if before else {}, body) | {"episode_id": number}
    try:
        episode = DvrEpisode.model_validate(document)
    except ValidationError as error:
        raise validation_error(error, document) from None
    if before is not None and before.closed_at not in (None, episode.closed_at):
        raise ApiError(409, "episode_closed", "closed_at was said already and never changes")
    try:
        await server_of(request).archives.save_episode(episode)
    except ArchiveError as error:
        raise refusal(error) from None
    except ValueError as error:
        raise ApiError(409, "too_many_episodes", str(error)) from None
    return json_answer(episode.effective())


async def remove_episode(request: web.Request) -> web.Response:
    """It keeps nothing any more."""
    number = _id(request)
    try:
        if not await server_of(request).archives.remove_episode(number):
            raise not_found("episode", str(number))
    except ArchiveError as error:
        raise refusal(error) from None
    return no_content()


async def _all(request: web.Request) -> list[DvrEpisode]:
    try:
        return await server_of(request).archives.all_episodes()
    except ArchiveError as error:
        raise refusal(error) from None


async def _known(request: web.Request) -> DvrEpisode:
    number = _id(request)
    for one in await _all(request):
        if one.episode_id == number:
            return one
    raise not_found("episode", str(number))


def _id(request: web.Request) -> int:
    text = request.match_info["name"]
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) < 2**63):
        raise not_found("episode", text)
    return int(text)


ROUTES = (
    Route(
        "GET",
        "/episodes",
        list_episodes,
        "Stretches of archives that are kept",
        response=DvrEpisode,
        collection="episodes",
    ),
    Route("GET", "/episodes/{name}", show_episode, "One of them", response=DvrEpisode),
    Route(
        "PUT",
        "/episodes/{name}",
        save_episode,
        "Keep a stretch: JSON merge",
        request=DvrEpisode,
        response=DvrEpisode,
    ),
    Route("DELETE", "/episodes/{name}", remove_episode, "Keep it no longer"),
)
