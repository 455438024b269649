"""What the handlers work with."""

import uuid
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web
from media_auth.countries import CountrySource
from media_auth.http_backend import HttpBackend
from media_rest.errors import ApiError
from media_rest.guessing import GuessLimiter

from media_central.access import Keys, Tokens
from media_central.history.episodes import Episodes
from media_central.history.store import History
from media_central.layouter import Layouter
from media_central.models.tokens import StoredToken
from media_central.rest.tagged import TaggedAnswers
from media_central.settings import Settings
from media_central.store.port import Kind, Record, ResourceStore
from media_central.streamers.fleet import Fleet
from media_central.views import Viewer, Views

BASES = ("/streamer/api/v3", "/central/api/v3")
"""The first is what Central's documentation tells, the second what newer clients use."""


@dataclass(frozen=True, slots=True)
class Context:
    """One for the whole process. `server_id` names this installation, `run_id` this run."""

    settings: Settings
    keys: Keys
    store: ResourceStore
    fleet: Fleet
    views: Views
    history: History
    server_id: str
    started_at: float
    episodes: Episodes
    countries: CountrySource | None = None
    layouter: Layouter | None = None
    """Who places streams; None where nobody does, or the operator."""
    waker: "Waker | None" = None
    """Starts pools that sleep; None where none does."""
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    waking: set[object] = field(default_factory=set)
    """Requests that wait for a pool to start."""
    guesses: GuessLimiter = field(default_factory=GuessLimiter)
    backend_answers: TaggedAnswers = field(default_factory=TaggedAnswers)
    token_book: "TokenBook" = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "token_book", TokenBook(self.store))

    def tokens(self) -> Tokens:
        """The tokens that are valid now."""
        return self.token_book.now()


class Waker(Protocol):
    """Of streams whose pool sleeps."""

    def sleeps(self, name: str) -> bool:
        """Whether a stream waits for somebody to ask for it."""
        ...

    def is_told(self, hostname: str) -> bool:
        """Whether it is known where viewers reach a streamer that has just started."""
        ...

    async def wake(self, name: str) -> None:
        """Ask for it; returns before it runs."""
        ...


class TokenBook:
    """The tokens as they can be looked up, made anew when one was changed."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        self._seen: list[Record] = []
        self._tokens = Tokens()

    def now(self) -> Tokens:
        """Those of the store as it is now."""
        records = list(self._store.all(Kind.API_TOKEN))
        if records != self._seen:
            self._seen = records
            self._tokens = Tokens(StoredToken.parse(record.config) for record in records)
        return self._tokens


CONTEXT = web.AppKey("context", Context)
BACKENDS = web.AppKey("backends", HttpBackend)
"""Servers that decide about viewers."""


def context(request: web.Request) -> Context:
    return request.app[CONTEXT]


def viewer(request: web.Request) -> Viewer:
    """How the caller sees this host; `scheme` may be asked for. Raises ApiError."""
    scheme = request.query.get("scheme")
    if scheme not in (None, "http", "https"):
        raise ApiError(400, "bad_scheme", "scheme is http or https")
    return Viewer(host=request.host, scheme=scheme)
