"""From wish to worker over real sockets: a worker of the test listens to what it is told."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from media_streamer.last_words import LastWords
from media_streamer.supervisor import name_quota
from media_streamer.supervisor.cages import Cages
from media_streamer.supervisor.quarantine import TRIAL_SECONDS
from media_streamer.supervisor.settings import QUARANTINE_ID

from .streams_world import World, fake


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    await world.server.start()
    yield world
    for worker in world.workers.values():
        worker.task.cancel()
        await asyncio.gather(worker.task, return_exceptions=True)
    await world.server.close()


async def test_one_changed_stream_of_a_thousand_is_one_message(world: World) -> None:
    streams = [fake(f"s{number}") for number in range(1000)]
    workers = [await world.worker("0"), await world.worker("1")]
    world.configure(*streams)
    await world.settled()
    assert [len(worker.told) for worker in workers] == [500, 500]
    for worker in workers:
        worker.told.clear()
    world.published.clear()
    streams[17] = fake("s17", title="new")
    world.configure(*streams)
    await world.settled()
    told = [item for worker in workers for item in worker.told]
    assert told == [("apply", "s17")]
    assert not world.published, "viewers are not disturbed"
    assert not world.ended


async def test_a_worker_that_comes_back_gets_its_streams(world: World) -> None:
    world.configure(fake("a"), fake("b"))
    first, second = await world.worker("0"), await world.worker("1")
    await world.settled()
    assert Counter(first.told + second.told) == Counter([("apply", "a"), ("apply", "b")])
    name = first.told[0][1]
    before = world.control.directory.get(name)
    first.task.cancel()
    await world.until(lambda: "0" not in world.control.media)
    world.control.media_died("0", 100.0, by_crash=False)
    after = world.control.directory.get(name)
    assert before is not None
    assert after is not None
    assert after.worker == "0"
    assert after.epoch > before.epoch
    again = await world.worker("0")
    await world.settled()
    assert again.told == [("apply", name)]
    assert second.told == [item for item in second.told if item[1] != name]


async def test_wishes_are_coalesced_and_in_order(world: World) -> None:
    worker = await world.worker("0")
    await world.worker("1")
    worker.delay = 0.05
    for number in range(20):
        world.configure(fake("a", title=str(number)))
        await asyncio.sleep(0)
    world.configure()
    world.configure(fake("a", title="last"))
    await world.settled()
    assert worker.configs["a"]["title"] == "last"
    assert worker.told[-1] == ("apply", "a")
    assert len(worker.told) <= 4


async def test_a_refused_configuration_is_a_problem_of_the_stream(world: World) -> None:
    worker = await world.worker("0")
    worker.refuse.add("a")
    world.configure(fake("a"))
    await world.settled()
    assert "no such codec" in world.control.catalog.streams["a"].problem
    worker.refuse.clear()
    world.configure(fake("a", title="x"))
    await world.settled()
    assert not world.control.catalog.streams["a"].problem


async def test_disabled_and_removed_streams_end(world: World) -> None:
    worker = await world.worker("0")
    world.configure(fake("a"))
    await world.settled()
    world.configure(fake("a", disabled=True))
    await world.settled()
    assert worker.told == [("apply", "a"), ("remove", "a")]
    assert world.published[-1] == {"a": None}
    assert world.ended == [("a", "stream disabled")]
    world.configure()
    assert world.ended[-1] == ("a", "stream removed")


async def test_on_demand_streams_are_started_after_they_are_known(world: World) -> None:
    worker = await world.worker("0")
    worker.delay = 0.02
    world.configure(fake("a", static=False))
    stream = await world.finder.find("a", "play")
    assert stream is not None
    place = await world.finder.where(stream)
    assert place is not None
    assert place[0].endswith("media-0/worker.sock")
    assert worker.told == [("apply", "a"), ("start", "a")]


async def test_a_publisher_comes_after_the_stream_is_known(world: World) -> None:
    worker = await world.worker("0")
    await world.worker("1")
    worker.delay = 0.05
    live = {"name": "live", "prefixes": ["live"], "inputs": [{"url": "publish://"}]}
    world.configure(templates=[live])
    stream = await world.make("live/x", "publish")
    assert stream is not None
    assert await world.finder.where(stream) is not None
    assert ("apply", "live/x") in worker.told + world.workers["1"].told


async def test_a_viewer_waits_for_a_worker_that_starts(world: World) -> None:
    world.configure(fake("a"))
    stream = await world.finder.find("a", "play")
    assert stream is not None
    waiting = asyncio.create_task(world.finder.where(stream))
    await asyncio.sleep(0)
    await world.worker("0")
    assert await waiting is not None


async def test_a_viewer_makes_no_stream_that_waits_for_a_publisher(world: World) -> None:
    world.configure(
        templates=[
            {"name": "live", "prefixes": ["live"], "inputs": [{"url": "publish://"}]},
            {"name": "pull", "prefixes": ["pull"], "inputs": [{"url": "fake://fake"}]},
        ]
    )
    assert await world.make("live/x", "play") is None
    assert await world.make("pull/x", "play") is not None
    assert await world.make("live/x", "publish") is not None
    now = time.monotonic()
    world.control.drop_unused(now + 30, lambda _: False)
    assert "live/x" in world.control.catalog.streams
    world.control.drop_unused(now + 120, lambda name: name == "live/x")
    assert list(world.control.catalog.streams) == ["live/x"]
    world.control.drop_unused(now + 120, lambda _: False)
    assert not world.control.catalog.streams


async def test_one_address_makes_a_number_of_names_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_quota, "MAX_NAMES_OF_ADDRESS", 3)
    inputs = [{"url": "fake://fake"}]
    world.configure(
        templates=[
            {"name": "any", "prefixes": [""], "inputs": inputs},
            {"name": "other", "prefixes": ["other"], "inputs": inputs},
        ]
    )
    assert await world.finder.find("n0", "play") is not None
    assert not world.control.catalog.streams, "who only asks makes nothing"
    find = world.make
    made = [await find(f"n{n}", "play", "10.0.0.7") for n in range(10)]
    assert sum(stream is not None for stream in made) == 3
    assert await find("n0", "play", "10.0.0.7") is not None, "what exists is found"
    assert await find("x", "publish", "10.0.0.7") is None
    assert await find("x", "play", "10.0.0.8") is not None, "others may"
    assert await find("other/x", "play", "10.0.0.7") is not None, "by template"
    six = [await find(f"s{n}", "play", f"2001:db8::{n:x}") for n in range(10)]
    assert sum(stream is not None for stream in six) == 3, "a /64 is one address"
    world.control.drop_unused(time.monotonic() + 120, lambda _: False)
    assert await find("n9", "play", "10.0.0.7") is not None, "what went is free again"


async def test_the_culprit_is_held_and_the_others_go_on(world: World) -> None:
    workers = {key: await world.worker(key) for key in ("0", "1")}
    world.configure(fake("bad"), fake("good"), fake("old"))
    await world.settled()
    for name in ("good", "bad", "old"):
        world.control.catalog.streams[name].opening_since = None
    place = world.control.directory.get("bad")
    assert place is not None
    victim = place.worker
    world.control.catalog.streams["bad"].opening_since = time.monotonic()
    world.control.media_died(victim, 50.0, by_crash=True)
    assert world.quarantine_started
    in_quarantine = world.control.directory.get("bad")
    assert in_quarantine is not None
    assert in_quarantine.worker == QUARANTINE_ID
    quarantine = await world.worker(QUARANTINE_ID)
    await world.settled()
    assert quarantine.told == [("apply", "bad")]
    for name in ("good", "old"):
        home = world.control.directory.get(name)
        assert home is not None
        assert home.worker in workers
    world.control.media_died(QUARANTINE_ID, 1.0, by_crash=True)
    assert world.control.directory.get("bad") is None
    assert world.control.catalog.streams["bad"].problem == "input crashed the media worker"
    now = time.monotonic()
    world.control.tick_quarantine(now + 6)
    world.control.tick_quarantine(now + 7 + TRIAL_SECONDS)
    released = world.control.directory.get("bad")
    assert released is not None
    assert released.worker in workers
    assert not world.control.catalog.streams["bad"].problem


@pytest.mark.parametrize(
    ("words", "suspects"),
    [
        (LastWords("it grew", ["bad"]), {"bad"}),
        (LastWords("it grew", ["gone"]), set()),
        (LastWords("it grew", seconds=40.0), {"late"}),
        (LastWords("it grew", seconds=3600.0), {"late"}),
        (None, set()),
    ],
)
async def test_a_worker_that_ends_itself_says_who_is_to_blame(
    world: World, words: LastWords | None, suspects: set[str]
) -> None:
    world.control.cages = Cages(["0"])
    await world.worker("0")
    world.configure(fake("bad"), fake("good"), fake("late"))
    await world.settled()
    now = time.monotonic()
    for name, ago in (("bad", 80.0), ("good", 3600.0), ("late", 45.0)):
        world.control.catalog.streams[name].opening_since = now - ago
    world.control.media_died("0", 5000.0, by_crash=True, words=words)
    assert set(world.control.quarantine.suspects()) == suspects


STRANGER = """
import asyncio, sys
from pathlib import Path
from media_streamer.wire.control import WORKER_SIDE, Hello
from media_streamer.wire.peer import Peer
async def come():
    peer = await Peer.connect(Path(sys.argv[1]), WORKER_SIDE, "the supervisor")
    task = asyncio.create_task(peer.run())
    try:
        await peer.call(Hello("media", "0", "1", ""))
    except Exception as error:
        print(error)
