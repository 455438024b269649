"""FLV tags -> RTMP messages, once for all viewers of a stream.

An RTMP media message carries exactly the body of an FLV tag (FLV specification, annex E; enhanced
RTMP v2 keeps that), so only the headers around it change. Every message has a full chunk header:
the same bytes are right for each viewer, wherever it joins and whatever it left out.
"""

from media_streamer.protocols.rtmp.chunks import AUDIO, DATA, VIDEO, write_message

MEDIA_STREAM = 1  # the id that createStream gives; a connection has one
FLV_HEADER_BYTES = 9
TAG_HEADER_BYTES = 11
BACK_POINTER_BYTES = 4
_CHUNK_STREAMS = {AUDIO: 4, VIDEO: 6, DATA: 5}


def tags_to_chunks(data: bytes, stream: int = MEDIA_STREAM) -> bytes:
    """Chunks of the whole FLV tags in `data`; what is no audio, video or script is left out."""
    view = memoryview(data)
    parts: list[bytes] = []
    position = 0
    while position + TAG_HEADER_BYTES <= len(data):
        kind = data[position] & 0x1F
        size = int.from_bytes(data[position + 1 : position + 4])
        timestamp = int.from_bytes(data[position + 4 : position + 7]) | data[position + 7] << 24
        start = position + TAG_HEADER_BYTES
        position = start + size + BACK_POINTER_BYTES
        if start + size > len(data):
            break
        chunk_stream = _CHUNK_STREAMS.get(kind)
        if chunk_stream is not None:
            parts.append(
                write_message(
                    kind,
                    view[start : start + size],
                    timestamp=timestamp,
                    stream=stream,
                    chunk_stream=chunk_stream,
                )
            )
    return b"".join(parts)


class RtmpFraming:
    """The `Framing` that egress broadcasts use for RTMP viewers."""

    counted = True

    def keeps(self, before: bytes, now: bytes) -> bool:
        return True

    def header(self, payload: bytes) -> bytes:
        """Messages of metadata and sequence headers."""
        return tags_to_chunks(self.tags_of(payload))

    @staticmethod
    def tags_of(header: bytes) -> bytes:
        """The tags in the header of the format, without that of the file."""
        if header.startswith(b"FLV"):
            return header[int.from_bytes(header[5:9]) + BACK_POINTER_BYTES :]
        return header

    def chunk(self, payload: bytes, key: bool) -> bytes:
        """Messages of some whole FLV tags."""
        return tags_to_chunks(payload)
