"""A picture that cannot be decoded gives none, and says so once."""

import io
from collections.abc import Callable

import av
import pytest
from media_streamer.media.frame import Frame, Track
from media_streamer.media.thumbnail import MAX_WIDTH, Thumbnail
from media_streamer.media.track import describe_tracks


def key_frame(data: bytes) -> tuple[Track, Frame]:
    from media_streamer.media.canonical import Canonicalizer

    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        packet = next(container.demux(stream))
        (track,) = describe_tracks(container, {stream.index: packet})
        payload = Canonicalizer.of(stream).packet(packet)
    assert payload is not None
    return track, Frame(0, 0, 0, 3600, True, payload)


def test_wide_pictures_are_scaled(make_media: Callable[..., bytes]) -> None:
    track, frame = key_frame(make_media("mpegts", "libx264", size=(1280, 720), frames=1))
    thumbnail = Thumbnail("s")
    picture = thumbnail.jpeg(track, frame)
    assert picture is not None
    with av.open(io.BytesIO(picture)) as image:
        shown = next(image.decode(video=0))
    assert (shown.width, shown.height) == (MAX_WIDTH, 360)
    assert thumbnail.jpeg(track, frame) is picture


def test_garbage_gives_no_picture(
    make_media: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    track, frame = key_frame(make_media("mpegts", "libx264", frames=1))
    broken = Frame(0, 0, 0, 3600, True, b"\x00\x00\x00\x04\x65\xff\xff\xff")
    thumbnail = Thumbnail("live/x")
    assert thumbnail.jpeg(track, broken) is None
    assert thumbnail.jpeg(track, broken) is None
    assert [record.getMessage()[:14] for record in caplog.records] == ["stream live/x:"]
    assert thumbnail.jpeg(track, frame) is not None
