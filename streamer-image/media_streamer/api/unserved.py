"""Paths of the published API that this server does not serve: 501 with words, never a name.

Names in paths may hold slashes, so without these rows `PUT /streams/demo/dvr/locks` would make a
stream `demo/dvr/locks`. A stream that is really called so is reached by `%2F`. Whoever builds one
of these features removes its row.
"""

from dataclasses import dataclass

from aiohttp import web
from media_rest.errors import ApiError


@dataclass(frozen=True, slots=True)
class Unserved:
    """`path` is below the base, as in `Route`; `what` is the feature, for people."""

    path: str
    what: str

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raise ApiError(501, "not_implemented", f"{request.method} {request.path}: {self.what}")


_ARCHIVE = "this server does not record yet, so there is no archive to read or to lock"
_FILES = "this server plays no files by itself yet: use them as inputs, file://LOCATION/path"

UNSERVED = (
    Unserved("/streams/{name}/dvr/ranges", _ARCHIVE),
    Unserved("/streams/{name}/dvr/locks", _ARCHIVE),
    Unserved("/streams/{name}/dvr/export", _ARCHIVE),
    Unserved("/dvrs/{name}/disks", _ARCHIVE),
    Unserved("/dvrs/{name}/disks/{path}", _ARCHIVE),
    Unserved("/dvr_export_jobs", _ARCHIVE),
    Unserved("/dvr_export_jobs/{name}", _ARCHIVE),
    Unserved("/vods/opened_files", _FILES),
    Unserved("/vods/{name}/storages/{index}/files", _FILES),
    Unserved("/vods/{name}/storages/{index}/files/{path}", _FILES),
    Unserved("/event_sinks/{name}/events", "events are sent to the sink, they are not kept here"),
    *(
        Unserved(f"/{name}{rest}", f"{name} are not served by this server")
        for name in (
            "api_tokens", "dvb_cards", "episodes", "iptv", "logos", "rproxy", "transponders",
            "vision", "vsaas",
        )
        for rest in ("", "/{name}")
    ),
)  # fmt: skip

LEGACY_UNSERVED = (
    *(Unserved(f"/{path}", _ARCHIVE) for path in (
        "dvr_status/{name}", "dvr_enable/{name}", "dvr_disable/{name}", "dvr/lock", "dvr/unlock",
    )),
    Unserved("/modify_config", "change one object by PUT /streamer/api/v3/…, or PUT /config"),
)  # fmt: skip
