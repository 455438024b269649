"""Collections of the published API of which this server has nothing: an empty list, not an error.

Clients read them to show a page; a 501 would be shown as a fault. What would put something into
them is refused in `unserved.py`.
"""

from aiohttp import web
from media_api.dvr import DvrConfig
from media_rest.errors import not_found
from media_rest.query import parse_query, run_query

from media_streamer.api.answers import json_answer
from media_streamer.api.route import Route, server_of


async def disks(request: web.Request) -> web.Response:
    """A storage is one directory here."""
    name = request.match_info["name"]
    if not any(one.name == name for one in server_of(request).configuration.current.dvrs):
        raise not_found("dvr", name)
    return json_answer(run_query([], parse_query((), DvrConfig), "disks", None))


ROUTES = (Route("GET", "/dvrs/{name}/disks", disks, "Disks of a storage: none"),)
