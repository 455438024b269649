"""Pictures of moments of films."""

import io
import re

import av
import pytest

from .conftest import FilmStreamer


def decoded(data: bytes) -> tuple[int, int]:
    """Size of the one picture in a JPEG or an MP4."""
    with av.open(io.BytesIO(data)) as container:
        (picture,) = list(container.decode(video=0))
        return picture.width, picture.height


async def test_a_picture_of_any_moment(streamer: FilmStreamer) -> None:
    await streamer.show("thumbnails;")
    pictures = {}
    for form in ("preview.jpg", "0.jpg", "2-preview.jpg", "preview-00-00-02.jpg", "5.jpg"):
        status, pictures[form] = await streamer.get(f"vod/film.mp4/{form}")
        assert status == 200, (form, pictures[form])
        assert decoded(pictures[form]) == (320, 180)
    assert pictures["preview.jpg"] == pictures["0.jpg"] != pictures["5.jpg"]
    assert pictures["2-preview.jpg"] == pictures["preview-00-00-02.jpg"] != pictures["0.jpg"]
    # The same key frames of the same film in another container.
    assert (await streamer.get("vod/film.mkv/2-preview.jpg"))[1] == pictures["2-preview.jpg"]
    for form in ("preview-00-00-02.mp4", "2-preview.mp4", "preview.mp4"):
        status, film = await streamer.get(f"vod/film.mp4/{form}")
        assert (status, decoded(film)) == (200, (320, 180)), form
    status, strip = await streamer.get("vod/film.mp4/strip-0-6.jpg?count=4&columns=2&width=160")
    assert (status, decoded(strip)) == (200, (320, 180))


async def test_a_manifest_has_pictures_for_who_seeks(streamer: FilmStreamer) -> None:
    await streamer.show("thumbnails;")
    status, text = await streamer.get("vod/film.mp4/index.mpd?thumbnails=20")
    assert status == 200
    (strip,) = set(re.findall(rb'media="(strip-[^"]+)"', text))
    each = int(re.findall(rb"-(\d+)\.jpg", strip)[0])
    assert 2 * each >= 6 > each, "20 pictures of 6 s are two strips"
    for at in (0, each):
        address = strip.decode().replace("$Time$", str(at)).replace("&amp;", "&")
        status, picture = await streamer.get(f"vod/film.mp4/{address}")
        assert (status, decoded(picture)) == (200, (800, 180)), picture
    assert (await streamer.get("vod/film.mp4/index.mpd?thumbnails=x"))[0] == 400
    assert b"image" not in (await streamer.get("vod/film.mp4/index.mpd"))[1]
    await streamer.show()
    # A session that has begun keeps what it was let in with.
    assert (await streamer.get("vod/film.mkv/index.mpd?thumbnails=20"))[0] == 403


@pytest.mark.parametrize("form", ["7.jpg", "preview-00-01-00.mp4", "99999999999.jpg"])
async def test_behind_the_end_there_is_none(streamer: FilmStreamer, form: str) -> None:
    await streamer.show("thumbnails;")
    status, words = await streamer.get(f"vod/film.mp4/{form}")
    assert (status, b"No picture" in words) == (404, True)


async def test_pictures_are_made_where_the_location_says_so(streamer: FilmStreamer) -> None:
    await streamer.show()
    status, words = await streamer.get("vod/film.mp4/2.jpg")
    assert (status, b"thumbnails" in words) == (403, True)
    await streamer.show("thumbnails; protocols hls;")
    assert (await streamer.get("vod/film.mp4/2.jpg"))[0] == 403
    assert (await streamer.get("vod/none.mp4/2.jpg"))[0] in (403, 404)