asyncio.run(come())
"""


async def test_strangers_on_the_control_socket_are_refused(world: World) -> None:
    """Who it is the kernel says: a process of the same user that says it is this worker."""
    path = str(world.settings.control_socket)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STRANGER, path, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(child.communicate(), 30)
    refusal = f"media worker 0 (pid {child.pid}) is not taken: it was not started here"
    assert refusal in said.decode()


async def test_streams_stay_where_a_worker_runs_them_already(world: World) -> None:
    """Of a supervisor that was killed: nothing moves, nothing opens, what is not wanted goes."""
    world.control.remember("1", {"a": True, "b": True, "gone": True})
    world.control.remember("0", {"c": False})
    world.configure(fake("a"), fake("b"), fake("c"))
    places = {name: world.control.directory.get(name) for name in "abc"}
    assert {name: place and place.worker for name, place in places.items()} == {
        "a": "1",
        "b": "1",
        "c": "0",
    }
    worker = await world.worker("1")
    await world.settled()
    assert sorted(worker.told) == [("apply", "a"), ("apply", "b"), ("remove", "gone")]
    assert world.control.catalog.streams["a"].opening_since is None  # no suspect of a crash
    await world.worker("0")
    await world.settled()
    assert world.control.catalog.streams["c"].opening_since is not None


async def test_only_what_is_recorded_in_a_new_folder_moves(world: World) -> None:
    world.control.cages = Cages(["0"])
    old = await world.worker("0", "/srv/old")
    world.configure(fake("a"), fake("b"), fake("c"))
    await world.settled()
    old.told.clear()
    world.published.clear()
    world.recorded["a"] = frozenset({Path("/srv/new")})
    world.recorded["b"] = frozenset({Path("/srv/old")})
    for _ in range(2):
        world.control.archives_changed(["a", "b"])
    await world.settled()
    assert world.begun == ["1"]
    assert {op for op, _ in old.told} == {"apply"}
    assert world.published == [], "it goes on until the other worker is there"
    new = await world.worker("1", "/srv/old", "/srv/new")
    await world.settled()
    assert [one for one in old.told if one[0] == "remove"] == [("remove", "a")]
    assert new.told == [("apply", "a")]
    assert [list(changes) for changes in world.published] == [["a"]]


async def test_what_is_recorded_on_a_disk_that_was_replaced_moves(world: World) -> None:
    world.control.cages = Cages(["0"])
    old = await world.worker("0", "/srv/a", "/srv/b")
    world.recorded = {name: frozenset({Path("/srv", name)}) for name in ("a", "b")}
    world.configure(fake("a"), fake("b"))
    await world.settled()
    old.told.clear()
    world.replaced = [Path("/srv/a")]
    world.control.archives_changed(["a"])
    await world.settled()
    assert world.begun == ["1"]
    new = await world.worker("1", "/srv/a", "/srv/b")
    await world.settled()
    assert [one for one in old.told if one[0] == "remove"] == [("remove", "a")]
    assert new.told == [("apply", "a")]


async def test_only_what_shows_files_of_a_new_folder_moves(world: World) -> None:
    world.control.cages = Cages(["0"])
    old = await world.worker("0", read=("/srv/films",))
    streams = (fake("a"), {"name": "b", "inputs": [{"url": "file://films/b.mp4"}]})
    films = {"prefix": "films", "storages": [{"url": "/srv/films"}]}
    world.configure(*streams, vods=[films])
    await world.settled()
    assert set(old.told) == {("apply", "a"), ("apply", "b")}
    assert world.begun == []
    more = {"prefix": "more", "storages": [{"url": "/srv/more"}, {"url": "s3://bucket/x"}]}
    world.configure(*streams, vods=[films, more])
    world.control.vods_changed()
    assert world.told_workers, "before one begins"
    assert world.begun == ["1"]
    new = await world.worker("1", read=("/srv/films", "/srv/more"))
    await world.settled()
    assert new.told == [("apply", "b")]
    place = world.control.directory.get("a")
    assert place is not None
    assert place.worker == "0"


async def test_a_reader_is_one_that_may(world: World) -> None:
    world.control.cages = Cages(["0"])
    await world.worker("0", read=("/srv/films",))
    world.configure(fake("a"))
    await world.settled()
    assert world.control.reader("a", frozenset({Path("/srv/films/new")})) == "0"
    assert world.control.reader("films/x.mp4", frozenset()) == "0"
    assert world.control.reader("a", frozenset({Path("/srv/more")})) == "1"
    assert world.control.reader("a", frozenset({Path("/srv/more")})) == "1", "it is on its way"
    assert world.begun == ["1"]


async def test_a_stream_that_is_new_begins_where_it_can_be_recorded(world: World) -> None:
    world.control.cages = Cages(["0"])
    old = await world.worker("0")
    world.recorded["a"] = frozenset({Path("/srv/new")})
    world.configure(fake("a"))
    assert world.begun == ["1"]
    new = await world.worker("1", "/srv/new")
    await world.settled()
    assert old.told == []
    assert set(new.told) == {("apply", "a")}
