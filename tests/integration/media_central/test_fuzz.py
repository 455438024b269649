"""Whatever is sent, Central answers in its error shape and stays sound: never a 500."""

import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
async def ask(central):
    async def ask(method, path, **options):
        import yarl

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
