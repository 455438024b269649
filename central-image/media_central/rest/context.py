"""What the handlers work with."""

from dataclasses import dataclass

from aiohttp import web

from media_central.history.store import History
from media_central.rest.auth import Keys
from media_central.settings import Settings
from media_central.store.port import ResourceStore
from media_central.streamers.fleet import Fleet
from media_central.views import Viewer, Views


@dataclass(frozen=True, slots=True)
class Context:
    """One for the whole process. `server_id` names this Central in metrics."""

    settings: Settings
    keys: Keys
    store: ResourceStore
    fleet: Fleet
    views: Views
    history: History
    server_id: str
    started_at: float


CONTEXT = web.AppKey("context", Context)


def context(request: web.Request) -> Context:
    return request.app[CONTEXT]


def viewer(request: web.Request) -> Viewer:
    """How the caller sees this host; `scheme` may be asked for."""
    return Viewer(host=request.host, scheme=request.query.get("scheme"))
