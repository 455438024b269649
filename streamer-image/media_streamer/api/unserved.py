"""Paths of the published API that this server does not serve: 501 with words, never a name.

Names in paths may hold slashes, so without these rows `PUT /streams/demo/dvr/locks` would make a
stream `demo/dvr/locks`. A stream that is really called so is reached by `%2F`. Whoever builds one
of these features removes its row.
"""

from dataclasses import dataclass

from aiohttp import hdrs, web
from media_rest.errors import ApiError

_METHODS = hdrs.METH_ALL - {hdrs.METH_CONNECT, hdrs.METH_OPTIONS}


@dataclass(frozen=True, slots=True)
class Unserved:
    """`path` is below the base, as in `Route`; `what` is the feature, for people."""

    path: str
    what: str
    served: tuple[str, ...] = ()
    """Methods that are served after all."""

    @property
    def methods(self) -> list[str]:
        return sorted(_METHODS - set(self.served)) if self.served else ["*"]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raise ApiError(501, "not_implemented", f"{request.method} {request.path}: {self.what}")


READS = ("GET", "HEAD")
_EXPORT = "an export is ordered by POST /streams/NAME/dvr/export, and only cancelled or deleted"
_EPISODES = "an episode is put under its id, by PUT /episodes/ID"
_DISKS = "disks are changed with their storage, by PUT /dvrs/NAME"
_FILES = "a file is read, put and deleted under its own path below …/files/"
_LEGACY = "change `dvr` of the stream, and /streams/NAME/dvr/locks, by /streamer/api/v3"

UNSERVED = (
    Unserved("/streams/{name}/dvr/export", _EXPORT, ("POST",)),
    Unserved("/dvrs/{name}/disks", _DISKS, READS),
    Unserved("/dvrs/{name}/disks/{path}", _DISKS, READS),
    Unserved("/dvr_export_jobs", _EXPORT, READS),
    Unserved("/dvr_export_jobs/{name}", _EXPORT, (*READS, "DELETE")),
    Unserved("/episodes", _EPISODES, READS),
    Unserved("/episodes/{name}", _EPISODES, (*READS, "PUT", "DELETE")),
    Unserved("/vods/opened_files", _FILES, READS),
    Unserved("/vods/{name}/storages/{index}/files", _FILES, READS),
    Unserved("/vods/{name}/storages/{index}/files/{path}", _FILES, (*READS, "PUT", "DELETE")),
    Unserved("/event_sinks/{name}/events", "events are made by the server alone", READS),
    *(
        Unserved(f"/{name}{rest}", f"{name} are not served by this server")
        for name in (
            "api_tokens", "dvb_cards", "iptv", "logos", "rproxy", "transponders",
            "vision", "vsaas",
        )
        for rest in ("", "/{name}")
    ),
)  # fmt: skip

LEGACY_UNSERVED = (
    *(Unserved(f"/{path}", _LEGACY) for path in (
        "dvr_enable/{name}", "dvr_disable/{name}", "dvr/lock", "dvr/unlock",
    )),
    Unserved("/modify_config", "change one object by PUT /streamer/api/v3/…, or PUT /config"),
)  # fmt: skip
