"""Whatever is sent, Central answers in its error shape and stays sound: never a 500."""

import functools
import io
import json
import time
from urllib.parse import quote

import pytest
import yarl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_central.rest.app import ROUTES

from tests.support.hostile_json import REFUSED

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXT | st.sampled_from(["url", "name", "$reset"]), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["name", "hostname", "inputs", "title", "labels", "streamer", "claims", "namespace", "dvr",
     "protocols", "transcoder", "api_url", "cluster_key", "channel_limit", "stale_timeout"]
)  # fmt: skip
NAMES = TEXT.map(lambda text: quote(text, safe="", errors="surrogatepass")).filter(
    lambda text: text not in ("", ".", "..")
)
COLLECTIONS = ["streams", "streamers", "load-balancers", "auth_backends", "api_tokens", "episodes"]
OBJECTS = {
    "/streams/a": {"inputs": [{"url": "fake://fake"}], "on_play": {"url": "auth://a"}},
    "/streamers/a": {"api_url": "http://127.0.0.1:9", "config": {"templates": [{"name": "t"}]}},
    "/load-balancers/a": {"mode": "usage", "servers": [{"name": "a", "max_bitrate": 1000}]},
    "/auth_backends/a": {"deny_ips": ["192.0.2.0/24"], "allow_default": False},
    "/episodes/1722279170848854000": {"media": "a", "opened_at": 1, "updated_at": 2},
}
"""What is there while questions are asked."""
CPU_SECONDS = 2.0
"""Of a body; 100,000 inputs took twelve."""
FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
async def ask(central):
    async def ask(method, path, **options):
        url = yarl.URL(f"{central.api.base}{path}", encoded=True)
        headers = {"Authorization": "Bearer test-api-key"}
        async with central.api.http.request(method, url, headers=headers, **options) as answer:
            raw = await answer.read()
            assert answer.status < 500, raw
            if raw and answer.status >= 400:
                assert json.loads(raw)["errors"][0]["status"] == str(answer.status)
            return answer.status

    return ask


@pytest.fixture
async def objects(ask):
    for path, body in OBJECTS.items():
        assert await ask("PUT", path, json=body) == 200


@FUZZ
@given(
    collection=st.sampled_from(COLLECTIONS),
    name=NAMES,
    body=st.dictionaries(FIELDS, JSON, max_size=4) | JSON,
)
async def test_any_body(ask, collection, name, body):
    data = json.dumps(body).encode(errors="surrogatepass")
    await ask("PUT", f"/{collection}/{name}", data=data)
    await ask("GET", f"/{collection}/{name}")
    assert await ask("GET", f"/{collection}") == 200
    assert await ask("GET", "/cluster/stats") == 200
    await ask("DELETE", f"/{collection}/{name}")


async def test_bodies_that_no_program_writes(objects, ask):
    """Refused in words and soon: Central answers all others meanwhile."""
    for what, data in REFUSED.items():
        began = time.process_time()
        assert await ask("PUT", "/streams/a", data=io.BytesIO(data)) in (400, 413), what
        assert time.process_time() - began < CPU_SECONDS, what
    assert await ask("GET", "/streams/a") == 200


@FUZZ
@given(
    path=st.sampled_from(
        ["/streams", "/streamers", "/sessions", "/streams/a/layouts", "/streamers/a/streams",
         "/streamers/a/update-streams", "/cluster/stats", "/config", "/load-balancers/a",
         "/auth_backends", "/episodes", "/streamers/a/episodes", "/dvrs", "/events", "/audit",
         "/history/streams/a", "/history/placements"]
    ),
    query=st.lists(
        st.tuples(
            st.sampled_from(
                ["limit", "cursor", "sort", "select", "q", "name", "name_like", "stats.bitrate_gt",
                 "created_at_gt", "poll_timeout", "format", "scheme", "host", "x"]
            ),
            NAMES | st.just("0"),
        ),
        max_size=4,
    ),
)  # fmt: skip
async def test_any_query(objects, ask, path, query):
    text = "&".join(f"{key}={value}" for key, value in query if key != "poll_timeout")
    await ask("GET", f"{path}?{text}")


OPERATIONS = [
    # The configuration holds the key that the test asks with; a stream of changes has no end.
    one
    for one in ROUTES
    if (one.method, one.path) not in {("PUT", "/config"), ("GET", "/changes")}
]
BY_DESIGN = (501, 502, 503, 504)
"""Known and not served; a streamer that is away."""
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**30])
MAX_DEPTH = 4


@st.composite
def near(draw, schema, whole, depth=0):
    """A value as a JSON schema says, or not quite: it is about one in eight parts of it."""
    if depth > MAX_DEPTH or draw(st.integers(0, 7)) == 0:
        return draw(JSON)
    while "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rpartition("/")[2]]
    if found := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return draw(near(draw(st.sampled_from(found)), whole, depth))
    if "enum" in schema or "const" in schema:
        return draw(st.sampled_from(schema.get("enum") or [schema["const"]]))
    match schema.get("type"):
        case "object":
            known = schema.get("properties") or {}
            names = draw(st.lists(st.sampled_from(sorted(known)), max_size=4)) if known else []
            made = {name: draw(near(known[name], whole, depth + 1)) for name in names}
            for name in schema.get("required", ()):
                made.setdefault(name, draw(near(known[name], whole, depth + 1)))
            other = schema.get("additionalProperties")
            if isinstance(other, dict):
                made[draw(TEXT)] = draw(near(other, whole, depth + 1))
            return made
        case "array":
            items = schema.get("items") or {}
            return draw(st.lists(near(items, whole, depth + 1), max_size=2))
        case "boolean":
            return draw(st.booleans())
        case "integer" | "number":
            return draw(NUMBERS)
        case "string":
            return draw(
                TEXT | st.sampled_from(["a", "http://127.0.0.1:9", "fake://fake", "auth://a"])
            )
    return draw(JSON)


@functools.cache
def schema_of(model):
    return model.model_json_schema()


@st.composite
def calls(draw):
    """Method, path with its query, and body of an operation of any route."""
    route = draw(st.sampled_from(OPERATIONS))
    name = st.just("a") | NAMES
    parts = [
        draw(name) if part.startswith("{") else part for part in route.path.strip("/").split("/")
    ]
    keys = sorted({*route.query, "limit", "cursor", "select", "sort"} - {"poll_timeout"})
    some = st.tuples(st.sampled_from(keys), NAMES | st.sampled_from(["0", "-1", "a", "true"]))
    query = "&".join(f"{key}={value}" for key, value in draw(st.lists(some, max_size=2)))
    if route.request is None:
        body = draw(st.none() | JSON)
    else:
        schema = schema_of(route.request)
        body = draw(near(schema, schema))
        if route.batch and draw(st.integers(0, 7)):
            body = [body]
    return route.method, f"/{'/'.join(parts)}" + (f"?{query}" if query else ""), body


@FUZZ
@given(call=calls())
async def test_any_operation(central, objects, call):
    method, path, body = call
    url = yarl.URL(f"{central.api.base}{path}", encoded=True)
    headers = {"Authorization": "Bearer test-api-key"}
    data = None if body is None else json.dumps(body).encode(errors="surrogatepass")
    async with central.api.http.request(
        method, url, headers=headers, data=data, allow_redirects=False
    ) as answer:
        raw = await answer.read()
        assert answer.status < 500 or answer.status in BY_DESIGN, raw
        if raw and answer.status >= 400 and not path.startswith("/monitoring"):
            assert json.loads(raw)["errors"][0]["status"] == str(answer.status)
