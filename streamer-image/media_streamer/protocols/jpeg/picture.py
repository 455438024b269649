"""One picture of a stream, asked of its media worker."""

import asyncio

from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.media_link import MediaLink
from media_streamer.wire.channel import ChannelClosed
from media_streamer.wire.media import AskPreview, FromMedia, Preview

TIMEOUT_SECONDS = 8.0
"""Decoding one key frame takes milliseconds; an on-demand stream has to start first."""


class _Answer:
    def __init__(self) -> None:
        self.picture: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def on_message(self, message: FromMedia) -> None:
        if isinstance(message, Preview) and not self.picture.done():
            self.picture.set_result(message.picture or b"")

    def on_lost(self) -> None:
        if not self.picture.done():
            self.picture.set_result(b"")


async def fetch_preview(access: Access, link: MediaLink) -> bytes:
    """JPEG bytes; raises AccessDenied(404) if the stream has no picture, 503 without an answer."""
    answer = _Answer()
    try:
        await link.wait_connected(TIMEOUT_SECONDS)
        number = link.request(lambda number: AskPreview(number, access.stream), answer)
    except (TimeoutError, ChannelClosed) as error:
        raise AccessDenied(503, "unavailable", "The media worker does not answer") from error
    try:
        picture = await asyncio.wait_for(answer.picture, TIMEOUT_SECONDS)
    except TimeoutError:
        raise AccessDenied(503, "unavailable", "The media worker does not answer") from None
    finally:
        link.release(number)
    if not picture:
        raise AccessDenied(404, "no_picture", "The stream has no picture now")
    return picture
