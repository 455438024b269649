"""aiohttp's low-level server as all our public HTTP ports have it: bounded, quiet, and quick with
those whose answer is known.

Role: bounds on what a client may send, no traceback in the log for what is not HTTP, `Repeat` and
`Quick`.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from media_process.http_log import http_logger

from media_streamer.egress.http.access_log import AccessLog
from media_streamer.egress.http.connection import KEEP_ALIVE_SECONDS, Connection, PassOn, Quick

MAX_LINE_BYTES = 8190
MAX_HEADERS = 64
LINGER_SECONDS = 5.0


_log = http_logger("media_streamer.http")


class _Server(web.Server):
    may_repeat: Callable[[], bool]
    quick: Quick | None
    pass_on: PassOn | None

    def __call__(self) -> web.RequestHandler:
        known = (self.may_repeat, self.quick, self.pass_on)
        return Connection(self, *known, loop=self._loop, **self._kwargs)


def http_server(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    requests: AccessLog | None = None,
    quick: Quick | None = None,
    pass_on: PassOn | None = None,
) -> web.Server:
    """A protocol factory for a listener; `requests`: where they are logged; `quick`: answers that
    are known without a handler; `pass_on`: requests of the API that need none."""
    server = _Server(
        handle,
        handler_cancellation=True,
        access_log=_log if requests is not None else None,
        access_log_class=requests.logger() if requests is not None else AbstractAccessLogger,
        logger=_log,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_LINE_BYTES,
        max_headers=MAX_HEADERS,
        lingering_time=LINGER_SECONDS,
        auto_decompress=False,
    )
    server.quick, server.pass_on = quick, pass_on
    server.may_repeat = lambda: requests is None or not requests.enabled
    return server
