"""The other lists of the configuration: templates, VOD locations, caches, …, all alike."""

from dataclasses import dataclass

from aiohttp import web
from media_api.base import ApiModel
from media_rest.errors import not_found
from media_rest.merge import body_name, merge_put
from media_rest.query import parse_query, run_query
from media_rest.redact import redact
from media_rest.unknown import told

from media_streamer.api.answers import JsonObject, json_answer, json_body, no_content
from media_streamer.api.guard import reads_only
from media_streamer.api.route import Route, server_of
from media_streamer.config.binder import NAMED_LISTS

PATHS = {
    "templates": "/templates",
    "vods": "/vods",
    "caches": "/caches",
    "dvrs": "/dvrs",
    "auth_backends": "/auth_backends",
    "event_sinks": "/event_sinks",
    "http_proxies": "/http_proxies",
    "peers": "/cluster/peers",
    "sources": "/cluster/sources",
    "balancers": "/cluster/balancers",
}
_SINGULAR = {
    "templates": "template",
    "vods": "vod",
    "caches": "cache",
    "dvrs": "dvr",
    "auth_backends": "auth_backend",
    "event_sinks": "event_sink",
    "http_proxies": "http_proxy",
    "peers": "peer",
    "sources": "source",
    "balancers": "balancer",
}


@dataclass(frozen=True, slots=True)
class Collection:
    """One list of the configuration. `unique` is the key that names an item."""

    key: str
    model: type[ApiModel]
    unique: str

    async def list_all(self, request: web.Request) -> web.Response:
        query = parse_query(request.query.items(), self.model)
        items = [self._state(request, item) for item in self._items(request).values()]
        return json_answer(run_query(items, query, self.key, None))

    async def get(self, request: web.Request) -> web.Response:
        return json_answer(self._state(request, self._known(request)))

    async def put(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        body = await json_body(request)
        old = self._items(request).get(name)
        saved = old.explicit() if old is not None else None
        item = merge_put(self.model, saved, body, name, self.unique)
        configuration = server_of(request).configuration
        saved_name = name if old is not None else body_name(body, name, self.unique)
        await configuration.save_object(self.key, saved_name, item)
        return json_answer(told(self._state(request, item), body, self.model))

    async def delete(self, request: web.Request) -> web.Response:
        self._known(request)
        name = request.match_info["name"]
        await server_of(request).configuration.save_object(self.key, name, None)
        return no_content()

    def routes(self) -> tuple[Route, ...]:
        path, one = PATHS[self.key], PATHS[self.key] + "/{name}"
        word = _SINGULAR[self.key]
        return (
            Route(
                "GET",
                path,
                self.list_all,
                f"List of {self.key}",
                response=self.model,
                collection=self.key,
            ),
            Route("GET", one, self.get, f"A {word}", response=self.model),
            Route(
                "PUT",
                one,
                self.put,
                f"Create or change a {word}",
                request=self.model,
                response=self.model,
            ),
            Route("DELETE", one, self.delete, f"Delete a {word}"),
        )

    def _items(self, request: web.Request) -> dict[str, ApiModel]:
        config = server_of(request).configuration.current
        return {str(getattr(item, self.unique)): item for item in getattr(config, self.key)}

    def _known(self, request: web.Request) -> ApiModel:
        name = request.match_info["name"]
        item = self._items(request).get(name)
        if item is None:
            raise not_found(_SINGULAR[self.key], name)
        return item

    def _state(self, request: web.Request, item: ApiModel) -> JsonObject:
        state = {**item.effective(), "config_on_disk": item.explicit()}
        name = str(getattr(item, self.unique))
        if (stats := server_of(request).cluster_statistics(self.key, name)) is not None:
            state["stats"] = stats
        if not reads_only(request):
            return state
        hidden: JsonObject = redact(state)
        return hidden


ROUTES = tuple(route for key in PATHS for route in Collection(key, *NAMED_LISTS[key]).routes())
