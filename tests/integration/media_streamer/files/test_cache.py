"""A cache of a location keeps the segments of its files, whichever worker is asked."""

import asyncio
import re
from pathlib import Path

from tests.support.streamer import until

from .conftest import FilmStreamer

FILM = "vod/film.mp4"


async def get(streamer: FilmStreamer, path: str) -> tuple[int, str, bytes]:
    """Status, X-Cache and body, by a connection of its own: the kernel chooses the worker."""
    headers = {"Connection": "close"}
    async with streamer.session.get(f"{streamer.base}/{path}", headers=headers) as answer:
        return answer.status, answer.headers.get("X-Cache", ""), await answer.read()


async def segments(streamer: FilmStreamer) -> list[str]:
    folder = f"{FILM}/tracks-v1a1"
    status, _, text = await get(streamer, f"{folder}/mono.m3u8")
    assert status == 200, text
    return [f"{folder}/{uri}" for uri in re.findall(r"\S+\.ts", text.decode())]


async def test_segments_are_kept_after_the_misses_and_over_a_restart(
    tmp_path: Path, films: Path
) -> None:
    streamer = FilmStreamer(tmp_path, films)
    cache = tmp_path / "kept"
    text = f"cache global {cache} misses=4 2d 40G;\n"
    streamer.write(f"{text}vod vod {{ storage {films}; segment_duration 2; cache @global; }}\n")
    try:
        await streamer.serve(STREAMER_EGRESS_WORKERS="2")

        async def ready() -> bool:
            return "egress worker 0 is there" in streamer.log

        await until(ready, "the worker that has the directory is there")
        first, second, *_ = await segments(streamer)
        answers = [await get(streamer, first) for _ in range(4)]
        assert {(status, tag) for status, tag, _ in answers} == {(200, "")}

        async def stored() -> bool:
            return len(list(cache.glob("??/*"))) == 1

        await until(stored, "the segment is on disk")
        hits = [await get(streamer, first) for _ in range(6)]
        assert {(status, tag) for status, tag, _ in hits} == {(200, "HIT")}
        assert len({body for _, _, body in (*answers, *hits)}) == 1
        await asyncio.gather(*(get(streamer, second) for _ in range(12)))

        async def both() -> bool:
            return len(list(cache.glob("??/*"))) == 2

        await until(both, "the other segment is on disk, once")
        async with streamer.session.get(
            f"{streamer.base}/{first}", headers={"Range": "bytes=188-375"}
        ) as answer:
            part = await answer.read()
            assert (answer.status, answer.headers["X-Cache"]) == (206, "HIT")
        assert part == hits[0][2][188:376]
        assert await streamer.stop() == 0
        await streamer.serve(STREAMER_EGRESS_WORKERS="1")
        assert (await get(streamer, first))[1] == "HIT"
        assert "Traceback" not in streamer.log
    finally:
        await streamer.close()
