"""Collections that are nothing but kept documents: balancers and rule sets of viewers."""

from dataclasses import dataclass

from aiohttp import web
from media_api.auth import AuthBackendConfig
from media_api.base import ApiModel, JsonObject
from media_api.cluster import BalancerConfig
from media_rest.errors import not_found
from media_rest.query import parse_query, run_query
from media_rest.route import Route
from media_rest.unknown import told

from media_central.rest import writing
from media_central.rest.access import caller_of, check, shown
from media_central.rest.answers import json_answer, object_body
from media_central.rest.context import context
from media_central.rest.streams import may_see
from media_central.store.documents import MODELS, target_key
from media_central.store.port import Kind, Record


@dataclass(frozen=True, slots=True)
class Collection:
    """`name` of the array in answers; `path` below the base, without its slash."""

    kind: Kind
    name: str
    path: str
    model: type[ApiModel]

    async def list_all(self, request: web.Request) -> web.StreamResponse:
        query = parse_query(request.query.items(), self.model)
        caller = caller_of(request)
        items = [
            self._state(record)
            for record in context(request).store.all(self.kind)
            if may_see(caller, self.path, record.key)
        ]
        return json_answer(shown(request, run_query(items, query, self.name, "name")))

    async def get(self, request: web.Request) -> web.StreamResponse:
        record = self._known(request)
        return json_answer(shown(request, self._state(record)), headers=writing.tag_header(record))

    async def put(self, request: web.Request) -> web.StreamResponse:
        name, body = request.match_info["name"], await object_body(request)
        check(caller_of(request), "write", f"{self.path}/{target_key(self.kind, name, body)}")
        record = await writing.put(request, self.kind, name, body)
        answer = told(shown(request, self._state(record)), body, self.model)
        return json_answer(answer, headers=writing.tag_header(record))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if not await writing.delete(request, self.kind, name):
            raise not_found(writing.singular(self.kind), name)
        return web.Response(status=204)

    def routes(self) -> tuple[Route, ...]:
        """The four operations."""
        word = writing.singular(self.kind)
        one = f"/{self.path}/{{name}}"
        dry_run = {"dry_run": "true: answer what would be saved"}

        return (
            Route(
                "GET", f"/{self.path}", self.list_all, f"List of {self.name}",
                operation=f"{word}s_list", response=self.model, collection=self.name,
            ),
            Route(
                "GET", one, self.get, f"One of the {self.name}",
                operation=f"{word}_get", response=self.model,
            ),
            Route(
                "PUT", one, self.put, "Create or change: JSON merge",
                operation=f"{word}_save", request=self.model, response=self.model, query=dry_run,
            ),
            Route(
                "DELETE", one, self.delete, "Delete", operation=f"{word}_delete",
                query=dry_run,
            ),
        )  # fmt: skip

    def _known(self, request: web.Request) -> Record:
        name = request.match_info["name"]
        record = context(request).store.get(self.kind, name)
        if record is None:
            raise not_found(writing.singular(self.kind), name)
        return record

    def _state(self, record: Record) -> JsonObject:
        return MODELS[self.kind].parse(record.config).effective()


ROUTES = (
    *Collection(Kind.BALANCER, "balancers", "load-balancers", BalancerConfig).routes(),
    *Collection(Kind.AUTH_BACKEND, "auth_backends", "auth_backends", AuthBackendConfig).routes(),
)
