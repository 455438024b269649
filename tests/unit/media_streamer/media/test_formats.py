"""Which containers carry what telephones and cameras send as sound."""

from pathlib import Path

import pytest
from media_streamer.media.formats import CONTAINERS
from media_streamer.media.frame import Frame, Track
from media_streamer.media.inputs.sample_probe import probe
from media_streamer.media.segments import Fmp4Segments, Lateness
from media_streamer.media.settings import OutputSettings
from media_streamer.wire.media import InitSection, PublishedFrame, TrackSetup


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
