"""The routes of the protocols that are served over HTTP, as their rows say."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final, Literal

from media_api.protocols import Protocol, roles

from media_streamer import protocols
from media_streamer.egress.context import Egress
from media_streamer.egress.http.routes import Route, Router
from media_streamer.egress.hub import Hub

Role = Literal["play", "publish"]
_ROLES: Final[tuple[Role, ...]] = ("play", "publish")


def mounted_routes(egress: Egress) -> Iterator[Route]:
    """What `play.py` and `publish.py` of each protocol answer."""
    for row, role in _mounted():
        counted = row.name if role == "play" and row.session != "uncounted" else ""
        for route in protocols.load(row, role).routes(egress):
            yield replace(route, counted_as=counted)


def load_all() -> None:
    """Import them."""
    for row, role in _mounted():
        protocols.load(row, role)


def _mounted() -> Iterator[tuple[Protocol, Role]]:
    mounted: set[tuple[str, Role]] = set()
    for role in _ROLES:
        for row, found in roles(role):
            place = row.package, role
            if row.transport == "http" and found.served and place not in mounted:
                mounted.add(place)
                yield row, role


@cache
def path_forms() -> Router:
    """The same to read paths by, for who answers none of them itself (a cache)."""
    return Router(mounted_routes(Egress(Hub(Path()))))
