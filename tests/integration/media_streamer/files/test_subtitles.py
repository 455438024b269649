"""Subtitles of films, as players get them."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from media_streamer.files.cues import read_cues

from tests.support.decoding import complaints

from .conftest import FilmStreamer, ffmpeg

CUES = "1\n00:00:01,000 --> 00:00:02,000\nOne & <i>only</i>\n\n2\n00:00:04,0 --> 00:00:05,0\nTwo\n"


@pytest.fixture
async def told(streamer: FilmStreamer, tmp_path: Path) -> str:
    """The address of a film with subtitles in it and beside it."""
    (tmp_path / "film.de.srt").write_text(CUES)
    ffmpeg(
        *(
            "-i",
            str(streamer.films / "film.mp4"),
            "-i",
            str(tmp_path / "film.de.srt"),
            "-c",
            "copy",
        ),
        *("-c:s", "mov_text", "-metadata:s:s:0", "language=eng", str(tmp_path / "film.mp4")),
    )
    await streamer.show(more=f"vod told {{ storage {tmp_path}; segment_duration 2; }}\n")
    return "told/film.mp4"


async def subtitles(url: str, stream: int) -> list[tuple[float, str]]:
    """Times and texts that ffmpeg reads."""
    process = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-v", "error", "-i", url, "-map", f"0:s:{stream}", "-f", "srt", "-"),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    blocks = output.decode().strip().split("\n\n")
    rows = [block.strip().split("\n") for block in blocks]
    return [(float(row[1][6:12].replace(",", ".")), "\n".join(row[2:])) for row in rows]


@pytest.mark.parametrize("form", ["index.m3u8", "index.fmp4.m3u8"])
async def test_subtitles_are_renditions(streamer: FilmStreamer, told: str, form: str) -> None:
    _, text = await streamer.get(f"{told}/{form}")
    master = text.decode()
    assert master.count("TYPE=SUBTITLES") == 2
    assert 'LANGUAGE="de"' in master
    assert 'LANGUAGE="eng"' in master
    assert 'SUBTITLES="subtitles"' in master
    url = f"{streamer.base}/{told}/{form}"
    assert await complaints(url) == ""
    for name, first in (("t1", "One &amp; <i>only</i>"), ("t2", "One &amp; only")):
        (listed,) = re.findall(rf'URI="(tracks-{name}/\S+)"', master)
        _, playlist = await streamer.get(f"{told}/{listed}")
        (segment,) = re.findall(r"^[^#\s]\S+$", playlist.decode(), re.MULTILINE)
        async with streamer.session.get(f"{streamer.base}/{told}/tracks-{name}/{segment}") as got:
            assert got.headers["Content-Type"] == "text/vtt; charset=utf-8"
            text = await got.text()
        assert "X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:" in text
        assert [(cue.begin, cue.end, cue.text) for cue in read_cues(text)] == [
            (1.0, 2.0, first), (4.0, 5.0, "Two"),
        ]  # fmt: skip
    _, found = await streamer.api("GET", "/sessions")
    protos = [one["proto"] for one in found["sessions"] if one["name"] == told]
    assert len(protos) == len(set(protos)), protos


async def test_subtitles_are_files_of_the_manifest(streamer: FilmStreamer, told: str) -> None:
    _, text = await streamer.get(f"{told}/index.mpd")
    assert b'<AdaptationSet id="2" contentType="text" mimeType="text/vtt" lang="de">' in text
    assert b"<BaseURL>tracks-t1/subtitles.vtt" in text
    status, body = await streamer.get(f"{told}/tracks-t1/subtitles.vtt")
    assert (status, body.count(b"-->")) == (200, 2)
    assert (await streamer.get(f"{told}/tracks-t9/subtitles.vtt"))[0] == 404
    found = await subtitles(f"{streamer.base}/{told}/index.mpd", 0)
    assert [text for _, text in found] == ["One & <i>only</i>", "Two"]
    # FFmpeg's reader of DASH does not heed presentationTimeOffset, here 80 ms.
    assert [begin for begin, _ in found] == pytest.approx([1.0, 4.0], abs=0.1)


async def test_a_selection_of_tracks_is_what_is_played(streamer: FilmStreamer, told: str) -> None:
    _, text = await streamer.get(f"{told}/index.m3u8?filter.tracks=v1t1")
    assert b"tracks-v1/" in text
    assert b"TYPE=AUDIO" not in text
    assert text.count(b"TYPE=SUBTITLES") == 1
    assert (await streamer.get(f"{told}/index.m3u8?filter.tracks=v1t9"))[0] == 404
    _, text = await streamer.get(f"{told}/media_info.json")
    tracks = {one["track_id"]: one for one in json.loads(text)["tracks"]}
    assert tracks["t1"] == {
        "track_id": "t1", "content": "text", "codec": "wvtt", "language": "de",
    }  # fmt: skip
