"""One publication: RTMP messages -> FLV bytes into a feed.

Invariant: nothing is kept here. What the media worker cannot take in time stays unread in the
publisher's socket, because reading is paused until the feed has drained.
"""

import asyncio
import logging

from media_streamer.egress.feed import Feed
from media_streamer.protocols.rtmp import amf
from media_streamer.protocols.rtmp.chunks import AGGREGATE, AUDIO, DATA, DATA_AMF3, VIDEO, Message
from media_streamer.protocols.rtmp.framing import FLV_START, TAG_HEADER_BYTES, flv_tag

log = logging.getLogger(__name__)

DRAIN_EVERY_BYTES = 256 * 1024
"""Asking the feed to drain costs a task: once for a second of 2 Mb/s is enough."""
_SET_DATA_FRAME = amf.encode("@setDataFrame")
_LEFT_OUT = tuple(amf.encode(name) for name in ("@clearDataFrame", "|RtmpSampleAccess"))


class Publication:
    """Messages of one publisher on their way into `feed`."""

    def __init__(self, feed: Feed, transport: asyncio.Transport) -> None:
        self.feed = feed
        self._transport = transport
        self._undrained = 0
        self._draining: asyncio.Task[None] | None = None
        feed.write(FLV_START)

    def write(self, messages: list[Message]) -> None:
        """Pass on the media among `messages`."""
        parts: list[bytes] = []
        for message in messages:
            if message.kind in (AUDIO, VIDEO):
                if message.payload:  # an empty one says "nothing follows", and is no FLV tag
                    parts.append(flv_tag(message.kind, message.timestamp, message.payload))
            elif message.kind in (DATA, DATA_AMF3):
                parts.append(_data_tag(message))
            elif message.kind == AGGREGATE:
                parts.extend(_split_aggregate(message))
        data = b"".join(parts)
        if data:
            self.feed.write(data)
            self._undrained += len(data)
            if self._undrained >= DRAIN_EVERY_BYTES and self._draining is None:
                self._undrained = 0
                self._transport.pause_reading()
                self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            await self.feed.drain()
        finally:
            self._draining = None
            if not self._transport.is_closing():
                self._transport.resume_reading()

    async def close(self) -> None:
        """The publisher has finished, or is gone."""
        if self._draining is not None:
            self._draining.cancel()
        await self.feed.close()


def _data_tag(message: Message) -> bytes:
    """Script tag of a data message; empty for what only RTMP needs."""
    payload = message.payload[1:] if message.kind == DATA_AMF3 else message.payload
    payload = payload.removeprefix(_SET_DATA_FRAME)
    if not payload.startswith(b"\x02") or payload.startswith(_LEFT_OUT):
        return b""
    return flv_tag(DATA, message.timestamp, payload)


def _split_aggregate(message: Message) -> list[bytes]:
    """Tags of an aggregate message: FLV tags whose times count from the first (section 7.1.6)."""
    tags: list[bytes] = []
    data, position, offset = message.payload, 0, None
    while position + TAG_HEADER_BYTES <= len(data):
        kind = data[position]
        size = int.from_bytes(data[position + 1 : position + 4])
        timestamp = int.from_bytes(data[position + 4 : position + 7]) | data[position + 7] << 24
        start = position + TAG_HEADER_BYTES
        if start + size > len(data):
            break
        if offset is None:
            offset = message.timestamp - timestamp
        if kind in (AUDIO, VIDEO) and size:
            body = data[start : start + size]
            tags.append(flv_tag(kind, (timestamp + offset) & 0xFFFFFFFF, body))
        position = start + size + 4
    return tags
