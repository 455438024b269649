"""Fan-out of one format: what each viewer is sent, also if it does not read."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress import broadcast as module
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.pace import WRITES_A_SECOND
from media_streamer.egress.served_sessions import Account
from media_streamer.egress.viewer import PROVEN_BYTES, STALL_SECONDS
from media_streamer.wire.control import SessionLeft
from media_streamer.wire.media import End, Gap, NoSuchTracks, NothingCarried, Outage

from .broadcast_bench import Bench, Link, Transport, Upper


@pytest.fixture
async def bench():
    bench = Bench()
    yield bench
    bench.broadcast.close("test is over")


async def test_new_viewer_gets_header_and_group_of_pictures_at_once(bench):
    bench.header(b"H")
    bench.chunk(b"old", key=True)
    bench.chunk(b"K", key=True)
    bench.chunk(b"p")
    transport, viewer = bench.attach()
    assert transport.sent == [b"HKp"]
    other, _ = bench.attach("2")
    bench.chunk(b"qr")
    assert transport.sent[1] == b"qr"
    assert transport.sent[1] is other.sent[1], "the very same bytes, no copy"
    assert viewer.bytes_sent == 5


async def test_what_an_address_leaves_unread_is_bounded(bench, caplog):
    """However many connections it has: those who lag skip, new ones begin at the next key frame."""
    bench.sessions.unread.limit = 400_000
    bench.header(b"H")
    bench.chunk(bytes(50_000), key=True)
    hostile = [bench.attach(str(n), ip="192.0.2.1") for n in range(20)]
    neighbour, reader = bench.attach("reads", ip="192.0.2.1")
    reader.sent = PROVEN_BYTES + 1
    stranger, _ = bench.attach("other", ip="192.0.2.2")
    stranger.reads = False
    for transport, _ in hostile:
        transport.reads = False
    for _ in range(20):
        bench.chunk(bytes(100_000), key=True)
    bench.broadcast._flush()
    held = sum(transport.waiting for transport, _ in hostile)
    assert 300_000 <= held <= 400_000
    assert len(neighbour.sent) == 21, "who reads is sent all, whoever shares the address"
    assert stranger.waiting == 400_000, "another address has a share of its own"
    late, viewer = bench.attach("late", ip="192.0.2.1")
    assert late.sent == [b"H"], "no group of pictures for one more"
    assert caplog.text.count("viewers of 192.0.2.1 leave 0 MiB unread") == 1
    for _, one in hostile:
        one.detach("left")
    bench.chunk(b"K", key=True)
    bench.broadcast._flush()
    assert late.sent == [b"H", b"K"]
    viewer.detach("left")
    assert not bench.sessions.unread.total("192.0.2.1")


async def test_viewers_who_come_together_get_the_very_same_bytes(bench):
    bench.header(b"H")
    bench.chunk(b"K", key=True)
    bench.chunk(b"p")
    one, _ = bench.attach("1")
    other, _ = bench.attach("2")
    assert one.sent[0] is other.sent[0]
    bench.chunk(b"q")
    late, _ = bench.attach("3")
    assert late.sent == [b"HKpq"]
    bench.tell(Gap())
    last, _ = bench.attach("4")
    assert last.sent == [b"H"]


async def test_media_comes_as_often_as_viewers_are_written_to(bench):
    assert bench.link.paces == [40]
    bench.header(b"H")
    _, viewer = bench.attach()
    bench.pace.viewers = WRITES_A_SECOND
    bench.chunk(b"K", key=True)
    assert bench.link.paces == [40, 320]
    bench.pace.viewers = 1
    bench.chunk(b"L", key=True)
    assert bench.link.paces == [40, 320, 40]
    viewer.detach("left")
    assert bench.link.paces == [40, 320, 40, 320], "nobody waits"


async def test_viewer_before_the_first_byte_starts_with_header_and_key_frame(bench):
    transport, _ = bench.attach()
    bench.header(b"H")
    bench.chunk(b"p")
    bench.chunk(b"K", key=True)
    bench.chunk(b"q")
    assert transport.bytes == b"HKq"


async def test_changed_header_of_flv_has_no_file_header_again(bench):
    bench.header(b"FLV\x01\x05" + bytes(8) + b"one")
    bench.chunk(b"K", key=True)
    transport, _ = bench.attach()
    bench.header(b"FLV\x01\x05" + bytes(8) + b"two")
    bench.chunk(b"L", key=True)
    assert transport.bytes.endswith(b"KtwoL")
    late, _ = bench.attach("late")
    assert late.bytes.startswith(b"FLV")


async def test_after_a_lost_media_worker_viewers_get_a_header_again(bench):
    bench.header(b"H")
    bench.chunk(b"K", key=True)
    transport, _ = bench.attach()
    bench.broadcast.on_lost()
    late, _ = bench.attach("late")
    assert late.sent == []
    bench.header(b"H")
    bench.chunk(b"L", key=True)
    assert transport.bytes == b"HKHL"
    assert late.bytes == b"HL"


async def test_gap_empties_the_cache(bench):
    bench.header(b"H")
    bench.chunk(b"K", key=True)
    bench.tell(Gap())
    transport, _ = bench.attach()
    bench.chunk(b"p")
    bench.chunk(b"L", key=True)
    assert transport.bytes == b"HL"


async def test_what_a_new_viewer_is_sent_at_once_is_said_by_prepush(bench):
    bench.header(b"H")
    bench.chunk(b"K", key=True)
    bench.chunk(b"p")
    nothing, _ = bench.attach(prepush=0.0)
    assert nothing.bytes == b"H"
    some, _ = bench.attach(prepush=60.0)
    assert some.bytes == b"HKp"
    bench.chunk(b"L", key=True)
    more, _ = bench.attach(prepush=60.0)
    assert more.bytes == b"HKpL"
    assert nothing.bytes == b"HL"
    await more.written(1)


async def test_a_connection_that_was_cut_is_written_to_no_more(bench):
    """asyncio complains of it, who learns of the cut in the next turn of the loop only."""
    bench.header(b"H")
    cut, _ = bench.attach("cut")
    other, _ = bench.attach("other")
    bench.chunk(b"K", key=True)
    cut.closing = True
    for _ in range(6):
        bench.chunk(b"L", key=True)
    assert cut.bytes == b"HK"
    assert other.bytes == b"HKLLLLLL"


async def test_framing_is_done_once_for_all(bench):
    framed = Bench(Upper)
    framed.header(b"h")
    framed.chunk(b"k", key=True)
    one, _ = framed.attach("one")
    other, _ = framed.attach("other")
    framed.chunk(b"p")
    assert one.bytes == other.bytes == b"HKP"
    assert one.sent[-1] is other.sent[-1]
    framed.broadcast.close("test is over")


async def test_viewer_that_reads_nothing_is_cut_off(bench, monkeypatch, caplog):
    caplog.set_level("INFO")
    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    bench.header(b"H")
    bench.chunk(b"K", key=True)
    transport, viewer = bench.attach(max_buffer=1000)
    transport.reads = False
    bench.chunk(b"p" * 2000)
    bench.chunk(b"p")
    assert viewer.skipping
    clock[0] += STALL_SECONDS - 1
    bench.chunk(b"L", key=True)
    assert not transport.aborted
    clock[0] += 2
    bench.chunk(b"p")
    assert transport.aborted
    assert viewer.closed.result() == "stalled"
    assert "has read nothing for 30 s" in caplog.text


async def test_many_viewers_get_the_chunks_of_an_interval_at_once(bench):
    transport, _ = bench.attach()
    bench.header(b"H")
    bench.chunk(b"K", key=True)
    bench.pace.viewers = WRITES_A_SECOND // 20
    for chunk in (b"p", b"q", b"r"):
        bench.chunk(chunk)
    assert transport.bytes == b"HK"
    await asyncio.wait_for(transport.written(3), 5)
    assert transport.sent == [b"H", b"K", b"pqr"]
    bench.chunk(b"s")
    bench.chunk(b"L", key=True)
    bench.chunk(b"t")
    assert transport.sent[3:] == [b"s"], "nothing is joined across a key frame"
    late, _ = bench.attach()
    assert transport.sent[4:] == [b"Lt"]
    assert late.bytes == b"HLt"
    bench.chunk(b"u")
    bench.tell(Gap())
    assert (transport.sent[5:], late.sent[1:]) == ([b"u"], [b"u"])


@given(st.lists(st.sampled_from(["key", "chunk", "chunk", "gap", "attach", "leave"]), max_size=40))
def test_holding_back_changes_no_byte(steps):
    async def play(viewers: int) -> list[bytes]:
        bench = Bench()
        bench.pace.viewers = viewers
        bench.header(b"H")
        seen, watching = [], []
        for number, step in enumerate(steps):
            if step == "attach":
                transport, viewer = bench.attach()
                seen.append(transport)
                watching.append(viewer)
            elif step == "leave" and watching:
                bench.tell(Gap())
                watching.pop(0).detach("left")
            elif step == "gap":
                bench.tell(Gap())
            elif step in ("key", "chunk"):
                bench.chunk(b"%s%d " % (step[:1].encode(), number), key=step == "key")
        bench.broadcast.close("test is over")
        return [transport.bytes for transport in seen]

    assert asyncio.run(play(0)) == asyncio.run(play(WRITES_A_SECOND))


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 400), st.booleans()), max_size=60),
    st.integers(100, 1000),
)
def test_slow_viewer_loses_whole_groups_and_stays_bounded(steps, max_buffer):
    """Whatever is lost, what is sent is a sequence of chunks without a hole inside a group."""

    async def play() -> None:
        bench = Bench()
        bench.header(b"")
        bench.chunk(b"K0", key=True)
        transport, viewer = bench.attach(max_buffer=max_buffer)
        transport.sent.clear()
        last = 0
        for number, (key, size, reads) in enumerate(steps, 1):
            transport.reads = True
            if reads:
                transport.waiting = 0
            transport.reads = False
            before = len(transport.sent)
            bench.chunk((b"K" if key else b"p") + b"%d" % number + b" " * size, key=key)
            for _ in transport.sent[before:]:
                assert key or last == number - 1, "a hole inside a group of pictures"
                last = number
            assert transport.waiting <= max_buffer + 500
        missed = last != len(steps) or len(transport.sent) != len(steps)
        assert missed == (viewer.dropped_gops > 0)
        bench.broadcast.close("test is over")

    asyncio.run(play())


async def test_end_of_a_stream_that_still_exists_is_asked_for_again(bench, monkeypatch):
    monkeypatch.setattr(module, "REPEAT_SECONDS", 0.0)
    _, viewer = bench.attach()
    bench.tell(End("restart"))
    await asyncio.sleep(0.01)
    assert bench.link.repeated == [1]
    assert not viewer.closed.done()


async def test_end_of_a_removed_stream_ends_its_viewers(bench):
    _, viewer = bench.attach()
    bench.streams.clear()
    bench.tell(End("removed"))
    assert viewer.closed.result() == "removed"
    assert bench.idle == [bench.broadcast]
    assert SessionLeft("s", 0, "removed") in bench.told
    with pytest.raises(AccessDenied):
        await bench.broadcast.wait_started(1)


async def test_a_selection_of_what_there_is_not_is_refused_in_words(bench):
    """Whoever waits and whoever watches gets it."""
    bench.broadcast.selection = ("v1", "a7")
    _, viewer = bench.attach()
    waiting = asyncio.create_task(bench.broadcast.wait_started(30))
    await asyncio.sleep(0)
    bench.tell(NoSuchTracks(["a1", "v1"]))
    with pytest.raises(AccessDenied, match="no track a7; it has v1, a1") as refused:
        await waiting
    assert refused.value.status == 404
    assert viewer.closed.result() == refused.value.title


async def test_a_push_waits_for_the_tracks_that_it_shall_send(bench):
    bench.broadcast.pinned = True
    bench.tell(NoSuchTracks(["a1"]))
    bench.header(b"H")
    await bench.broadcast.wait_started(1)


@pytest.mark.parametrize("pinned", [False, True])
async def test_what_the_format_cannot_carry_is_refused_in_words(bench, pinned):
    """Also a push learns it, and tries again later."""
    bench.broadcast.pinned = pinned
    waiting = asyncio.create_task(bench.broadcast.wait_data(30))
    await asyncio.sleep(0)
    bench.tell(NothingCarried(["v1 (mpeg2video)"]))
    with pytest.raises(AccessDenied, match=r"can carry none .*: v1 \(mpeg2video\)") as refused:
        await waiting
    assert refused.value.status == 406


async def test_no_data_in_time_is_said(bench):
    with pytest.raises(AccessDenied) as denied:
        await bench.broadcast.wait_started(0.01)
    assert denied.value.status == 503


async def test_a_source_that_fails_is_told_at_once(bench):
    """Who waits hears of it, who comes later, and nobody any more once it is over."""
    bench.tell(Outage("nobody publishes it"))
    with pytest.raises(AccessDenied, match=r"not running now: nobody publishes it$"):
        await bench.broadcast.wait_started(0.01)
    waiting = asyncio.create_task(bench.broadcast.wait_started(30))
    await asyncio.sleep(0)
    bench.tell(Outage("its source gives no data (refused)", lasting=True))
    for one in (waiting, bench.broadcast.wait_started(30)):
        with pytest.raises(AccessDenied, match=r"its source gives no data \(refused\)") as denied:
            await one
        assert denied.value.status == 503
    bench.tell(Outage())
    waiting = asyncio.create_task(bench.broadcast.wait_started(30))
    await asyncio.sleep(0)
    bench.header(b"H")
    await waiting


async def test_subscription_is_warm_for_a_while_after_the_last_viewer(monkeypatch):
    monkeypatch.setattr(module, "WARM_SECONDS", 0.05)
    bench = Bench()
    _, viewer = bench.attach()
    await asyncio.sleep(0.1)
    assert bench.idle == []
    viewer.detach("left")
    viewer.detach("left")
    assert bench.idle == []
    await asyncio.sleep(0.1)
    assert bench.idle == [bench.broadcast]
    assert bench.link.released == [1]


async def test_moved_stream_is_taken_from_its_new_worker(bench):
    bench.header(b"H")
    transport, _ = bench.attach()
    other = Link()
    bench.broadcast.move(other)
    bench.broadcast.move(other)
    assert bench.link.released == [1]
    assert other.subscribed == [("live", "flv")]
    bench.header(b"H")
    assert transport.bytes == b"HH"


async def test_a_push_pays_by_its_account_and_begins_without_a_burst(bench) -> None:
    bench.header(b"head")
    bench.chunk(b"key", key=True)
    account, transport = Account(), Transport()
    left: list[str] = []
    sink = bench.broadcast.deliver(transport, account, left.append, replay=False)
    assert transport.bytes == b"head"
    bench.chunk(b"delta")
    assert transport.bytes == b"head"
    bench.chunk(b"next", key=True)
    assert transport.bytes == b"headnext"
    assert account.bytes == 8
    sink.detach("done")
    assert left == ["done"]
    assert bench.told == []  # it is no session


async def test_whoever_waits_for_data_keeps_the_subscription(bench, monkeypatch) -> None:
    monkeypatch.setattr(module, "WARM_SECONDS", 0.01)
    waiting = asyncio.create_task(bench.broadcast.wait_data(10))
    await asyncio.sleep(0)
    bench.broadcast._keep_warm()
    await asyncio.sleep(0.05)
    assert not waiting.done()
    bench.header(b"head")
    bench.chunk(b"key", key=True)
    await asyncio.wait_for(waiting, 30)


async def test_old_data_is_not_data(bench) -> None:
    bench.header(b"head")
    bench.chunk(b"key", key=True)
    waiting = asyncio.create_task(bench.broadcast.wait_data(0.0))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    bench.broadcast.close("removed")
    with pytest.raises(AccessDenied, match="removed"):
        await waiting
