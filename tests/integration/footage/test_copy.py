"""`copy://`: a stream of this server as the source of another, wherever it runs."""

from tests.support.players import complaints, play
from tests.support.streamer import until

from .conftest import FilmStreamer


async def test_copies_in_both_workers(own_streamer: FilmStreamer) -> None:
    streamer = own_streamer
    streamer.write(
        "stream film { input file://vod/bigbuckbunny.mp4; segment_duration 1; }\n"
        "stream one { input copy://film; segment_duration 1; }\n"
        "stream two { input copy://film; segment_duration 1; }\n"
        "stream three { input copy://film; static false; segment_duration 1; }\n"
        "stream circle { input copy://round; }\n"
        "stream round { input copy://circle; input fake://fake; }\n"
        "stream nothing { input copy://none; }\n"
    )
    await streamer.serve(STREAMER_MEDIA_WORKERS="2")
    for name in ("one", "two"):
        await streamer.running(name)
    for name in ("one", "two", "three"):
        seen = await play(f"{streamer.base}/{name}/mpegts", 1)
        assert not complaints(seen, 25, ("video", "audio")), (name, streamer.log)
    for name, words in {
        "circle": "the stream round is a copy itself",
        "nothing": "there is no stream none on this server",
    }.items():

        async def refused(name: str = name, words: str = words) -> bool:
            return words in (await streamer.stream(name))["stats"].get("source_error", "")

        await until(refused, f"{name} says why it gives nothing", 60)
    await streamer.running("round")
