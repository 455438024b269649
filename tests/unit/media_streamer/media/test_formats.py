"""Which containers carry what telephones and cameras send as sound."""

from pathlib import Path

import msgspec
import pytest
from media_streamer.media.formats import CONTAINERS
from media_streamer.media.frame import Cut, Frame, Track
from media_streamer.media.gop import Boundary, Entry
from media_streamer.media.inputs.sample_probe import probe
from media_streamer.media.output import _Pipe
from media_streamer.media.segments import Fmp4Segments, Lateness
from media_streamer.media.settings import OutputSettings
from media_streamer.wire.media import InitSection, PartReady, PublishedFrame, TrackSetup


@pytest.fixture(scope="module", params=["pcm_alaw", "pcm_mulaw"])
def sound(request: pytest.FixtureRequest) -> Track:
    """8 kHz, one channel."""
    setup = TrackSetup(0, "audio", request.param, b"", 90_000)
    return probe(setup, PublishedFrame(0, 0, 0, True, bytes(160)))


@pytest.mark.parametrize("container", sorted(CONTAINERS))
def test_g711_is_carried_where_it_is_played(container: str, sound: Track) -> None:
    muxer = CONTAINERS[container]([sound], None)
    assert bool(muxer.left_out) == (container in ("flv", "flv_tracks", "mse", "ts"))


def test_g711_is_no_track_of_mp4(sound: Track, tmp_path: Path) -> None:
    made = Fmp4Segments(OutputSettings(name="s", directory=tmp_path))
    made.set_tracks([sound], b"", True)
    assert not [event for event in made.take() if isinstance(event, InitSection)]
    made.close()


def test_parts_tell_whether_there_were_captions_so_far(sound: Track, tmp_path: Path) -> None:
    """Of pictures: as SEI of H.264 has them (ATSC A/53 part 4, 6.2.3)."""
    picture = msgspec.structs.replace(sound, kind="video", name="v1", codec="h264", fps=25.0)
    made = Fmp4Segments(OutputSettings(name="s", directory=tmp_path, chunk_duration_ms=40))
    made.set_tracks([picture], b"", False)
    sei = bytes.fromhex("06041bb500314741393403c1ff") + bytes(8)
    for number, data in enumerate((b"plain", sei, b"plain", b"plain")):
        frame = Frame(0, 3600 * number, 3600 * number, 3600, True, data, 40 * number)
        made.push([Entry(frame, data, Boundary.KEY, Cut(7, 0, 0, 0, 0, 5000))])
    told = [event.captions for event in made.take() if isinstance(event, PartReady)]
    assert told == [False, True, True, True]
    made.close()


def test_segments_tell_how_late_what_they_hold_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a moment and comes at once then is no measure: the best of a segment is."""
    now = 1_700_000_000.0
    monkeypatch.setattr("media_streamer.media.segments.time.time", lambda: now)
    lateness = Lateness()
    told = []
    for ages in ((28.0, 31.0), (), (29.4, 28.1), (60.0, 28.0), (60.0,), (0.3, 4.0), (1.9,)):
        for age in ages:
            lateness.came(Frame(0, 0, 0, 0, True, b"", round(1000 * (now - age))))
        told.append(lateness.ms)
        lateness.begin()
    assert told == [28_000, 28_000, 28_000, 28_000, 60_000, 0, 0]


def test_what_is_left_out_is_told_with_stream_and_reason(caplog: pytest.LogCaptureFixture) -> None:
    track = Track(2, "v1", "video", "av1", b"", "av01.0.00M.08")
    pipe = _Pipe("ts", (), 0)
    pipe.start("live/x", [track], 0)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("stream live/x: ts cannot carry v1 (av1: ")
