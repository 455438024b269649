"""One picture of a stream, asked of its media worker."""

import asyncio

from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.media_link import MediaLink
from media_streamer.wire.channel import ChannelClosed
from media_streamer.wire.media import AskPreview, FromMedia, PictureForm, Preview, Strip

TIMEOUT_SECONDS = 8.0
"""Decoding one key frame takes milliseconds; an on-demand stream has to start first."""


class _Answer:
    def __init__(self) -> None:
        self.picture: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.busy = self.lost = False

    def on_message(self, message: FromMedia) -> None:
        if isinstance(message, Preview) and not self.picture.done():
            self.busy = message.busy
            self.picture.set_result(message.picture or b"")

    def on_lost(self) -> None:
        if not self.picture.done():
            self.lost = True
            self.picture.set_result(b"")


async def fetch_preview(
    access: Access,
    link: MediaLink,
    form: PictureForm = "jpeg",
    at_ms: int | None = None,
    strip: Strip | None = None,
    track: str = "",
    size: tuple[int, int] | None = None,
) -> bytes:
    """The last picture (of a track), that of a moment of the archive (Unix ms) or of the file (ms
    from its beginning), or some from then on.

    Raises AccessDenied(404) if there is none, 503 without an answer.
    """
    answer = _Answer()
    config = access.config
    places = config.archive_places if at_ms is not None and not config.file else []

    def asked(number: int) -> AskPreview:
        return AskPreview(
            *(number, access.stream, form, places, at_ms or 0, strip),
            storages=config.storages if config.file else [],
            file=config.file,
            track=track,
            size=size,
        )

    try:
        await link.wait_connected(TIMEOUT_SECONDS)
        number = link.request(asked, answer)
    except (TimeoutError, ChannelClosed) as error:
        raise AccessDenied(503, "unavailable", "The media worker does not answer") from error
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            picture = await answer.picture
    except TimeoutError:
        raise AccessDenied(503, "unavailable", "The media worker does not answer") from None
    finally:
        link.release(number)
    if answer.lost:
        raise AccessDenied(503, "unavailable", "The media worker is gone, ask again")
    if answer.busy:
        words = "Too many pictures are asked for now"
        raise AccessDenied(503, "busy", words)
    if not picture:
        title = "The stream has no picture now" if at_ms is None else "No picture of that time"
        raise AccessDenied(404, "no_picture", title)
    return picture
