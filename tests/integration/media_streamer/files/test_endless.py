"""Films by the protocols without segments: from the beginning or a moment on, at their own pace."""

import asyncio
from functools import partial

import pytest

from tests.support.decoding import complaints, packets
from tests.support.ports import free_port
from tests.support.streamer import until

from .conftest import FilmStreamer


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_port(), free_port()


async def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def opened(
    streamer: FilmStreamer, ports: tuple[int, int], name: str = "short.mp4"
) -> dict[str, str]:
    """Addresses of the film, by protocol."""
    rtmp, rtsp = ports
    await streamer.show(more=f"rtmp 127.0.0.1:{rtmp};\nrtsp 127.0.0.1:{rtsp};\n")
    for port in ports:
        await until(partial(answers, port), f"port {port} is open")
    return {
        "tshttp": f"{streamer.base}/vod/{name}/mpegts",
        "flv": f"{streamer.base}/vod/{name}.flv",
        "rtmp": f"rtmp://127.0.0.1:{rtmp}/vod/{name}",
        "rtsp": f"rtsp://127.0.0.1:{rtsp}/vod/{name}",
    }


@pytest.mark.parametrize("name", ["short.mp4", "short.mkv", "short.ts"])
async def test_all_of_a_film_plays_to_its_end(
    streamer: FilmStreamer, ports: tuple[int, int], name: str
) -> None:
    urls = await opened(streamer, ports, name)
    expected = (await packets(streamer.films / name))["video"]
    *found, said = await asyncio.gather(*map(packets, urls.values()), complaints(urls["rtmp"]))
    counts = {proto: one["video"] for proto, one in zip(urls, found, strict=True)}
    assert counts == dict.fromkeys(urls, expected)
    assert said == ""

    async def over() -> bool:
        _, sessions = await streamer.api("GET", "/sessions")
        return not sessions["sessions"]

    await until(over, "the sessions have ended")


async def test_it_begins_where_one_asks(streamer: FilmStreamer, ports: tuple[int, int]) -> None:
    urls = await opened(streamer, ports)
    found = await packets(f"{urls['rtmp']}?from=2")
    assert 25 <= found["video"] <= 50  # from a key frame before that on
    status, words = await streamer.get("vod/none.mp4/mpegts")
    assert (status, b"no file" in words) == (404, True)
    status, words = await streamer.get("vod/film.mp4/whep")
    assert status in {404, 405}
