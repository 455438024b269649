"""What a new subscriber of HLS is told."""

from pathlib import Path

from media_streamer.media.hub import Event
from media_streamer.media.segment_files import SegmentFiles
from media_streamer.media.window import REPLAYED_PARTS, TrackWindow


def test_replay_is_the_state_after_all_messages(tmp_path: Path) -> None:
    pending: list[Event] = []
    files = SegmentFiles(tmp_path, "s", "fmp4")
    window = TrackWindow("v1", files, 5, pending)
    window.init(0, tmp_path / "init-0", {"codecs": "x"})
    for msn in range(10, 20):
        if msn == 13:
            window.init(1, tmp_path / "init-1", {"codecs": "y"})
        for _ in range(2):
            window.part({"msn": msn})
        window.segment(msn, 1 if msn >= 13 else 0, tmp_path / str(msn), {"size": 1})
    window.part({"msn": 20})
    messages = [message for message, _ in pending]
    dropped = [message["msn"] for message in messages if message["op"] == "drop"]
    assert dropped == [10, 11, 12, 13]
    state = [message for message, _ in window.replay()]
    assert [m["n"] for m in state if m["op"] == "init"] == [1], "no listed segment needs the other"
    assert [m["msn"] for m in state if m["op"] == "segment"] == list(range(14, 20))
    parts = [(m["msn"], m["index"]) for m in state if m["op"] == "part"]
    first = 20 - REPLAYED_PARTS
    assert parts == [(msn, index) for msn in range(first, 20) for index in (0, 1)] + [(20, 0)]
    order = [m.get("msn", -1) for m in state]
    assert order == sorted(order)
    window.clear()
    assert window.replay() == []
