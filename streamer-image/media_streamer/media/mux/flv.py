"""FLV writer: one tag a frame, shared by HTTP-FLV and RTMP.

H.264, AAC and MP3 are written the way every player knows (Adobe FLV specification 10.1, annex E);
HEVC, AV1, VP9, AC-3, E-AC-3 and Opus as Enhanced RTMP v2 (Veovera) says. FLV has one video and one
audio track: the first of each kind whose codec it can carry.
"""

from collections.abc import Callable, Sequence

from media_streamer.media.frame import Frame, Track
from media_streamer.media.mux import amf
from media_streamer.syntax import boxes
from media_streamer.syntax.codec_strings import decoder_config

AUDIO, VIDEO, SCRIPT = 8, 9, 18

_TICKS_PER_MS = 90
KEY, INTER = 1, 2
_AVC = 7
_AAC, _MP3 = 10, 2
_SOUND_16_BIT = 2

# Enhanced RTMP v2: ExVideoTagHeader and ExAudioTagHeader.
_EX_VIDEO = 0x80
_EX_AUDIO = 9 << 4
_SEQUENCE_START, _CODED_FRAMES = 0, 1
FOURCC = {
    "hevc": b"hvc1", "av1": b"av01", "vp9": b"vp09",
    "ac3": b"ac-3", "eac3": b"ec-3", "opus": b"Opus",
}  # fmt: skip
_CONFIGURATION_BOX = {"h264": b"avcC", "hevc": b"hvcC", "av1": b"av1C", "vp9": b"vpcC"}
"""Their bodies are what stands in the tag; that of VP9 with version and flags, as FFmpeg has it."""
_COMPOSED = frozenset({"h264", "hevc"})
"""Their frames have composition times."""

VIDEO_CODECS = ("h264", "hevc", "av1", "vp9")
AUDIO_CODECS = ("aac", "mp3", "ac3", "eac3", "opus")

TagWriter = Callable[[Frame], bytes]


def tag(kind: int, timestamp_ms: int, *body: bytes) -> bytes:
    """A tag and the size that follows it (E.4.1); the time stamp wraps at 32 bits."""
    size = sum(map(len, body))
    head = bytes((kind,)) + size.to_bytes(3, "big")
    stamp = (timestamp_ms & 0xFFFFFF).to_bytes(3, "big") + bytes((timestamp_ms >> 24 & 0xFF,))
    return b"".join((head, stamp, b"\x00\x00\x00", *body, (size + 11).to_bytes(4, "big")))


