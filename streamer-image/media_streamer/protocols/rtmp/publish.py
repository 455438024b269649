"""One publication: RTMP messages -> tracks and frames into a feed.

Invariant: nothing is kept here. After each batch reading waits for the next turn, and until the
media worker has taken what it was sent; what comes meanwhile stays in the publisher's socket.
"""

import asyncio
import logging
from collections.abc import Callable

from media_streamer.egress.feed import Feed
from media_streamer.egress.reading import ReadGate, Turns
from media_streamer.protocols.flv.reader import FlvReader
from media_streamer.protocols.rtmp import amf
from media_streamer.protocols.rtmp.amf3 import AmfError
from media_streamer.protocols.rtmp.chunks import AGGREGATE, AUDIO, DATA, DATA_AMF3, VIDEO, Message
from media_streamer.protocols.rtmp.framing import TAG_HEADER_BYTES

log = logging.getLogger(__name__)

MAX_AGGREGATE_TAGS = 4096
"""Of one message; of some MiB of empty ones each costs what a frame does."""
_SET_DATA_FRAME = "@setDataFrame"
_METADATA = "onMetaData"


class Publication:
    """Messages of one publisher on their way into `feed`."""

    def __init__(
        self, feed: Feed, gate: ReadGate, turns: Turns, read: Callable[[bytes], None]
    ) -> None:
        """`read` takes what is read from the connection."""
        self.feed = feed
        self._gate = gate
        self._turns = turns
        self._read = read
        self._draining: asyncio.Task[None] | None = None
        self._reader = FlvReader(feed)
        feed.on_pace = lambda seconds: turns.pace(gate, seconds)

    def write(self, messages: list[Message]) -> None:
        """Pass on the media among `messages`."""
        take = self._reader.take
        for message in messages:
            kind = message.kind
            if kind in (AUDIO, VIDEO):
                if message.payload:  # an empty one says "nothing follows"
                    take(kind, message.timestamp, message.payload)
            elif kind in (DATA, DATA_AMF3):
                self._take_data(message)
            elif kind == AGGREGATE:
                for tag in _split_aggregate(message):
                    take(*tag)
        self._reader.flush()
        self._turns.wait(self._gate, self._read)
        if self.feed.is_behind and self._draining is None:
            self._gate.hold("drain")
            self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            await self.feed.drain()
        finally:
            self._draining = None
            self._gate.release("drain")

    async def close(self) -> None:
        """The publisher has finished, or is gone."""
        self._turns.leave(self._gate)
        if self._draining is not None:
            self._draining.cancel()
        if self._reader.broken:
            log.warning(
                "stream %s: %d messages of the publisher could not be read",
                self.feed.stream,
                self._reader.broken,
            )
        await self.feed.close()

    def _take_data(self, message: Message) -> None:
        payload = message.payload[1:] if message.kind == DATA_AMF3 else message.payload
        try:
            values = amf.decode(payload)
        except AmfError:
            return  # only hints are in it
        if values[:1] == [_SET_DATA_FRAME]:
            del values[0]
        if len(values) > 1 and values[0] == _METADATA and isinstance(values[1], dict):
            self._reader.metadata(values[1])


def _split_aggregate(message: Message) -> list[tuple[int, int, bytes]]:
    """Tags of an aggregate message: FLV tags whose times count from the first (section 7.1.6)."""
    tags: list[tuple[int, int, bytes]] = []
    data, position, offset = message.payload, 0, None
    left = MAX_AGGREGATE_TAGS
    while position + TAG_HEADER_BYTES <= len(data) and left:
        left -= 1
        kind = data[position]
        size = int.from_bytes(data[position + 1 : position + 4])
        timestamp = int.from_bytes(data[position + 4 : position + 7]) | data[position + 7] << 24
        start = position + TAG_HEADER_BYTES
        if start + size > len(data):
            break
        if offset is None:
            offset = message.timestamp - timestamp
        if kind in (AUDIO, VIDEO) and size:
            tags.append((kind, (timestamp + offset) & 0xFFFFFFFF, data[start : start + size]))
        position = start + size + 4
    return tags
