"""FLV writer of all tracks: the first video and sound as everybody knows them, the others beside
them as Enhanced RTMP v2 (Veovera, "Multitrack Streaming via Enhanced RTMP") has it.

For clients and servers by RTMP that say that they take several tracks; others would show the
renditions in turns.
"""

from collections.abc import Sequence

from media_streamer.media.frame import Track
from media_streamer.media.mux.flv import (
    AUDIO,
    AUDIO_CODECS,
    FOURCC,
    INTER,
    KEY,
    VIDEO,
    VIDEO_CODECS,
    Clock,
    FlvMuxer,
    TagWriter,
    configuration,
    sound_configuration,
    tag,
    tag_writer,
)

_EX_VIDEO, _EX_AUDIO = 0x80, 9 << 4
_VIDEO_MULTITRACK, _AUDIO_MULTITRACK = 6, 5
_SEQUENCE_START, _CODED_FRAMES = 0, 1
"""Types of packets; in the upper half of the byte is the arrangement: 0, one track a tag."""
_MAX_TRACKS = 256
_NAMES = {**FOURCC, "h264": b"avc1", "aac": b"mp4a", "mp3": b".mp3"}
_COMPOSED = frozenset({"h264", "hevc"})


class FlvTracksMuxer(FlvMuxer):
    """Writes the frames of all tracks whose codec FLV can carry, 256 of each kind."""

    def __init__(self, tracks: Sequence[Track], previous: FlvMuxer | None = None) -> None:
        """`previous` wrote the same output for other tracks; its clocks go on."""
        super().__init__(tracks, previous)
        more = previous.more if isinstance(previous, FlvTracksMuxer) else {}
        self.more: dict[tuple[str, int], Clock] = more
        """By kind and number."""
        counts = {"video": 1, "audio": 1}
        written: list[bytes] = []
        for track in list(self.left_out):
            number = counts.get(track.kind, _MAX_TRACKS)
            codecs = VIDEO_CODECS if track.kind == "video" else AUDIO_CODECS
            if track.codec not in codecs or number >= _MAX_TRACKS:
                continue
            counts[track.kind] = number + 1
            self.left_out.remove(track)
            clock = self.more.setdefault((track.kind, number), Clock())
            self._writers[track.number] = _writer(track, number, clock)
            written.append(_sequence_header(track, number))
        self.header += b"".join(written)


def _head(track: Track, number: int, key: bool, packet: int) -> bytes:
    if track.kind == "video":
        first = _EX_VIDEO | (KEY if key else INTER) << 4 | _VIDEO_MULTITRACK
    else:
        first = _EX_AUDIO | _AUDIO_MULTITRACK
    return bytes((first, packet)) + _NAMES[track.codec] + bytes((number,))


def _sequence_header(track: Track, number: int) -> bytes:
    head = _head(track, number, True, _SEQUENCE_START)
    if track.kind == "video":
        return tag(VIDEO, 0, head, configuration(track))
    data = sound_configuration(track)
    return tag(AUDIO, 0, head, data) if data else b""


def _writer(track: Track, number: int, clock: Clock) -> TagWriter:
    heads = [_head(track, number, key, _CODED_FRAMES) for key in (False, True)]
    kind = VIDEO if track.kind == "video" else AUDIO
    return tag_writer(kind, heads, track.codec in _COMPOSED, clock)
