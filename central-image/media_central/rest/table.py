"""From the table of operations to aiohttp's router.

A path belongs to its operations whatever the method: what is not served there is 405, and never
taken for the name of a stream. A name may hold slashes, encoded or raw; so the paths with more
fixed words come first, and a stream called `a/layouts` is reached as `a%2Flayouts`.
"""

import re
from collections.abc import Callable, Iterable

from aiohttp import hdrs, web
from media_rest.errors import ApiError
from media_rest.route import Handler, Route

_FOLLOWED = re.compile(r"\{(\w+)\}(?=/\{)")
_PARAMETER = re.compile(r"\{(\w+)\}")


def add_routes(
    app: web.Application,
    base: str,
    routes: Iterable[Route],
    guarded: Callable[[Route], Handler],
) -> None:
    """Every operation below `base`; `guarded` gives the handler behind its check of rights."""
    by_path: dict[str, list[Route]] = {}
    for route in routes:
        by_path.setdefault(route.path, []).append(route)
    for path in sorted(by_path, key=_fixed_words, reverse=True):
        resource = app.router.add_resource(base + _pattern(path))
        for route in by_path[path]:
            handler = guarded(route)
            resource.add_route(route.method, handler)
            if route.method == hdrs.METH_GET:
                resource.add_route(hdrs.METH_HEAD, handler)
        resource.add_route(hdrs.METH_ANY, _not_allowed(by_path[path]))


def _fixed_words(path: str) -> int:
    return sum(not part.startswith("{") for part in path.split("/"))


def _pattern(path: str) -> str:
    # Of two names in a row only the last may hold raw slashes: nothing tells where one ends.
    return _PARAMETER.sub(r"{\1:.+}", _FOLLOWED.sub(r"{\1:[^/]+}", path))


def _not_allowed(routes: Iterable[Route]) -> Handler:
    allowed = ", ".join(sorted({route.method for route in routes}))

    async def refuse(request: web.Request) -> web.StreamResponse:
        raise ApiError(
            405,
            "method_not_allowed",
            f"{request.method} is not served here, but {allowed}",
            headers={str(hdrs.ALLOW): allowed},
        )

    return refuse
