"""What `/history` answers of rows that are there: decoded strictly, and as CSV."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from media_api.status import SessionInfo
from media_central.db import Database
from media_central.history.rollup import roll_up
from media_central.history.tables import Retention
from media_central.models.history import ClusterGraph, SessionTotals, StreamerGraph, StreamGraph
from media_central.models.layouts import StreamLayout

from tests.support.published import decode

MINUTES = 30
RETENTION = Retention(rows=7, rollups=400)
NOW = datetime.now(UTC)
YESTERDAY = NOW - timedelta(days=1)
UNTIL_MS = round(NOW.timestamp() * 1000)
SPAN = f"from={UNTIL_MS - 7_200_000}&to={UNTIL_MS}"
LISTS = [
    ("/history/sessions", SessionInfo, "sessions", "sessions.csv"),
    ("/history/sessions/days", SessionTotals, "totals", "sessions-by-day.csv"),
    ("/history/placements", StreamLayout, "layouts", "placements.csv"),
]
GRAPHS = [
    ("/history/streams/sport%2Fone", StreamGraph, "stream-sport_one.csv", "sport/one"),
    ("/history/streamers/s1", StreamerGraph, "streamer-s1.csv", "s1"),
    ("/history/cluster", ClusterGraph, "cluster-all.csv", None),
]


@pytest.fixture
async def api(central, database_url):
    """Of a Central with half an hour of figures, two sessions of yesterday and a placement."""
    history = central.central.context.history
    for ago in range(1, MINUTES + 1):
        at = NOW - timedelta(minutes=ago)
        history.add("stream_sample", (at, "sport/one", "s1", "running", 1000, 2, 3, 10, 20, 1.0))
        history.add("streamer_sample", (at, "s1", 1.0, 50.0, 10.0, 1.0, 2.0, 3, 5.0, 7.0))
    for number, agent in enumerate(('=HYPERLINK("http://evil")', "VLC, 3.0")):
        began = YESTERDAY - timedelta(seconds=60)
        history.add(
            "session",
            (
                YESTERDAY, f"id-{number}", "s1", "sport/one", "play", "hls", "192.0.2.1", began,
                YESTERDAY, 1000, "DE", agent,
            ),
        )  # fmt: skip
    history.add_layout("sport/one", {"ingest": "s1", "change_reason": "created"})
    await history.flush()
    database = await Database.open(database_url, max_connections=1, retries=0)
    async with database.acquire() as connection:
        await roll_up(connection, RETENTION, NOW + timedelta(hours=1))
    await database.close()
    return central.api


async def table(api, path):
    """The rows of a CSV, and the name that a browser saves it by."""
    headers = {"Authorization": "Bearer test-api-key"}
    async with api.http.get(api.base + path, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/csv")
        name = answer.headers["Content-Disposition"].partition('filename="')[2].rstrip('"')
        return list(csv.DictReader(io.StringIO(await answer.text()))), name


@pytest.mark.parametrize(("path", "model", "file", "name"), GRAPHS)
async def test_a_graph_as_json_and_as_csv(api, path, model, file, name):
    status, answer = await api("GET", f"{path}?{SPAN}&points=12")
    assert status == 200, answer
    decode(model, answer)
    assert answer.get("name") == name
    points = answer["points"]
    assert 3 <= len(points) <= 4  # of ten minutes; those without figures are left out
    assert answer["step"] == 600_000
    assert {point["clients_max"] for point in points} == {3}
    if model is StreamGraph:
        assert sum(point["bytes_out"] for point in points) == 20 * MINUTES
        assert {(point["bitrate"], point["alive"]) for point in points} == {(1000.0, 1.0)}
    else:
        assert {point["output_kbit"] for point in points} == {7.0}
    rows, saved = await table(api, f"{path}?{SPAN}&points=12&format=csv")
    assert saved == file
    assert [int(row["at"]) for row in rows] == [point["at"] for point in points]
    assert [float(row["clients_max"]) for row in rows] == [3.0] * len(points)
    assert rows[0]["time"].endswith("+00:00")


@pytest.mark.parametrize(("path", "model", "collection", "file"), LISTS)
async def test_a_list_as_json_and_as_csv(api, path, model, collection, file):
    status, answer = await api("GET", path)
    assert status == 200, answer
    decode(model, answer, collection)
    items = answer[collection]
    assert len(items) == (2 if collection == "sessions" else 1)
    rows, saved = await table(api, f"{path}?format=csv")
    assert (saved, len(rows)) == (file, len(items))
    if collection == "sessions":
        # A spreadsheet runs no text of a viewer; a comma in one is no column.
        assert {row["user_agent"] for row in rows} == {'\'=HYPERLINK("http://evil")', "VLC, 3.0"}
    elif collection == "totals":
        total = items[0]
        assert (total["sessions"], total["seconds"], total["bytes"]) == (2, 120, 2000)
        assert (total["name"], total["country"]) == ("sport/one", "DE")
    else:
        assert (items[0]["ingest"], rows[0]["change_reason"]) == ("s1", "created")


async def test_what_was_never_there_has_no_points(api):
    status, answer = await api("GET", f"/history/streams/none?{SPAN}")
    assert (status, answer["points"]) == (200, [])
    assert (await table(api, f"/history/streams/none?{SPAN}&format=csv"))[0] == []


@pytest.mark.parametrize(
    "query", ["points=0", "points=2001", "points=x", "from=x", "from=5&to=5", f"to={10**15}"]
)
async def test_a_span_that_is_none_is_refused_with_its_parameter(api, query):
    status, answer = await api("GET", f"/history/cluster?{query}")
    assert status == 400
    assert answer["errors"][0]["source"]["parameter"] in query
