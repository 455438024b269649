"""Leave to play or to publish: what a client of RTMP asks for, in words that access knows."""

from collections.abc import Mapping
from typing import Any, Literal

from media_api.units import check_stream_name

from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.replay import asked_start
from media_streamer.protocols.rtmp.commands import StreamPath
from media_streamer.wire.control import AccessRequest

Kind = Literal["play", "publish"]


async def admit(
    egress: Egress, kind: Kind, path: StreamPath, ip: str, said: Mapping[str, Any]
) -> Access:
    """Leave for the first of the names that exists; `said`: the object of the client's connect.
    Raises AccessDenied."""
    missing: AccessDenied | None = None
    for name in path.names:
        try:
            check_stream_name(name)
        except ValueError as error:
            raise AccessDenied(400, "bad_name", str(error)) from None
        request = _request(name, kind, path, ip, said, egress.token_parameter)
        try:
            return await egress.hub.access(request)
        except AccessDenied as denied:
            if denied.status != 404:
                raise
            missing = missing or denied  # the name that is meant is the first
    raise missing or AccessDenied(404, "stream_not_found", "The URL names no stream")


def _request(
    name: str, kind: Kind, path: StreamPath, ip: str, said: Mapping[str, Any], token_parameter: str
) -> AccessRequest:
    def given(key: str) -> str:
        value = said.get(key)
        return value if isinstance(value, str) else ""

    return AccessRequest(
        name=name,
        proto="rtmp",
        kind=kind,
        ip=ip,
        token=path.parameters.get(token_parameter, ""),
        qs=path.query,
        password=path.parameters.get("password", ""),
        user_agent=given("flashVer"),
        referer=given("pageUrl"),
        archive=kind == "play" and asked_start(path.parameters) is not None,
    )
