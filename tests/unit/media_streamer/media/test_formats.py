"""Which containers carry what telephones and cameras send as sound."""

from pathlib import Path

import pytest
from media_streamer.media.formats import CONTAINERS
from media_streamer.media.frame import Track
from media_streamer.media.inputs.sample_probe import probe
from media_streamer.media.segments import Fmp4Segments
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
