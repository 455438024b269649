"""Pictures and sound as a source gives them, and an engine that works on them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from media_api.transcoder import TranscoderSpec
from media_streamer.protocols.fake.encoder import VIDEO, FakeEncoder, FakeSettings
from media_streamer.protocols.fake.picture import SAMPLE_RATE
from media_streamer.transcoder.engine import Engine
from media_streamer.transcoder.plan import make_plan
from media_streamer.wire.frame import TIME_BASE, Frame, Track

from tests.support.transcoding import START, Made, Source, Transcode

END_SECONDS = 60.0


@pytest.fixture(scope="session")
def source() -> Source:
    encoder = FakeEncoder(FakeSettings(320, 180, 25, 300_000))
    frames = []
    for _ in range(75):
        for one in encoder.step(datetime.now(UTC)):
            rate = TIME_BASE if one.track == VIDEO else SAMPLE_RATE
            dts, pts, duration = (
                value * TIME_BASE // rate for value in (one.dts, one.pts, one.duration)
            )
            frames.append(Frame(one.track, START + dts, START + pts, duration, one.key, one.data))
    return Source(list(encoder.tracks), frames)


@pytest.fixture
def transcode(source: Source, monkeypatch: pytest.MonkeyPatch) -> Transcode:
    """Does all of a source's frames at once: as many as there are, however long it takes."""
    monkeypatch.setattr("media_streamer.transcoder.engine.THIN_TICKS", 1 << 40)
    monkeypatch.setattr("media_streamer.transcoder.backlog.MAX_TICKS", 1 << 40)

    def run(
        document: dict[str, Any],
        frames: Sequence[Frame] | None = None,
        tracks: Sequence[Track] | None = None,
    ) -> Made:
        plan = make_plan(TranscoderSpec.model_validate(document), tracks or source.tracks)
        taken = plan.taken
        made = Made()
        made.engine = engine = Engine(plan.work, tracks or source.tracks, made)
        engine.start()
        engine.push([one for one in frames or source.frames if one.track in taken])
        engine.finish()
        assert made.over.wait(END_SECONDS), "the engine does not end"
        engine.stop()
        return made

    return run
