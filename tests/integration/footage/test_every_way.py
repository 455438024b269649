"""The film through the whole streamer: every way in, every way out, judged by FFmpeg.

Each way in meets some of the ways out, each way out several ways in; all pairs are in the long run
(`test_every_pair`).
"""

import asyncio
import io
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.players import complaints, play
from tests.support.ports import free_port

from .conftest import FilmStreamer, Launch, Station, live

FRAME_RATE = 25.0
PLAY_SECONDS = 6.0
"""More than one GOP of the film."""
TRACKS = ("video", "audio")


PUBLISHED = ("rtmp", "rtmp_prefix", "post", "post_prefix")
TAKEN = ("tshttp", "hls", "rtmp", "udp", "file")
OUTPUTS = ("index.m3u8", "index.fmp4.m3u8", "index.ll.m3u8", "mpegts", "flv", "rtmp")
A_WAY = 2
"""Outputs that each way in is played by."""


def ways(names: Sequence[str], first: int) -> list[object]:
    """Each way in with outputs of its own in turn, so that each output comes with several."""
    found: list[object] = []
    for number, name in enumerate(names, first):
        some = [OUTPUTS[(number * A_WAY + step) % len(OUTPUTS)] for step in range(A_WAY)]
        found.append(pytest.param(name, some, id=f"{name}-{'+'.join(some)}"))
    return found


async def plays(streamer: FilmStreamer, name: str, outputs: Sequence[str]) -> None:
    """All these outputs at once; the error names every complaint about every output."""
    addresses = streamer.outputs(name)
    assert addresses.keys() == set(OUTPUTS)
    played = await asyncio.gather(*(play(addresses[one], PLAY_SECONDS) for one in outputs))
    found = {
        output: minded
        for output, one in zip(outputs, played, strict=True)
        if (minded := complaints(one, FRAME_RATE, TRACKS))
    }
    assert not found, f"{found}\n{streamer.log}"


def pictures(source: object) -> list[np.ndarray]:
    """All pictures of a file, 64x36 in shades of grey."""
    with av.open(source) as container:  # type: ignore[call-overload] # a path or a file object
        return [
            frame.reformat(64, 36, "gray").to_ndarray().astype(float)
            for frame in container.decode(video=0)
        ]


async def shows_the_film(streamer: FilmStreamer, name: str, film: Path) -> None:
    """The preview is one of the film's pictures."""
    async with streamer.session.get(f"{streamer.base}/{name}/preview.jpg") as answer:
        assert (answer.status, answer.content_type) == (200, "image/jpeg")
        (preview,) = pictures(io.BytesIO(await answer.read()))
    differences = [np.abs(preview - one).mean() for one in await asyncio.to_thread(pictures, film)]
    assert min(differences) < 4, f"mean difference {min(differences):.1f} of 255"


@pytest.mark.parametrize(("way", "outputs"), ways(PUBLISHED, 0))
async def test_the_film_is_published(
    streamer: FilmStreamer, film: Path, launch: Launch, way: str, outputs: Sequence[str]
) -> None:
    streamer.write(
        "stream cam { input publish://; password pw; }\n"
        "template live { prefix live; input publish://; password pw; }\n"
    )
    await streamer.serve()
    name = "live/film" if "prefix" in way else "cam"
    if way.startswith("rtmp"):
        path = name if "/" in name else f"static/{name}"
        await launch(*live(film), "-f", "flv", f"{streamer.rtmp}/{path}?password=pw")
    else:
        url = f"{streamer.base}/{name}/mpegts?password=pw"
        await launch(*live(film), "-f", "mpegts", "-method", "POST", url)
    await streamer.running(name)
    await plays(streamer, name, outputs)
    await shows_the_film(streamer, name, film)


@pytest.mark.parametrize(("way", "outputs"), ways(TAKEN, len(PUBLISHED)))
async def test_the_film_is_taken(
    streamer: FilmStreamer,
    film: Path,
    launch: Launch,
    station: Station,
    way: str,
    outputs: Sequence[str],
) -> None:
    port = free_port()
    urls = {
        "tshttp": f"tshttp://{station.address}/film.ts",
        "hls": f"hls://{station.address}/hls/index.m3u8",
        "rtmp": f"rtmp://127.0.0.1:{port}/live/film",
        "udp": f"udp://127.0.0.1:{port}",
        "file": "file://vod/bigbuckbunny.mp4",
    }
    streamer.write(f"stream film {{ input {urls[way]}; }}\n")
    if way == "hls":
        await station.hls()
    elif way == "rtmp":
        await launch(*live(film), "-f", "flv", "-listen", "1", urls[way])
    elif way == "udp":
        await launch(*live(film), "-f", "mpegts", f"{urls[way]}?pkt_size=1316")
    await streamer.serve()
    await streamer.running("film")
    await plays(streamer, "film", outputs)
    await shows_the_film(streamer, "film", film)
