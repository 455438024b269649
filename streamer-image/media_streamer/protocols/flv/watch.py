"""Follows the tags of an FLV stream that goes by (Adobe FLV 10.1 annex E, enhanced RTMP v2).

Role: find the tag at which a demuxer must start anew, because sound or video appeared later or got
another codec. FFmpeg's demuxer finds both, but PyAV does not hand over streams that appear later.

What FLV cannot say is that a track ended: a publisher without sound looks like one that is silent.
Only whole tags are passed on. Pure.
"""

from media_streamer.protocols.ts.watch import MAX_DELAY_BYTES

HEADER_BYTES = 9
TAG_HEADER_BYTES = 11
SIZE_BYTES = 4
"""Of the size of the tag before, which follows each tag."""
AUDIO, VIDEO, SCRIPT = 8, 9, 18
_ENHANCED_AUDIO = 9
_AAC = 10
_AVC_OR_HEVC = frozenset({7, 12})
_KEY_FRAME, _COMMAND_FRAME = 1, 5
_SEQUENCE_START = 0
_UNREADABLE_AUDIO = frozenset({5, 7})
"""Packet types of enhanced audio whose codec stands elsewhere: multitrack, modifiers."""
_UNREADABLE_VIDEO = frozenset({4, 6, 7})
"""Metadata, multitrack, modifiers."""


class FlvWatch:
    """The tags of one source."""

    def __init__(self) -> None:
        self._rest = b""
        self._started = False
        self._lost = False
        """What goes by is no FLV: passed on as it is."""
        self._codecs: dict[int, bytes] = {}
        """Kind of tag -> its codec now."""
        self._configurations: dict[int, bytes] = {}
        """Kind of tag -> the last tag with a decoder configuration."""
        self._demuxed: dict[int, bytes] | None = None
        self._waited = 0

    def settle(self, kinds: frozenset[str]) -> None:
        """A demuxer was opened, and has found tracks of these kinds (`video`, `audio`)."""
        names = {AUDIO: "audio", VIDEO: "video"}
        self._demuxed = {kind: c for kind, c in self._codecs.items() if names[kind] in kinds}
        self._waited = 0

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The bytes for the running demuxer; with a cut, those that the next one starts with."""
        if self._lost:
            return data, None
        data = self._rest + data
        position = 0
        if not self._started:
            position = HEADER_BYTES + SIZE_BYTES
            if len(data) < position:
                self._rest = data
                return b"", None
            self._started = True
        while position + TAG_HEADER_BYTES <= len(data):
            kind = data[position] & 0x1F
            size = int.from_bytes(data[position + 1 : position + 4])
            end = position + TAG_HEADER_BYTES + size + SIZE_BYTES
            if kind not in (AUDIO, VIDEO, SCRIPT):
                self._lost, self._rest = True, b""
                return data, None
            if end > len(data):
                break
            if kind != SCRIPT and size and self._is_cut(kind, data[position:end]):
                return data[:position], self._start(data[position:])
            position = end
        self._rest = data[position:]
        return data[:position], None

    def again(self, data: bytes) -> tuple[bytes, bytes | None]:
        """What a cut gave, for the demuxer that starts with it: what is left may hold another."""
        return self.feed(data)

    def finish(self) -> bytes:
        """What is left at the end of the source."""
        rest, self._rest = self._rest, b""
        return rest

    def _start(self, rest: bytes) -> bytes:
        """For a demuxer that starts with the tag that `rest` begins with."""
        self._rest, self._demuxed = b"", None
        self._started = False
        flags = 4 * (AUDIO in self._codecs) | (VIDEO in self._codecs)
        header = b"FLV\x01" + bytes((flags,)) + HEADER_BYTES.to_bytes(4) + bytes(SIZE_BYTES)
        return header + b"".join(self._configurations.values()) + rest

    def _is_cut(self, kind: int, tag: bytes) -> bool:
        codec, configuration, key = _look(kind, tag[TAG_HEADER_BYTES : TAG_HEADER_BYTES + 5])
        if codec:
            self._codecs[kind] = codec
            if configuration:
                self._configurations[kind] = tag
        demuxed = self._demuxed
        if demuxed is None or demuxed == self._codecs:
            return False
        self._waited += len(tag)
        changed = any(demuxed.get(one, codec) != codec for one, codec in self._codecs.items())
        return changed or VIDEO not in demuxed or key or self._waited > MAX_DELAY_BYTES


def _look(kind: int, start: bytes) -> tuple[bytes, bool, bool]:
    """Codec (empty: not said here), whether a configuration, whether a key frame."""
    first = start[0]
    if kind == AUDIO:
        if first >> 4 != _ENHANCED_AUDIO:
            codec = first >> 4
            return bytes((codec,)), codec == _AAC and start[1:2] == b"\0", False
        packet_type = first & 0x0F
        return _four_cc(start, packet_type in _UNREADABLE_AUDIO), not packet_type, False
    frame_type = first >> 4 & 7
    if frame_type == _COMMAND_FRAME:
        return b"", False, False
    packet_type = first & 0x0F
    if first & 0x80:
        configuration = packet_type == _SEQUENCE_START
        codec_name = _four_cc(start, packet_type in _UNREADABLE_VIDEO)
        return codec_name, configuration, frame_type == _KEY_FRAME and not configuration
    configuration = packet_type in _AVC_OR_HEVC and start[1:2] == b"\0"
    return bytes((packet_type,)), configuration, frame_type == _KEY_FRAME and not configuration


def _four_cc(start: bytes, unreadable: bool) -> bytes:
    return b"" if unreadable or len(start) < 5 else start[1:5]
