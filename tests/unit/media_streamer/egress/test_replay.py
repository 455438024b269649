"""A replay that is sought in: what is on its way from before is not sent any more."""

from typing import Any, cast

import pytest
from media_streamer.egress.replay import ReplayBroadcast
from media_streamer.egress.served_sessions import Account, ServedSessions
from media_streamer.wire.media import (
    TOO_MANY_PLAYBACKS,
    Chunk,
    End,
    Events,
    Header,
    Replay,
    Seek,
    Sought,
)


class Link:
    """Keeps what is told to the media worker."""

    def __init__(self) -> None:
        self.seeks: list[Seek] = []
        self.told: list[int] = []

    def subscribe(self, *_: object, **__: object) -> int:
        return 1

    def release(self, number: int) -> None: ...

    def taken(self, number: int, total: int) -> None:
        self.told.append(total)

    def seek(self, wanted: Seek) -> None:
        self.seeks.append(wanted)


class Transport:
    """A connection that takes everything."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None: ...


@pytest.fixture
async def link() -> Link:
    return Link()


@pytest.fixture
async def replay(link: Link) -> ReplayBroadcast:
    made = ReplayBroadcast(
        "s", "ts", cast(Any, link), ServedSessions(lambda _: None), None, (),
        Replay([("d", "f")], 1000, 2000, 1.0), lambda _: None,
    )  # fmt: skip
    made.on_message(Events(1, [Header(b"h")]))
    return made


def chunk(data: bytes) -> Events:
    return Events(1, [Chunk(True, [data])])


def watch(replay: ReplayBroadcast) -> tuple[Transport, Any]:
    transport = Transport()
    return transport, replay.deliver(transport, Account())


async def test_what_was_on_its_way_is_dropped(replay: ReplayBroadcast, link: Link) -> None:
    transport, _ = watch(replay)
    replay.on_message(chunk(b"1"))
    replay.seek(5000, None, 1.0, 2.0)
    assert link.seeks == [Seek(1, 1, 5000, -1, 1.0, 2.0)]
    replay.on_message(chunk(b"old"))
    replay.on_message(Events(1, [Chunk(True, [b"old"]), Sought(1), Chunk(True, [b"2"])]))
    replay.on_message(chunk(b"3"))
    assert transport.data == b"h123"
    assert link.told[-1] == len(b"1oldold23"), "there is room again for all of it"


async def test_only_the_last_of_two_places_is_shown(replay: ReplayBroadcast) -> None:
    transport, _ = watch(replay)
    replay.seek(5000, None, 1.0, 1.0)
    replay.seek(6000, 9000, 1.0, 1.0)
    replay.on_message(Events(1, [Sought(1), Chunk(True, [b"first"])]))
    replay.on_message(Events(1, [Sought(2), Chunk(True, [b"second"])]))
    assert transport.data == b"hsecond"


async def test_another_speed_drops_nothing(replay: ReplayBroadcast, link: Link) -> None:
    transport, _ = watch(replay)
    replay.seek(None, None, 4.0, 1.0)
    replay.on_message(chunk(b"1"))
    assert (transport.data, link.seeks) == (b"h1", [Seek(1, 1, -1, -1, 4.0, 1.0)])


async def test_a_viewer_who_paused_goes_on_elsewhere(replay: ReplayBroadcast, link: Link) -> None:
    first, viewer = watch(replay)
    viewer.detach("paused")
    replay.on_message(chunk(b"held"))
    replay.seek(5000, None, 1.0, 1.0)
    assert link.told[-1] == 4
    replay.on_message(Events(1, [Sought(1), Chunk(True, [b"there"])]))
    second, _ = watch(replay)
    assert (first.data, second.data) == (b"h", b"hthere")
    replay.close("over")


async def test_a_worker_that_plays_too_much_is_told_apart_from_nothing_recorded(
    link: Link,
) -> None:
    refused, empty = [
        ReplayBroadcast(
            "s", "ts", cast(Any, link), ServedSessions(lambda _: None), None, (),
            Replay([("d", "f")], 1000, 2000, 1.0), lambda _: None,
        )
        for _ in range(2)
    ]  # fmt: skip
    refused.on_message(Events(1, [End(TOO_MANY_PLAYBACKS)]))
    empty.on_message(Events(1, [End("recordings_ended")]))
    assert refused.is_refused
    assert not empty.is_refused
