"""Sources over HTTP: the client that an input line asks for (`media_streamer.outgoing.http`)."""

import re
from collections.abc import Callable

from media_api.input import InputConfig

from media_streamer.media.inputs.base import InputError, InputRequest
from media_streamer.outgoing.addresses import reach_of_process
from media_streamer.outgoing.http import HttpClient, Times
from media_streamer.outgoing.target import HttpError

USER_AGENT = "media-streamer"
_LINE_BREAK = re.compile(r"[\r\n\0]")


def http_headers(config: InputConfig) -> dict[str, str]:
    """Of every request of the input; raises InputError."""
    headers = {"User-Agent": config.user_agent or USER_AGENT, **(config.headers or {})}
    if any(_LINE_BREAK.search(name + value) for name, value in headers.items()):
        raise InputError("a header of the input contains a line break")
    return headers


def http_client(
    url: str,
    request: InputRequest,
    stopped: Callable[[], bool],
    headers: dict[str, str] | None = None,
) -> HttpClient:
    """A client for the source at `url`; `headers` besides those of the configuration.

    Raises InputError.
    """
    try:
        return HttpClient(
            url,
            headers={**http_headers(request.config), **(headers or {})},
            times=Times(head=request.limits.open_seconds, read=request.limits.read_seconds),
            reach=reach_of_process(),
            stopped=stopped,
        )
    except HttpError as error:
        raise InputError(str(error)) from None
