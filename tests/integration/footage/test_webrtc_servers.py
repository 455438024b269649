"""Streams between servers: pushed by WHIP, pulled by WHEP, and what is said when that fails."""

from tests.support.players import complaints, play
from tests.support.streamer import until

from .conftest import FilmStreamer

SECONDS = 40


async def codecs(streamer: FilmStreamer, name: str) -> list[str]:
    state = await streamer.stream(name)
    return sorted(track["codec"] for track in state["stats"]["media_info"]["tracks"])


async def frames(streamer: FilmStreamer, name: str) -> int:
    (source,) = (await streamer.stream(name))["inputs"]
    return int(source["stats"]["frames"])


async def test_the_film_is_pushed_and_pulled(streamer: FilmStreamer) -> None:
    here = streamer.base.removeprefix("http://")
    streamer.write(
        "stream film { input file://vod/bigbuckbunny.mp4;"
        f" push whip://secret@{here}/landed/whip; }}\n"
        "stream landed { input publish://; password secret; }\n"
        f"stream back {{ input webrtc://{here}/landed; }}\n"
    )
    await streamer.serve()
    await streamer.running("landed")
    await streamer.running("back")
    assert await codecs(streamer, "landed") == ["h264", "opus"]
    assert await codecs(streamer, "back") == ["h264", "opus"]
    played = await play(f"{streamer.base}/landed/mpegts", 3.0)
    assert not complaints(played, 25.0, ("video", "audio")), streamer.log

    async def goes_on() -> bool:
        return await frames(streamer, "back") > 50

    await until(goes_on, "it is not only shown, it goes on", SECONDS)
    assert "secret" not in streamer.log


async def test_what_fails_is_said(streamer: FilmStreamer) -> None:
    here = streamer.base.removeprefix("http://")
    streamer.write(
        f"stream film {{ input fake://fake; push whip://n0t-it@{here}/shut/whip; }}\n"
        "stream shut { input publish://; password secret; }\n"
        f"stream nothing {{ input whep://{here}/nope/whep; }}\n"
        f"stream hidden {{ input whep://{here}/film/mpegts; }}\n"
    )
    await streamer.serve()
    expected = (
        f"input whep://{here}/nope/whep: the server answers 404: There is no stream 'nope'",
        "film/mpegts: the server answers 4",
        "the server answers 403: ",
    )

    async def all_said() -> bool:
        log = streamer.log
        return all(text in log for text in expected)

    await until(all_said, "every failure is said", SECONDS)
    assert "n0t-it" not in streamer.log
