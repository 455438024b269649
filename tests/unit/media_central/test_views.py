import asyncio
from functools import partial
from types import SimpleNamespace

import pytest
from media_central import views as views_module
from media_central.store.cache import RecordCache
from media_central.store.port import Kind, Record
from media_central.views import Viewer, Views, denied, public_ports, public_url, with_stats

from tests.support.streamer import until


def link(**config):
    return SimpleNamespace(config={"hostname": "s1", **config}, hostname="s1", ports={"rtmp": 1935})


@pytest.mark.parametrize(
    ("config", "viewer", "url"),
    [
        ({}, Viewer(), "http://s1"),
        ({"api_url": "http://10.0.0.1:81"}, Viewer("central:9019"), "http://10.0.0.1:81"),
        ({"api_url": "http://10.0.0.1:81/streamer/api/v3"}, Viewer(), "http://10.0.0.1:81"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer("tv.example:9019"),
         "http://tv.example:8080"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer("[fd00::1]:9019"), "http://[fd00::1]:8080"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer(None), "http://127.0.0.1:8080"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer("a.example@b"), "http://b:8080"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer("a<script>"), "http://127.0.0.1:8080"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer("[::1%25x\n]"), "http://127.0.0.1:8080"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer("[junk"), "http://127.0.0.1:8080"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer("x" * 300), "http://127.0.0.1:8080"),
        ({"api_url": "http://127.0.0.1:8080", "public_payload_url": "https://cdn.example/x"},
         Viewer("tv.example"), "https://cdn.example/x"),
        ({"api_url": "http://u:p@10.0.0.1"}, Viewer(), "http://10.0.0.1"),
        ({"api_url": "http://10.0.0.1"}, Viewer(None, "https"), "https://10.0.0.1"),
    ],
)  # fmt: skip
def test_viewers_are_sent_to_an_address_they_can_reach(config, viewer, url):
    assert public_url(link(**config), viewer) == url


@pytest.mark.parametrize(
    ("config", "ports"),
    [
        ({}, {"rtmp": 1935}),
        ({"public_ports": {"rtmp": 30035}}, {"rtmp": 30035}),
        ({"public_ports": {}}, {}),
    ],
)
def test_a_port_is_told_only_where_viewers_reach_it(config, ports):
    assert public_ports(link(**config)) == ports


def test_protocol_switches():
    assert denied({}) == set()
    assert denied({"protocols": {"rtmp": False}}) >= {"rtmp"}
    only_hls = denied({"protocols": {"whitelist": True, "hls": True}})
    assert "hls" not in only_hls
    assert {"rtmp", "tshttp"} <= only_hls
    assert denied({"drm": {"vendor": "aes128"}}) >= {"rtmp", "dash", "cmaf"}


def test_inputs_and_pushes_are_shown_with_what_the_streamer_tells():
    configured = [{"url": "rtmp://a/key"}, {"url": "udp://b"}, {"url": "srt://c"}]
    reported = [{"url": "rtmp://a/***", "stats": {"status": "running"}}, {"url": "udp://b"}]
    first, second, third = with_stats(configured, reported)
    assert first == {"url": "rtmp://a/key", "stats": {"status": "running"}}
    assert (second, third) == ({"url": "udp://b"}, {"url": "srt://c"})
    assert with_stats(configured, None) == configured


class Store(RecordCache):
    """What `Views` asks of a store."""

    def __init__(self, *records):
        super().__init__(Kind)
        for record in records:
            self.apply(record)

    watch = RecordCache.subscribe


def stream(name, version=1, layout=None, **config):
    config = {"name": name, "inputs": [{"url": "fake://fake"}], **config}
    return Record(Kind.STREAM, name, config, layout, version, 1, 1)


@pytest.fixture
def worked_out(monkeypatch):
    """Names of streams whose configuration was worked out, in that order."""
    names = []
    original = views_module._known_of

    def known_of(record):
        names.append(record.key)
        return original(record)

    monkeypatch.setattr(views_module, "_known_of", known_of)
    return names


def test_a_configuration_is_worked_out_once_though_its_stream_moves(worked_out):
    views = Views(Store(), fleet=None)
    first = views.effective(stream("a"))
    assert views.effective(stream("a", 2, {"ingest": "s1"})) is first
    assert views.effectives([stream("a", 3, {"ingest": "s2"})]) == [first]
    assert worked_out == ["a"]
    changed = stream("a", 4, title="News")
    assert views.effectives([changed])[0]["title"] == "News"
    assert views.searched(views.effective(changed)) == "a\0news\0fake://fake"


async def test_streams_are_worked_out_before_somebody_asks(worked_out, monkeypatch, caplog):
    monkeypatch.setattr(views_module, "READY_PAUSE_SECONDS", 0.0)
    broken = stream("broken", inputs=5)
    store = Store(*(stream(f"s{n}") for n in range(25)), broken)
    views = Views(store, fleet=None)
    longest = 0

    async def neighbour():
        nonlocal longest
        while True:
            before = len(worked_out)
            await asyncio.sleep(0)
            longest = max(longest, len(worked_out) - before)

    async def are(count):
        return len(worked_out) == count

    tasks = [asyncio.create_task(one) for one in (neighbour(), views.keep_ready())]
    await until(partial(are, 26), "all are worked out")
    store.apply(stream("s3", 2, title="Changed"))
    store.apply(stream("s4", 2, {"ingest": "s1"}))
    await until(partial(are, 27), "the changed one is")
    for task in tasks:
        task.cancel()
    assert worked_out[25:] == ["broken", "s3"]
    assert "stream broken is not understood" in caplog.text
    assert longest == views_module.READY_AT_ONCE, "others come to their turn in between"
    assert views.effectives([store.get(Kind.STREAM, "s3")])[0]["title"] == "Changed"
    assert len(worked_out) == 27


async def test_streams_that_are_deleted_are_forgotten_one_by_one(worked_out):
    store = Store(*(stream(f"s{n}") for n in range(200)))
    views = Views(store, fleet=None)

    async def forgotten():
        return views._streams.keys() == {"s0"}

    first = asyncio.Event()
    task = asyncio.create_task(views.keep_ready(first.set))
    await asyncio.wait_for(first.wait(), 10)
    for n in range(1, 200):
        store.remove(Kind.STREAM, f"s{n}")
    await until(forgotten, "those that are gone are forgotten")
    task.cancel()
    views.forget(Kind.STREAM, 1)
    views.effectives(store.all(Kind.STREAM))
    assert len(worked_out) == 200, "no request works out again what lives"


async def test_working_out_ahead_begins_anew_when_it_fails(worked_out, monkeypatch, caplog):
    monkeypatch.setattr(views_module, "RESTART_PAUSE_SECONDS", 0.0)
    store = Store(stream("a"), stream("gone"))
    views = Views(store, fleet=None)
    again = asyncio.Event()

    def after_first():
        if "begins anew" in caplog.text:
            return again.set()
        store.remove(Kind.STREAM, "gone")
        raise RuntimeError("broken")

    task = asyncio.create_task(views.keep_ready(after_first))
    await asyncio.wait_for(again.wait(), 10)
    task.cancel()
    assert "RuntimeError: broken" in caplog.text
    assert views._streams.keys() == {"a"}
    assert worked_out == ["a", "gone"]
    assert len(store._watches) == 1, "that of the first try is closed"
