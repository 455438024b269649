"""`timeshift://`: what a stream records, shown later by another one."""

import asyncio
import time

import av

from tests.integration.media_streamer.archive.conftest import Recorder
from tests.support.picture_clock import PictureClock
from tests.support.streamer import until

DELAY = 4
WHOLE_SEGMENTS = 2.5
"""It begins with the group of pictures under way, and by a busy machine."""


def age_of_the_first_picture(url: str) -> float:
    """Seconds since it was made, by the clock that is drawn in it."""
    with av.open(url, timeout=20) as source:
        picture = next(source.decode(video=0))
        luma = picture.to_ndarray(format="gray")
        return time.time() - PictureClock(picture.width, picture.height).read(luma)


async def test_a_stream_is_shown_later_and_follows_its_archive(recorder: Recorder) -> None:
    def config(delay: int, dvr: bool = True) -> str:
        archive = f"dvr {recorder.archive} 1d;" if dvr else ""
        return (
            f"stream live {{ input fake://fake; segment_duration 1; {archive} }}\n"
            f"stream a/late {{ input timeshift://live/{delay}; }}\n"
            "stream b { input timeshift://b/9; }\n"
        )

    recorder.write(config(DELAY))
    await recorder.serve()
    await recorder.running("a/late")
    url = f"{recorder.base}/a/late/mpegts"
    age = await asyncio.to_thread(age_of_the_first_picture, url)
    assert DELAY - 0.2 < age < DELAY + WHOLE_SEGMENTS

    async def says_why() -> bool:
        stats = await recorder.stats("b")
        return "cannot show what it records itself" in stats.get("source_error", "")

    await until(says_why, "words about a stream that shows itself")

    recorder.write(config(DELAY, dvr=False))
    await recorder.reload()

    async def is_told() -> bool:
        return "live has no archive on this server" in recorder.log

    await until(is_told, "the delayed stream to hear that the archive has gone")
