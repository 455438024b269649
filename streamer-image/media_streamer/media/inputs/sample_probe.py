"""Describe a track from one sample: what a demuxer would find in a file that has nothing else.

FFmpeg knows how to read every decoder configuration, so the configuration and one sample are
wrapped as FLV in memory, which carries nearly every codec that is handed in as frames, and read
back once. Pure; takes some milliseconds.
"""

import io
import struct
from collections.abc import Iterable, Sequence

import av
from msgspec.structs import replace

from media_streamer.media.canonical import CODECS
from media_streamer.media.frame import Track
from media_streamer.media.inputs.errors import describe
from media_streamer.media.mux.flv import AUDIO, VIDEO, tag
from media_streamer.media.track import DECODER_OPTIONS, TrackError, describe_track
from media_streamer.wire.media import PublishedFrame, TrackSetup

_FLV_HEADER = b"FLV\x01%c\x00\x00\x00\x09\x00\x00\x00\x00"
_KINDS = {"video": VIDEO, "audio": AUDIO}
_FLAGS = {"video": 1, "audio": 4}
_PROBE = {"fpsprobesize": "0", "analyzeduration": "1000000", **DECODER_OPTIONS}  # us
_CONFIGURATIONS = {
    "h264": b"\x17\x00\x00\x00\x00", "hevc": b"\x90hvc1", "av1": b"\x90av01", "vp9": b"\x90vp09",
    "aac": b"\xaf\x00", "opus": b"\x90Opus", "ac3": b"\x90ac-3", "eac3": b"\x90ec-3",
}  # fmt: skip
"""What stands before a decoder configuration, by codec."""
_FRAMES = {
    "h264": b"\x07\x01", "hevc": b"\x81hvc1", "av1": b"\x81av01", "vp9": b"\x81vp09",
    "aac": b"\xaf\x01", "mp3": b"\x2f", "opus": b"\x91Opus", "ac3": b"\x91ac-3",
    "eac3": b"\x91ec-3", "pcm_alaw": b"\x72", "pcm_mulaw": b"\x82",
}  # fmt: skip
"""What stands before a frame, with the frame type of video left 0."""
_RAW = {"mp2": "mp3", "vp8": "ivf"}
"""Codecs that FLV lacks, and FFmpeg's demuxer of what has them alone."""
_IVF_HEADER = struct.Struct("<4sHH4sHHIIII")
_IVF_FRAME = struct.Struct("<IQ")
_RAW_FRAMES = 3
"""So many headers in a row prove that it is one."""
_COMPOSED = ("h264", "hevc")
"""Their frames have a composition time."""
_KEY, _INTER = 0x10, 0x20


def can_be_track(setup: TrackSetup) -> bool:
    """Whether frames of this codec can be a track."""
    return setup.codec in CODECS and (setup.codec in _FRAMES or setup.codec in _RAW)


def probe(setup: TrackSetup, sample: PublishedFrame) -> Track:
    """The track that `sample` belongs to; video: a key frame. Raises TrackError.

    Number and name are for the caller to give.
    """
    if not can_be_track(setup):
        raise TrackError("its codec is not supported")
    if setup.codec in _RAW:
        form = _RAW[setup.codec]
        data = _ivf(sample.data) if form == "ivf" else sample.data * _RAW_FRAMES
    else:
        form, data = "flv", as_flv([setup], [sample])
    try:
        with av.open(io.BytesIO(data), "r", format=form, options=_PROBE) as container:
            packet = next(packet for packet in container.demux() if packet.size)
            track = describe_track(packet.stream, packet, 0, "")
    except av.FFmpegError as error:
        raise TrackError(describe(error)) from None
    except StopIteration:
        raise TrackError("the sample cannot be read") from None
    return replace(
        track,
        fps=track.fps or round(setup.fps, 3),
        bit_rate=track.bit_rate or setup.bit_rate,
    )


def _ivf(frame: bytes) -> bytes:
    """A file of one frame of VP8; its size says the frame."""
    header = _IVF_HEADER.pack(b"DKIF", 0, _IVF_HEADER.size, b"VP80", 0, 0, 1000, 1, 1, 0)
    return header + _IVF_FRAME.pack(len(frame), 0) + frame


def as_flv(setups: Sequence[TrackSetup], frames: Iterable[PublishedFrame]) -> bytes:
    """A file of frames as they were published, whose codecs `can_be_track`."""
    flags = 0
    for setup in setups:
        flags |= _FLAGS[setup.kind]
    parts = [_FLV_HEADER % flags]
    for setup in setups:
        head = _CONFIGURATIONS.get(setup.codec)
        if setup.configuration and head is not None:
            parts.append(tag(_KINDS[setup.kind], 0, head, setup.configuration))
    by_number = {setup.number: setup for setup in setups}
    parts += [_frame(by_number[frame.track], frame) for frame in frames]
    return b"".join(parts)


def _frame(setup: TrackSetup, frame: PublishedFrame) -> bytes:
    head = _FRAMES[setup.codec]
    if setup.kind == "video":
        head = bytes((head[0] | (_KEY if frame.key else _INTER),)) + head[1:]
    if setup.codec in _COMPOSED:
        composition = (frame.pts - frame.dts) * 1000 // setup.ticks
        head += (composition & 0xFFFFFF).to_bytes(3)
    return tag(_KINDS[setup.kind], frame.dts * 1000 // setup.ticks, head, frame.data)