class Clock:
    """Time stamps of the tags of one kind, in ms. They grow as the frames' own do: two frames less
    than 1 ms apart (a source that repeats a stamp) would get the same one, which FFmpeg minds.
    """

    def __init__(self) -> None:
        self._last = -1

    def stamp(self, dts: int) -> int:
        """Stamp of the next frame, whose DTS is in ticks."""
        self._last = max(dts // _TICKS_PER_MS, self._last + 1)
        return self._last


class FlvMuxer:
    """Writes the frames of the first video and the first audio track."""

    def __init__(self, tracks: Sequence[Track], previous: "FlvMuxer | None" = None) -> None:
        """`previous` wrote the same output for other tracks; its clocks go on."""
        self._clocks: tuple[Clock, Clock] = (
            previous._clocks if previous is not None else (Clock(), Clock())
        )
        video_clock, audio_clock = self._clocks
        video = next((track for track in tracks if track.codec in VIDEO_CODECS), None)
        audio = next((track for track in tracks if track.codec in AUDIO_CODECS), None)
        chosen = [track for track in (video, audio) if track is not None]
        self.reasons: dict[int, str] = {}
        self.left_out = [track for track in tracks if track not in chosen]
        self._writers: dict[int, TagWriter] = {}
        sequence_headers = []
        if video is not None:
            self._writers[video.number] = _video_writer(video, video_clock)
            sequence_headers.append(_video_sequence_header(video))
        if audio is not None:
            self._writers[audio.number] = _audio_writer(audio, audio_clock)
            sequence_headers.append(_audio_sequence_header(audio))
        flags = (4 if audio is not None else 0) | (1 if video is not None else 0)
        self.header = b"".join(
            (
                b"FLV\x01" + bytes((flags,)) + b"\x00\x00\x00\x09\x00\x00\x00\x00",
                metadata_tag(video, audio),
                *sequence_headers,
            )
        )
        """File header, `onMetaData` and sequence headers: what every viewer gets first."""

    def discontinuity(self) -> None:
        """FLV has no mark for it."""

    def mux(self, frame: Frame, boundary: bool) -> bytes:
        """The tag of a frame; b"" for a track that is left out."""
        writer = self._writers.get(frame.track)
        return writer(frame) if writer is not None else b""


def metadata_tag(video: Track | None, audio: Track | None) -> bytes:
    """`onMetaData` (E.5); codec ids of Enhanced RTMP are the FourCC as a number."""
    items: dict[str, amf.Value] = {"encoder": "media-appliance"}
    if video is not None:
        items |= {"width": video.width, "height": video.height}
        if video.fps:
            items["framerate"] = video.fps
        if video.bit_rate:
            items["videodatarate"] = video.bit_rate / 1000
        items["videocodecid"] = _AVC if video.codec == "h264" else _fourcc_number(video)
    if audio is not None:
        items |= {"audiosamplerate": audio.sample_rate, "stereo": audio.channels > 1}
        items["audiochannels"] = audio.channels
        if audio.bit_rate:
            items["audiodatarate"] = audio.bit_rate / 1000
        legacy = {"aac": _AAC, "mp3": _MP3}.get(audio.codec)
        items["audiocodecid"] = legacy if legacy is not None else _fourcc_number(audio)
    return tag(SCRIPT, 0, amf.string("onMetaData"), amf.ecma_array(items))


def _fourcc_number(track: Track) -> int:
    return int.from_bytes(FOURCC[track.codec], "big")


def configuration(track: Track) -> bytes:
    """What a decoder of a video must know, as it stands in a tag."""
    _, children = boxes.sample_entry(track.init)
    return children[_CONFIGURATION_BOX[track.codec]]


def _video_sequence_header(track: Track) -> bytes:
    if track.codec == "h264":
        head = bytes((KEY << 4 | _AVC, 0, 0, 0, 0))
    else:
        head = bytes((_EX_VIDEO | KEY << 4 | _SEQUENCE_START,)) + FOURCC[track.codec]
    return tag(VIDEO, 0, head, configuration(track))


def _audio_sequence_header(track: Track) -> bytes:
    data = sound_configuration(track)
    if not data:
        return b""
    if track.codec == "aac":
        return tag(AUDIO, 0, b"\xaf\x00", data)
    return tag(AUDIO, 0, bytes((_EX_AUDIO | _SEQUENCE_START,)) + FOURCC[track.codec], data)


def sound_configuration(track: Track) -> bytes:
    """AudioSpecificConfig, OpusHead; nothing for codecs that describe themselves."""
    _, children = boxes.sample_entry(track.init)
    if track.codec == "aac":
        return decoder_config(children[b"esds"])[1]
    return opus_head(children[b"dOps"]) if track.codec == "opus" else b""


def opus_head(dops: bytes) -> bytes:
    """Identification header of RFC 7845 5.1 (little-endian) from a dOps box (big-endian)."""
    version_1, channels = 1, dops[1:2]
    return b"".join(
        (
            b"OpusHead",
            bytes((version_1,)),
            channels,
            dops[2:4][::-1],
            dops[4:8][::-1],
            dops[8:10][::-1],
            dops[10:],
        )
    )


def _video_writer(track: Track, clock: Clock) -> TagWriter:
    """Key and inter frames differ in the first byte; only NAL codecs have composition times."""
    if track.codec == "h264":
        heads = [bytes((kind << 4 | _AVC, 1)) for kind in (INTER, KEY)]
    else:
        head = FOURCC[track.codec]
        heads = [bytes((_EX_VIDEO | k << 4 | _CODED_FRAMES,)) + head for k in (INTER, KEY)]
    return tag_writer(VIDEO, heads, track.codec in _COMPOSED, clock)


def tag_writer(kind: int, heads: Sequence[bytes], composed: bool, clock: Clock) -> TagWriter:
    """Of frames that begin with one of `heads` (inter, key), and a composition time where they are
    `composed`."""

    def write(frame: Frame) -> bytes:
        dts = clock.stamp(frame.dts)
        if not composed:
            return tag(kind, dts, heads[frame.key], frame.data)
        return tag(kind, dts, heads[frame.key], composition_time(frame, dts), frame.data)

    return write


def composition_time(frame: Frame, stamp: int) -> bytes:
    """How much later than its time stamp a picture is shown, in ms (E.4.3.1)."""
    composition = frame.pts // _TICKS_PER_MS - stamp
    if frame.pts >= frame.dts:
        composition = max(0, composition)
    return (composition & 0xFFFFFF).to_bytes(3, "big")


def _audio_writer(track: Track, clock: Clock) -> TagWriter:
    if track.codec == "aac":
        head = b"\xaf\x01"
    elif track.codec == "mp3":
        head = bytes((_MP3 << 4 | _mp3_flags(track),))
    else:
        head = bytes((_EX_AUDIO | _CODED_FRAMES,)) + FOURCC[track.codec]

    def write(frame: Frame) -> bytes:
        return tag(AUDIO, clock.stamp(frame.dts), head, frame.data)

    return write


def _mp3_flags(track: Track) -> int:
    """Rate, size and channels (E.4.2.1); players take the true rate from the MP3 header."""
    rate = 3 if track.sample_rate >= 44100 else 2 if track.sample_rate >= 22050 else 1
    return rate << 2 | _SOUND_16_BIT | (track.channels > 1)
