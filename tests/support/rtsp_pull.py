"""A source by RTSP without a worker around it, and what it gives."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from fractions import Fraction

from media_api.input import InputConfig
from media_streamer.media.frame import Frame, Track
from media_streamer.media.inputs.base import InputRequest, Limits
from media_streamer.protocols.rtsp import pull

from tests.support.rtsp_camera import SECONDS


class Taken:
    """Receiver of an input."""

    def __init__(self) -> None:
        self.is_connected = False
        self.tracks: Sequence[Track] = ()
        self.frames: list[tuple[int | None, bool]] = []
        """DTS, and whether it is a key frame."""
        self.ages: list[float] = []
        self.error: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    def connected(self) -> None:
        self.is_connected = True

    def describe(self, tracks: Sequence[Track], time_bases: Sequence[Fraction]) -> None:
        self.tracks = tracks

    def frame(
        self, track: int, dts: int | None, pts: int | None, duration: int | None, key: bool,
        data: bytes,
    ) -> None:  # fmt: skip
        self.frames.append((dts, key))

    def relayed(self, frame: Frame) -> None: ...

    def looped(self) -> None: ...

    def ended(self, error: str | None) -> None:
        self.error.set_result(error)


@contextlib.asynccontextmanager
async def pulling(
    url: str, seconds: float = SECONDS, **options: object
) -> AsyncIterator[tuple[pull.RtspInput, Taken]]:
    taken = Taken()
    config = InputConfig.model_validate({"url": url, **options})
    request = InputRequest("s", config, taken, Limits(seconds, seconds))
    source = pull.create(request)
    assert isinstance(source, pull.RtspInput)
    source.on_age = taken.ages.append
    source.start()
    try:
        yield source, taken
    finally:
        source.stop()


async def error_of(taken: Taken) -> str:
    return str(await asyncio.wait_for(asyncio.shield(taken.error), SECONDS))
