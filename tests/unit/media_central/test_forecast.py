"""What a change would move, told by the layouter's own planner."""

from dataclasses import replace
from random import Random

from media_central import forecast
from media_central.placement import Situation, Standing
from media_central.store.port import Kind, Record


def stream(name: str, ingest: str | None = None, **config: object) -> Record:
    layout = {"ingest": ingest, "created_at": 1} if ingest else None
    return Record(Kind.STREAM, name, {"name": name, **config}, layout, 1, 1, 1)


def streamer(name: str, **config: object) -> Record:
    return Record(Kind.STREAMER, name, {"hostname": name, **config}, None, 1, 1, 1)


def situation(streams: list[Record], streamers: list[Record]) -> Situation:
    return Situation(
        {item.key: item for item in streams},
        {item.key: item for item in streamers},
        lambda _hostname: Standing(alive=True, known=True),
    )


NOW = situation([stream("a", "s1"), stream("b", "s1")], [streamer("s1"), streamer("s2")])


def test_a_stream_that_is_pinned_elsewhere_would_move() -> None:
    changed = replace(NOW.streams["a"], config={"name": "a", "streamer": "s2"}, layout=None)
    (item,) = forecast.moves(forecast.with_streams(NOW, {"a": changed}), 5)
    assert (item["name"], item["ingest"], item["created_at"]) == ("a", "s2", 5)
    verdicts = {one["hostname"]: one for one in item["node_layout_decisions"]}
    assert verdicts["s2"]["node_decision"] is True
    assert verdicts["s1"]["reasons"] == ["stream_misses_node_required_labels"]


def test_a_disabled_stream_would_lose_its_place() -> None:
    changed = replace(NOW.streams["a"], config={"name": "a", "disabled": True})
    (item,) = forecast.moves(forecast.with_streams(NOW, {"a": changed}), 5)
    assert (item["change_reason"], "ingest" in item) == ("stream_disabled", False)


def test_what_changes_nothing_moves_nothing() -> None:
    changed = replace(NOW.streams["a"], config={"name": "a", "title": "A"})
    assert forecast.moves(forecast.with_streams(NOW, {"a": changed}), 5) == []


def test_a_smaller_streamer_gives_streams_away() -> None:
    then = forecast.with_streamers(NOW, {"s1": streamer("s1", channel_limit=1)})
    found = forecast.counts(NOW, then.plan(forecast.Random(0)), then)
    assert [(item["hostname"], item["before"], item["after"], item["delta"]) for item in found] == [
        ("s1", 2, 1, -1),
        ("s2", 0, 1, 1),
    ]


def test_without_its_streamer_a_stream_goes_to_a_new_one() -> None:
    then = forecast.with_streamers(NOW, {"s1": None, "s2": None, "s3": streamer("s3")})
    found = forecast.counts(NOW, then.plan(forecast.Random(0)), then)
    assert {item["hostname"]: item["after"] for item in found} == {"s1": 0, "s2": 0, "s3": 2}


LADDER = {"transcoder": {"video": [{"bitrate": 1_000_000}]}, "claims": {"cpu": 1.5}}


def test_what_ladders_take_is_told_with_what_there_is() -> None:
    streams = [stream("a", "s1", **LADDER), stream("b", "s1", **LADDER), stream("c")]
    now = situation(streams, [streamer("s1", cpu_cores=4), streamer("s2", cpu_cores=2)])
    then = forecast.with_streamers(now, {"s1": None})
    found = {one["hostname"]: one for one in forecast.counts(now, then.plan(Random(0)), then)}
    assert found["s1"]["encoding_before"] == {"cpu": 3.0}
    assert "encoding_after" not in found["s1"]
    assert found["s2"]["encoding_after"] == {"cpu": 1.5}
    assert found["s2"]["encoding_limit"] == {"cpu": 2.0}
    moves = {one["name"]: one for one in forecast.moves(then, 5)}
    assert moves["a"]["encoding"] == {"cpu": 1.5}
    assert "encoding" not in moves["c"]
    assert moves["b"]["message"] == (
        "0/1 streamers available: 1 without CPU left for its transcoder"
    )
    [verdict] = moves["b"]["node_layout_decisions"]
    assert verdict["reasons"] == ["node_channel_limit_exceeded"]


def test_a_streamer_tells_its_cores_and_cards() -> None:
    cards = [{"type": "nvenc", "memTotal": 24 << 30}, {"type": "nvenc", "memTotal": 24 << 30}]
    stats = {"cpu_cores": 7.5, "transcoder_devices": cards}
    told = replace(NOW, standing=lambda _: Standing(alive=True, known=True, stats=stats))
    assert told.offers()[0].encoding == (7500, 2000, 0, 48 << 10)
    limited = replace(told, streamers={"s1": streamer("s1", cpu_cores=2, gpu_sessions=16)})
    assert limited.offers()[0].encoding == (2000, 2000, 16, 48 << 10)
