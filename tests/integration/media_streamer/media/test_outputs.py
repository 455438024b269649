"""What egress workers get is playable media, over restarts and switches too."""

import subprocess
from pathlib import Path

import av
import pytest
from media_streamer.wire.control import SelectInput
from media_streamer.wire.media import AskPreview, Chunk, Preview


def decode(ffmpeg: str, path: Path) -> None:
    """FFmpeg decodes the file without a word."""
    result = subprocess.run(
        [ffmpeg, "-v", "error", "-i", path, "-f", "null", "-"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("form", ["flv", "ts"])
async def test_what_is_sent_can_be_decoded(worker, ffmpeg, bunny, tmp_path, form) -> None:
    worker.vods = {"vod": [str(bunny.parent)]}
    for name, url in (("bunny", "file://vod/bigbuckbunny.mp4"), ("fake", "fake://fake")):
        await worker.apply(name, url)
        await worker.running(name)
    names = ("bunny", "fake")
    feeds = {name: await worker.subscribe(n, name, form) for n, name in enumerate(names)}
    for name, feed in feeds.items():
        # More than one pass of the footage, which is 5.3 s long.
        await worker.until(lambda feed=feed: len(feed.of(Chunk)) > 160)
        assert feed.of(Chunk)[0].key
        path = tmp_path / f"{name}.{form}"
        path.write_bytes(feed.media)
        decode(ffmpeg, path)


async def test_dts_never_goes_back_over_a_switch(worker, tmp_path) -> None:
    small = {"url": "fake://fake", "width": 320, "height": 240}
    await worker.apply("s", "fake://fake", small)
    await worker.running("s")
    feed = await worker.subscribe(1, "s", "ts")
    for index in (1, 0, 1):
        await worker.peer.call(SelectInput("s", index))
        await worker.until(lambda index=index: worker.stats["s"]["inputs"][index]["active"])
        chunks = len(feed.of(Chunk))
        await worker.until(lambda chunks=chunks: len(feed.of(Chunk)) > chunks + 30)
    path = tmp_path / "s.ts"
    path.write_bytes(feed.media)

    with av.open(path) as container:
        for track in range(2):
            container.seek(0)
            stamps = [p.dts for p in container.demux(container.streams[track]) if p.size]
            assert stamps == sorted(set(stamps))
            assert len(stamps) > 100


async def test_a_preview_is_a_jpeg(worker) -> None:
    await worker.apply("p", "fake://fake")
    await worker.running("p")
    await worker.send(AskPreview(5, "p"))
    await worker.until(lambda: worker.feed(5).of(Preview))
    (preview,) = worker.feed(5).of(Preview)
    assert preview.picture.startswith(b"\xff\xd8")
    await worker.send(AskPreview(6, "none"))
    await worker.until(lambda: worker.feed(6).of(Preview))
    assert worker.feed(6).of(Preview) == [Preview(6, None)]
