"""A ladder that FFmpeg publishes as one transport stream, chosen from by every protocol."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.players import run
from tests.support.ports import free_port

from .conftest import FilmStreamer, Launch, live


@pytest.fixture(scope="module")
def ladder(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sizes with key frames at the same pictures, sound in two languages; 5 s."""
    path = tmp_path_factory.mktemp("ladder") / "ladder.ts"
    command = ["ffmpeg", "-v", "error", "-i", str(film), "-t", "5"]
    command += ["-map", "0:v", "-map", "0:v", "-map", "0:a", "-map", "0:a"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-sc_threshold", "0"]
    command += ["-filter:v:0", "scale=640:360", "-filter:v:1", "scale=320:180", "-c:a", "aac"]
    command += ["-ac", "2", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"]
    subprocess.run([*command, str(path)], check=True, timeout=60)
    return path


async def tracks(url: str, *options: str) -> list[str]:
    """Size or language of each track at an address, in order."""
    entries = "stream=codec_type,width,height:stream_tags=language"
    command = ("ffprobe", "-v", "error", *options, "-show_entries", entries, "-of", "json", url)
    code, out, errors = await run(*command, seconds=30)
    assert code == 0, errors
    found = [
        f"{one['width']}x{one['height']}"
        if one["codec_type"] == "video"
        else one.get("tags", {}).get("language", "audio")
        for one in json.loads(out)["streams"]
    ]
    return sorted(found)


@pytest.mark.timeout(150)
async def test_every_protocol_plays_what_is_chosen(
    streamer: FilmStreamer, ladder: Path, launch: Launch, tmp_path: Path
) -> None:
    rtmp, rtsp, srt = streamer.rtmp_port, free_port(), free_port()
    streamer.write(
        f"rtsp 127.0.0.1:{rtsp};\nsrt 127.0.0.1:{srt};\n"
        "stream small { input publish://; segment_duration 1; }\n"
        f"stream film {{ input publish://; segment_duration 1; dvr {tmp_path} 1h;\n"
        f"  push rtmp://127.0.0.1:{rtmp}/static/small tracks=v2a1; }}\n"
    )
    await streamer.serve()
    await launch(*live(ladder), "-map", "0", "-f", "mpegts", f"{streamer.base}/film/mpegts")
    await streamer.running("film")
    assert not (await streamer.stream("film")).get("warnings")
    everything = ["320x180", "640x360", "deu", "eng"]
    assert await tracks(f"{streamer.base}/film/mpegts") == everything
    plain = [
        f"{streamer.base}/film/mpegts?filter.tracks=v2a2",
        f"srt://127.0.0.1:{srt}?streamid=#!::r=film,m=request,tracks=v2a2",
    ]
    for url in plain:
        assert await tracks(url) == ["320x180", "deu"], url
    other = [
        f"rtsp://127.0.0.1:{rtsp}/film?tracks=v2a2",
        f"rtmp://127.0.0.1:{rtmp}/static/film?tracks=v2a2",
        f"{streamer.base}/film.flv?filter.tracks=v2a2",
        f"{streamer.base}/film/index.m3u8?filter.tracks=v2a2",
        f"{streamer.base}/film/index.fmp4.m3u8?filter.tracks=v2a2",
    ]
    for url in other:
        found = await tracks(url)
        assert (len(found), found[0]) == (2, "320x180"), url
    # One video where a protocol has but one: the first.
    assert "640x360" in await tracks(f"rtmp://127.0.0.1:{rtmp}/static/film")
    await streamer.running("small")
    archive = f"{streamer.base}/film/rewind-60.m3u8"
    async with streamer.session.get(archive) as answer:
        master = await answer.text()
    assert [f"RESOLUTION={size}" in master for size in ("640x360", "320x180")] == [True, True]
    found = await tracks(f"{archive}?filter.tracks=v2a2")
    assert (len(found), found[0]) == (2, "320x180")
    assert (await tracks(f"{streamer.base}/small/mpegts"))[0] == "320x180"
