"""`playlist://`: files one after another, by a list that changes meanwhile."""

import subprocess
from itertools import pairwise
from pathlib import Path

import av
import pytest
from media_streamer.wire.media import Chunk


def make(ffmpeg: str, path: Path, size: str, seconds: float) -> None:
    subprocess.run(
        [
            ffmpeg, "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc=s={size}:r=25",
            "-f", "lavfi", "-i", "sine=r=48000", "-t", str(seconds), "-c:v", "libx264",
            "-preset", "ultrafast", "-bf", "2", "-g", "10", "-c:a", "aac", path,
        ],
        check=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def location(worker, ffmpeg, tmp_path) -> Path:
    """With two films, of which one has other pictures."""
    folder = tmp_path / "films"
    folder.mkdir()
    make(ffmpeg, folder / "a.mp4", "320x180", 1.6)
    make(ffmpeg, folder / "b.mp4", "160x90", 3)
    worker.vods = {"vod": [str(folder)]}
    return folder


async def test_files_follow_each_other_without_a_gap_and_by_the_list_of_now(
    worker, location, tmp_path
) -> None:
    listing = location / "list.txt"
    listing.write_text("vod/a.mp4\nvod/none.mp4\n#EXTINF:1\nvod/b.mp4\n")
    await worker.apply("channel", f"playlist://{listing}")
    await worker.running("channel")
    feed = await worker.subscribe(1, "channel", "ts")
    await worker.until(lambda: worker.log.count("plays vod/a.mp4") == 3)
    assert "vod/none.mp4 of its playlist is left out: no such file" in worker.log

    listing.write_text("#EXTINF:soon\nvod/a.mp4\n")
    words = "the last one holds: line 1 of the playlist: 'soon' are no seconds"
    await worker.until(lambda: words in worker.log)
    listing.write_text("#EXT-X-MEDIA-SEQUENCE:7\nvod/a.mp4\n")
    await worker.until(lambda: "plays vod/a.mp4" in worker.log.rpartition(words)[2])
    assert not worker.stats["channel"]["inputs"][0].get("error")

    path = tmp_path / "seen.ts"
    path.write_bytes(feed.media)
    assert feed.of(Chunk)[0].key
    with av.open(path) as container:
        for stream in container.streams:
            container.seek(0)
            times = [float(p.dts * p.time_base) for p in container.demux(stream) if p.size]
            steps = [after - before for before, after in pairwise(times)]
            assert len(times) > 60
            assert min(steps) > 0
            assert max(steps) < 0.25


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "the playlist cannot be read: No such file or directory"),
        ("# nothing\n", "the playlist cannot be read: the playlist names no file"),
        ("vod/none.mp4\nrtsp://camera/1\n", "no file of the playlist can be played: only files"),
        ("../secret.mp4\n", "no file of the playlist can be played"),
        ("#EXT-X-UTC:4000000000\nvod/a.mp4\n", "the playlist begins at 2096-10-02"),
    ],
)
async def test_what_cannot_be_played_is_said(worker, tmp_path, text, words) -> None:
    listing = tmp_path / "list.txt"
    if text is not None:
        listing.write_text(text)
    await worker.apply("channel", f"playlist://{listing}")
    await worker.until(lambda: words in worker.log)
