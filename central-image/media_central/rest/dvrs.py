"""`/dvrs`: the archives that streams can refer to, as the streamers' records name them."""

from aiohttp import web
from media_rest.query import parse_query, run_query
from media_rest.route import Route

from media_central.models.agents import DvrName
from media_central.rest.answers import json_answer
from media_central.rest.context import context
from media_central.store.port import Kind


async def list_dvrs(request: web.Request) -> web.StreamResponse:
    query = parse_query(request.query.items(), DvrName)
    names = {
        item["name"]
        for record in context(request).store.all(Kind.STREAMER)
        for item in record.config.get("dvrs") or ()
    }
    return json_answer(run_query([{"name": name} for name in names], query, "dvrs", "name"))


ROUTES = (
    Route(
        "GET", "/dvrs", list_dvrs, "Archives that streams can refer to", operation="dvrs_list",
        response=DvrName, collection="dvrs",
    ),
)  # fmt: skip
