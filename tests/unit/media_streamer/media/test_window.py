"""What a new subscriber of HLS is told."""

from pathlib import Path

from media_streamer.media.segment_files import SegmentFiles
from media_streamer.media.window import REPLAYED_PARTS, TrackWindow
from media_streamer.wire.media import (
    InitSection,
    PartReady,
    SegmentDropped,
    SegmentEvent,
    SegmentReady,
)


def init(number: int) -> InitSection:
    return InitSection(
        "v1", number, "video", f"/init-{number}", "x", 0, 0, 0.0, 0, 0, 0, "", "", 0, 90_000, []
    )


def part(msn: int, index: int, seq: int) -> PartReady:
    return PartReady("v1", msn, index, seq, 0.2, True, "/p", 0, 1, 0, False, 0)


def segment(msn: int, init: int) -> SegmentReady:
    return SegmentReady("v1", msn, f"/{msn}", init, 0, 0, 1.0, 1, False, 0, 0, 0, 8)


def test_replay_is_the_state_after_all_messages(tmp_path: Path) -> None:
    pending: list[SegmentEvent] = []
    files = SegmentFiles(tmp_path, "s", "fmp4")
    window = TrackWindow("v1", files, 5, pending)
    window.init(init(0), tmp_path / "init-0")
    for msn in range(10, 20):
        if msn == 13:
            window.init(init(1), tmp_path / "init-1")
        for _ in range(2):
            window.part(part(msn, *window.next_part))
        window.segment(segment(msn, 1 if msn >= 13 else 0), tmp_path / str(msn))
    window.part(part(20, *window.next_part))
    dropped = [message.msn for message in pending if isinstance(message, SegmentDropped)]
    assert dropped == [10, 11, 12, 13, 14]
    state = window.replay()
    inits = [m.number for m in state if isinstance(m, InitSection)]
    assert inits == [1], "no listed segment needs the other"
    assert [m.msn for m in state if isinstance(m, SegmentReady)] == list(range(15, 20))
    parts = [(m.msn, m.index) for m in state if isinstance(m, PartReady)]
    first = 20 - REPLAYED_PARTS
    assert parts == [(msn, index) for msn in range(first, 20) for index in (0, 1)] + [(20, 0)]
    numbers = [m.seq for m in state if isinstance(m, PartReady)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "over all segments"
    order = [getattr(m, "msn", -1) for m in state]
    assert order == sorted(order)
    window.clear()
    assert window.replay() == []
