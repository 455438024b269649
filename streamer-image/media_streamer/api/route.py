"""What an operation of the API is: one table row, from which routes and openapi.json are made."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from aiohttp import web
from media_api.base import ApiModel

from media_streamer.api.port import Server

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Need = Literal["open", "view", "edit"]

SERVER = web.AppKey("server", Server)
"""Where handlers find the server that they work on."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `path` is below the base; `{name}` takes slashes, raw and encoded.

    `need` is the right asked for, by default that of the method. `request` and `response` are the
    models of the bodies, for openapi.json.
    """

    method: Literal["GET", "PUT", "POST", "DELETE"]
    path: str
    handler: Handler
    summary: str
    need: Need | None = None
    request: type[ApiModel] | None = None
    response: type[ApiModel] | None = None
    collection: str = ""
    """Name of the array in the answer, for a list of `response`."""

    @property
    def right(self) -> Need:
        return self.need or ("view" if self.method == "GET" else "edit")


def server_of(request: web.Request) -> Server:
    return request.app[SERVER]
