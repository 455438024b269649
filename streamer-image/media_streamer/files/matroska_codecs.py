"""Codecs of Matroska (RFC 9559, 12, and its registry): sample entries of what can be sent. Pure."""

from media_streamer.files import descriptions
from media_streamer.files.descriptions import Sound
from media_streamer.files.headers import Entry
from media_streamer.files.matroska_blocks import MatroskaTrack
from media_streamer.files.tables import BadFile
from media_streamer.syntax import mpeg_audio
from media_streamer.syntax.boxes import box

_MPEG_AUDIO = {"A_MPEG/L2": 2, "A_MPEG/L3": 3}
_RECORDS = {
    "V_MPEG4/ISO/AVC": (b"avc1", b"avcC"),
    "V_MPEGH/ISO/HEVC": (b"hvc1", b"hvcC"),
    "V_AV1": (b"av01", b"av1C"),
}
NAMES = {"A_MPEG/L2": "mp2"}
"""FFmpeg's name, where the string of the codec does not tell."""
NEED_FRAME = ("A_AC3", "A_EAC3", "V_VP8", "V_VP9", *_MPEG_AUDIO)
"""Codecs that are described by a frame."""
_PLAYED = (
    *_RECORDS, "V_VP8", "V_VP9", "V_MPEG2", "A_AAC", "A_OPUS", *_MPEG_AUDIO, "A_AC3", "A_EAC3",
)  # fmt: skip


def is_played(codec: str) -> bool:
    """Whether tracks of it can be sent."""
    return codec in _PLAYED or codec.startswith("A_AAC/")


def describe(track: MatroskaTrack, frame: bytes) -> tuple[Entry, int]:
    """The entry of a track, and the samples of a frame of sound (0: that varies); `frame`: the
    first, for those that need it. Raises BadFile."""
    codec, private = track.codec, track.private
    if codec in _RECORDS:
        kind, name = _RECORDS[codec]
        if len(private) < 4:
            raise BadFile("its codec is not described")
        return descriptions.video(kind, box(name, private), track.width, track.height), 0
    if codec == "V_VP8":
        return descriptions.vp8(frame), 0
    if codec == "V_VP9":
        return descriptions.vp9(frame, track.width, track.height), 0
    if codec == "V_MPEG2":
        config = descriptions.described_stream(descriptions.MPEG2_VIDEO, private)
        return descriptions.video(b"mp4v", config, track.width, track.height), 0
    sound = _sound(track, frame)
    return sound.entry, sound.frame_samples


def _sound(track: MatroskaTrack, frame: bytes) -> Sound:
    codec = track.codec
    if codec.startswith("A_AAC"):
        return descriptions.aac(track.private)
    if codec == "A_OPUS":
        return descriptions.opus(track.private)
    if codec in _MPEG_AUDIO:
        if mpeg_audio.frame(frame) is None:
            raise BadFile("its sound is no MPEG audio")
        return descriptions.mpeg_audio(_MPEG_AUDIO[codec], track.channels, track.rate)
    return descriptions.dolby(frame)
