"""Frames from threads: in order, in batches, bounded."""

import threading

import pytest
from media_streamer.media import inbox as module
from media_streamer.media.frame import Frame, Track
from media_streamer.media.inbox import Inbox

from tests.support.frame_recorder import Recorder

VIDEO = Track(0, "v1", "video", "h264", b"", "avc1")
AUDIO = Track(1, "a1", "audio", "aac", b"", "mp4a.40.2")


def frame(number: int, track: int = 0, key: bool = False, size: int = 1) -> Frame:
    return Frame(track, number, number, 1, key, bytes(size))


def test_order_is_kept_and_frames_come_in_batches() -> None:
    inbox, sink = Inbox("s"), Recorder()
    inbox.drain(sink)
    inbox.set_tracks([VIDEO])
    inbox.push([frame(1, key=True)])
    inbox.push([frame(2), frame(3)])
    inbox.gap()
    inbox.push([frame(4)])
    inbox.drain(sink)
    assert sink.told == ["v1", [1, 2, 3], "gap", [4]]
    inbox.drain(sink)
    assert len(sink.told) == 4


@pytest.mark.parametrize("tracks", [[VIDEO, AUDIO], [AUDIO]])
def test_what_nobody_takes_is_dropped_up_to_a_key_frame(
    tracks: list[Track], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    inbox, sink = Inbox("live/x"), Recorder()
    told: list[str] = []
    inbox.tell(lambda: told.append("frames"))
    inbox.set_tracks(tracks)
    inbox.push([frame(1, key=True, size=600), frame(2, size=600)])
    assert "stream live/x: nobody took 1200 bytes" in caplog.text
    if len(tracks) > 1:
        inbox.push([frame(3), frame(4, track=1, key=True)])
    inbox.push([frame(5, key=True), frame(6)])
    inbox.drain(sink)
    assert sink.told == ["".join(track.name for track in tracks), "gap", [5, 6]]
    if len(tracks) > 1:
        inbox._stalled = True
        inbox.push([frame(7)])
        assert len(told) == 1, "of what is dropped nobody is told,"
        inbox.push([frame(8, key=True)])
        assert len(told) == 2, "but of what is not"


def test_who_takes_is_told_once_until_it_has_taken() -> None:
    inbox, sink, told = Inbox("s"), Recorder(), list[str]()
    inbox.set_tracks([VIDEO])
    inbox.push([frame(1, key=True)])
    inbox.tell(lambda: told.append("frames"))
    inbox.push([frame(2)])
    inbox.push([frame(3)])
    assert len(told) == 1
    inbox.drain(sink)
    inbox.push([frame(4)])
    assert len(told) == 2
    inbox.tell(None)
    inbox.drain(sink)
    inbox.push([frame(5)])
    assert len(told) == 2


def test_no_frame_is_lost_between_threads() -> None:
    inbox, sink = Inbox("s"), Recorder()

    def put() -> None:
        for number in range(2000):
            inbox.push([frame(number)])

    thread = threading.Thread(target=put)
    thread.start()
    while thread.is_alive():
        inbox.drain(sink)
    inbox.drain(sink)
    assert [n for batch in sink.told for n in batch] == list(range(2000))
