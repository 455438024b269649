"""A stream with a `schedule` is recorded at its times of day, and says so beyond them."""

from datetime import UTC, datetime, timedelta

from tests.support.streamer import until

from .conftest import Recorder


def hours(begin: int, end: int) -> str:
    """From so many hours from now to so many, in UTC: far from the moment of the test."""
    now = datetime.now(UTC)
    return "-".join(f"{now + timedelta(hours=hour):%H%M}" for hour in (begin, end))


def scheduled(recorder: Recorder, begin: int, end: int) -> str:
    dvr = f"dvr {recorder.archive} 1d schedule {hours(begin, end)}"
    return f"stream live {{ input fake://fake; segment_duration 1; {dvr}; }}\n"


async def test_a_stream_is_recorded_at_its_times_of_day(recorder: Recorder) -> None:
    recorder.write(scheduled(recorder, 2, 4))
    await recorder.serve()
    await recorder.running("live")

    async def rests() -> bool:
        return not (await recorder.stats())["dvr_enabled"]

    assert await rests()
    assert (await recorder.api("GET", "/streams/live/dvr/ranges"))[1]["ranges"] == []
    assert not list(recorder.archive.rglob("*.mp4"))

    recorder.write(scheduled(recorder, -2, 2))
    await recorder.reload()
    await recorder.recorded(2)

    recorder.write(scheduled(recorder, 2, 4))
    await recorder.reload()
    await until(rests, "the recording ends")
    # What was recorded stays, and live goes on.
    assert len(await recorder.segments()) >= 2
    stats = await recorder.stats()
    assert stats["alive"]
    assert "error" not in stats.get("dvr_write", {})
    _, server = await recorder.api("GET", "/config/stats")
    assert "dvr" not in server.get("text_alerts", {})
