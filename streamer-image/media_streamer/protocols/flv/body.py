"""The body of an audio or video tag (Adobe FLV 10.1 E.4.2 and E.4.3, enhanced RTMP v2): what it
holds, track by track. Pure.

A body is a sample behind some bytes of header. Enhanced ones name their codec by FourCC, may carry
several tracks and modifiers in front.
"""

from typing import NamedTuple

AUDIO, VIDEO = 8, 9

CONFIGURATION = 0
FRAME = 1
_END = 2

_AUDIO_EX_HEADER = 9
_AAC = 10
_LEGACY_AUDIO = {2: "mp3", 14: "mp3", _AAC: "aac", 11: "speex", 5: "nellymoser", 6: "nellymoser",
                 4: "nellymoser", 1: "adpcm_swf", 0: "pcm", 3: "pcm_s16le", 7: "pcm_alaw",
                 8: "pcm_mulaw"}  # fmt: skip
_AUDIO_FOURCC = {b"mp4a": "aac", b".mp3": "mp3", b"ac-3": "ac3", b"ec-3": "eac3", b"Opus": "opus",
                 b"fLaC": "flac"}  # fmt: skip
_LEGACY_VIDEO = {
    7: "h264",
    12: "hevc",
    2: "flv1",
    3: "flashsv",
    4: "vp6f",
    5: "vp6a",
    6: "flashsv2",
}
_VIDEO_FOURCC = {b"avc1": "h264", b"hvc1": "hevc", b"av01": "av1", b"vp08": "vp8", b"vp09": "vp9",
                 b"vvc1": "vvc"}  # fmt: skip
_COMPOSED = frozenset((b"avc1", b"hvc1", b"vvc1"))
"""Their coded frames have a composition time."""

_VIDEO_EX_HEADER = 0x80
_KEY_FRAME, _GENERATED_KEY_FRAME, _COMMAND_FRAME = 1, 4, 5
_CODED_FRAMES, _CODED_FRAMES_X, _METADATA = 1, 3, 4
_AUDIO_MULTITRACK, _VIDEO_MULTITRACK, _MODIFIERS = 5, 6, 7
_ONE_TRACK, _MANY_TRACKS, _MANY_CODECS = 0, 1, 2


class BodyError(ValueError):
    """The body is cut off or says what cannot be."""


class Part(NamedTuple):
    """What a body holds of one track."""

    track: int
    """Number among the tracks of its kind."""
    codec: str
    """FFmpeg's name; a FourCC that is not known as it is."""
    kind: int
    """CONFIGURATION or FRAME."""
    key: bool
    composition: int
    """PTS less DTS, ms."""
    data: bytes


def read(kind: int, body: bytes) -> list[Part]:
    """The parts of a body that are configurations or frames; raises BodyError."""
    try:
        return _audio(body) if kind == AUDIO else _video(body)
    except IndexError:
        raise BodyError(f"tag of {len(body)} bytes is cut off") from None


def _audio(body: bytes) -> list[Part]:
    first = body[0]
    sound = first >> 4
    if sound == _AUDIO_EX_HEADER:
        return _enhanced(body, first & 0x0F, _AUDIO_MULTITRACK, _AUDIO_FOURCC, True)
    codec = _LEGACY_AUDIO.get(sound, f"sound format {sound}")
    if sound != _AAC:
        return [Part(0, codec, FRAME, True, 0, body[1:])]
    kind = body[1]
    return [Part(0, codec, kind, True, 0, body[2:])] if kind in (CONFIGURATION, FRAME) else []


def _video(body: bytes) -> list[Part]:
    first = body[0]
    frame_type = first >> 4 & 7
    key = frame_type in (_KEY_FRAME, _GENERATED_KEY_FRAME)
    if first & _VIDEO_EX_HEADER:
        packet_type = first & 0x0F
        if frame_type == _COMMAND_FRAME and packet_type != _METADATA:
            return []
        return _enhanced(body, packet_type, _VIDEO_MULTITRACK, _VIDEO_FOURCC, key)
    if frame_type == _COMMAND_FRAME:
        return []
    number = first & 0x0F
    codec = _LEGACY_VIDEO.get(number, f"video codec {number}")
    if codec not in ("h264", "hevc"):
        return [Part(0, codec, FRAME, key, 0, body[1:])]
    kind, composition = body[1], _signed(body, 2)
    if kind not in (CONFIGURATION, FRAME):
        return []
    return [Part(0, codec, kind, key, composition, body[5:])]


def _enhanced(
    body: bytes, packet_type: int, multitrack: int, codecs: dict[bytes, str], key: bool
) -> list[Part]:
    position = 1
    while packet_type == _MODIFIERS:
        size = body[position] + 1
        position += 1
        if size == 256:
            size = (body[position] << 8 | body[position + 1]) + 1
            position += 2
        packet_type = body[position + size] & 0x0F
        position += size + 1
    arrangement = -1
    if packet_type == multitrack:
        arrangement, packet_type = body[position] >> 4, body[position] & 0x0F
        position += 1
        if arrangement > _MANY_CODECS:
            raise BodyError(f"multitrack of type {arrangement}")
    four_cc = b""
    if arrangement != _MANY_CODECS:
        four_cc, position = _four_cc(body, position)
    if arrangement < 0:
        part = _part(0, four_cc, packet_type, codecs, key, body[position:])
        return [part] if part is not None else []
    found = []
    while position < len(body):
        if arrangement == _MANY_CODECS:
            four_cc, position = _four_cc(body, position)
        track = body[position]
        position += 1
        size = len(body) - position
        if arrangement != _ONE_TRACK:
            size = int.from_bytes(body[position : position + 3])
            position += 3
        if position + size > len(body):
            raise BodyError("a track of a multitrack tag is cut off")
        part = _part(track, four_cc, packet_type, codecs, key, body[position : position + size])
        position += size
        if part is not None:
            found.append(part)
    return found


def _part(
    track: int, four_cc: bytes, packet_type: int, codecs: dict[bytes, str], key: bool, data: bytes
) -> Part | None:
    codec = codecs.get(four_cc) or four_cc.decode("latin-1")
    if packet_type == CONFIGURATION:
        return Part(track, codec, CONFIGURATION, key, 0, data)
    if packet_type == _CODED_FRAMES and four_cc in _COMPOSED:
        return Part(track, codec, FRAME, key, _signed(data, 0), data[3:])
    if packet_type == _CODED_FRAMES or (packet_type == _CODED_FRAMES_X and four_cc in _COMPOSED):
        return Part(track, codec, FRAME, key, 0, data)
    return None


def _four_cc(body: bytes, position: int) -> tuple[bytes, int]:
    end = position + 4
    if end > len(body):
        raise BodyError("the FourCC is cut off")
    return body[position:end], end


def _signed(data: bytes, position: int) -> int:
    """A composition time: 24 bits, two's complement."""
    value = data[position] << 16 | data[position + 1] << 8 | data[position + 2]
    return value - (value >> 23 << 24)
