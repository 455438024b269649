"""`push rtmp://HOST/APP/KEY`, `rtmps://…`: publishing a stream to another server.

The messages are those of RTMP viewers but for the metadata, made once for all pushes.
"""

import functools

from media_streamer.egress.context import Egress
from media_streamer.egress.jobs import JobFailed, Work
from media_streamer.egress.push import Push
from media_streamer.outgoing.addresses import reach_of_process
from media_streamer.outgoing.dial import dial
from media_streamer.protocols.rtmp import amf
from media_streamer.protocols.rtmp.chunks import DATA
from media_streamer.protocols.rtmp.framing import (
    BACK_POINTER_BYTES,
    MEDIA_STREAM,
    TAG_HEADER_BYTES,
    RtmpFraming,
    tags_to_chunks,
)
from media_streamer.protocols.rtmp.publisher import PublishUrl, Refused, RtmpPublisher

SET_DATA_FRAME = amf.encode("@setDataFrame")
"""What an encoder puts before onMetaData, so that the server keeps it for its viewers."""


class PushFraming(RtmpFraming):
    """FLV -> the messages of a publisher."""

    stream = MEDIA_STREAM

    def header(self, payload: bytes) -> bytes:
        return tags_to_chunks(_as_encoder(self.tags_of(payload)), self.stream)

    def chunk(self, payload: bytes, key: bool) -> bytes:
        return tags_to_chunks(payload, self.stream)


@functools.lru_cache(maxsize=8)
def framing_for(stream: int) -> type[PushFraming]:
    """Nearly all servers give the number 1, so nearly all pushes share their bytes."""
    if stream == MEDIA_STREAM:
        return PushFraming
    return type("PushFraming", (PushFraming,), {"stream": stream})


def _as_encoder(tags: bytes) -> bytes:
    """The same FLV tags, with `SET_DATA_FRAME` in those of metadata."""
    parts: list[bytes] = []
    position = 0
    while position + TAG_HEADER_BYTES <= len(tags):
        size = int.from_bytes(tags[position + 1 : position + 4])
        start = position + TAG_HEADER_BYTES
        end = start + size + BACK_POINTER_BYTES
        tag = tags[position:end]
        if tags[position] & 0x1F == DATA:
            length = (size + len(SET_DATA_FRAME)).to_bytes(3)
            head = tags[position : position + 1] + length + tags[position + 4 : start]
            tag = head + SET_DATA_FRAME + tags[start:end]
        parts.append(tag)
        position = end
    return b"".join(parts)


async def run(egress: Egress, work: Work) -> None:
    """See `egress/jobs.py`."""
    push = Push(egress, work)
    try:
        url = PublishUrl.of(push.config.url)
    except ValueError as error:
        raise JobFailed(str(error), hopeless=True) from None
    await push.source("flv", PushFraming)  # no server is asked before there is something to send
    publisher: RtmpPublisher | None = None
    try:
        async with push.reaching():
            _, publisher = await dial(
                url.host, url.port, lambda: RtmpPublisher(url), reach_of_process(), tls=url.tls
            )
            number = await publisher.publish()
        broadcast = await push.source(publisher.form, framing_for(number))
        await push.send(broadcast, publisher.transport, publisher.lost)
    except Refused as refused:
        raise JobFailed(str(refused), "errors_not_authorized") from None
    finally:
        if publisher is not None:
            publisher.close()
