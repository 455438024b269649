"""Describe the tracks of an opened input: one init segment each, made by FFmpeg's MP4 muxer.

FFmpeg knows how to write the decoder configuration of every codec (avcC, hvcC, av1C, esds, dac3,
dOps), so a fragmented MP4 with one packet is muxed into memory, its `ftyp` and `moov` kept, and
the rest thrown away. The same bytes then serve as init segment, as source of codec strings and,
opened again, as template stream.
"""

import io
import logging
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.stream import Disposition
from msgspec.structs import replace

from media_streamer import budgets
from media_streamer.files import descriptions
from media_streamer.files.headers import init_section
from media_streamer.files.tables import BadFile
from media_streamer.media.canonical import (
    CODECS,
    codec_name,
    configuration,
    is_adts,
    new_extradata,
)
from media_streamer.media.frame import TIME_BASE, Track, TrackKind
from media_streamer.syntax import boxes, nal, obu
from media_streamer.syntax.codec_strings import codec_string
from media_streamer.syntax.loas import LoasReader, is_loas

log = logging.getLogger(__name__)

DECODER_OPTIONS = {"max_pixels": str(budgets.PICTURE_PIXELS)}
"""Wherever FFmpeg may decode: to describe an input, too, it decodes the first pictures, and a few
bytes of a parameter set can claim 16,000 by 16,000 pixels, 400 MB each."""

_MP4_OPTIONS = {
    "movflags": "empty_moov+delay_moov+default_base_moof",
    # An edit list would shift one track against the others.
    "use_editlist": "0",
    "video_track_timescale": str(TIME_BASE),
}
_RAW_FORMATS = {
    "h264": "h264",
    "hevc": "hevc",
    "av1": "obu",
    "mpeg2video": "mpegvideo",
    "aac": "aac",
}
"""FFmpeg's demuxers of elementary streams."""

_FRAME_SAMPLES = {"aac": 1024, "mp3": 1152, "mp2": 1152, "ac3": 1536, "eac3": 1536, "opus": 960}
"""What encoders of sound put in a frame unless they are told otherwise; of Opus at 48 kHz."""
_TWICE = (".40.5", ".40.29")
"""HE-AAC: the sample rate that is told is that of what is heard, twice that of the frames."""
MAX_FRAME_RATE = 300.0
"""Above it the container's figure is its time base, not a frame rate."""


class TrackError(ValueError):
    """The stream cannot be described yet or at all."""


def describe_tracks(
    container: av.container.InputContainer, first_packets: Mapping[int, "av.Packet[Any]"]
) -> list[Track]:
    """Tracks of an opened input in the order of its streams; see `describe_streams`."""
    return list(describe_streams(container, first_packets).values())


def describe_streams(
    container: av.container.InputContainer, first_packets: Mapping[int, "av.Packet[Any]"]
) -> dict[int, Track]:
    """Tracks by the index of the stream in the input.

    `first_packets` holds by stream index the first packet (video: the first key frame), or after
    a change of configuration the packet that brought it. Streams of codecs that cannot be a track,
    cover pictures and streams without a usable packet are left out.
    """
    tracks: dict[int, Track] = {}
    counts = {"video": 0, "audio": 0}
    for stream in container.streams:
        kind = stream.type
        if kind not in ("video", "audio") or not is_supported(stream):
            continue
        packet = first_packets.get(stream.index)
        name = f"{kind[0]}{counts[kind] + 1}"
        try:
            track = describe_track(stream, packet, len(tracks), name)
        except (TrackError, av.FFmpegError) as error:
            log.warning("stream %d (%s) left out: %s", stream.index, codec_name(stream), error)
            continue
        tracks[stream.index] = track
        counts[kind] += 1
    return tracks


def is_supported(stream: av.stream.Stream) -> bool:
    """Whether the stream can be a track."""
    cover = Disposition.attached_pic | Disposition.timed_thumbnails
    return codec_name(stream) in CODECS and not stream.disposition & cover


def describe_track(
    stream: av.stream.Stream, packet: "av.Packet[Any] | None", number: int, name: str
) -> Track:
    """Describe one stream as track `number` called `name`; raises TrackError, FFmpegError."""
    codec = codec_name(stream)
    context: Any = stream.codec_context
    if packet is None and not context.extradata:
        raise TrackError("no packet and no decoder configuration yet")
    raw = _elementary_stream(codec, stream, packet)
    if raw is None:
        init = _make_init(stream, bytes(packet) if packet is not None else b"")
    else:
        # The configuration in the packet is newer than what the demuxer found at the start.
        form = _RAW_FORMATS[codec]
        with av.open(io.BytesIO(raw), "r", format=form, options=DECODER_OPTIONS) as probed:
            first = next(iter(probed.demux()))
            init = _make_init(probed.streams[0], bytes(first))
    if init is None:
        raise TrackError("no decoder configuration found")
    try:
        string = codec_string(init)
    except (ValueError, KeyError, IndexError) as error:
        raise TrackError(f"decoder configuration is broken: {error}") from error
    return _track(stream, init, string, number, name)


def _elementary_stream(
    codec: str, stream: av.stream.Stream, packet: "av.Packet[Any] | None"
) -> bytes | None:
    """The packet as raw stream with its own configuration, if that is not the demuxer's."""
    if packet is None or codec not in _RAW_FORMATS:
        return None
    context: Any = stream.codec_context
    extradata = bytes(context.extradata or b"")
    data, fresh = bytes(packet), new_extradata(packet)
    if codec == "aac":
        return _adts(data)
    try:
        length_size = nal.length_size(codec, fresh or extradata) if codec in nal.NAL_TYPES else 0
        units = configuration(codec, data, length_size)
        if codec in nal.NAL_TYPES and not units and fresh:
            units = nal.parameter_sets(codec, fresh)
        if not units or (context.width and all(unit in extradata for unit in units)):
            return None
        if codec == "av1":
            # The demuxer looks for the temporal delimiter that MP4, Matroska and FLV leave out.
            return data if data.startswith(obu.DELIMITER) else obu.DELIMITER + data
        if codec not in nal.NAL_TYPES:
            return data
        if length_size:
            return nal.join_annex_b([*units, *nal.split_length_prefixed(data, length_size)])
        return data
    except ValueError as error:
        raise TrackError(f"packet is broken: {error}") from error


def _adts(data: bytes) -> bytes | None:
    """AAC in LOAS as ADTS, which FFmpeg's MP4 muxer can be told of; None for other AAC."""
    if not is_loas(data):
        return None
    try:
        return LoasReader().adts(data)
    except ValueError as error:
        raise TrackError(str(error)) from error


def _make_init(stream: av.stream.Stream, data: bytes) -> bytes | None:
    """Mux one packet into a fragmented MP4 and keep `ftyp` and `moov`; None if there is none."""
    buffer = io.BytesIO()
    codec = codec_name(stream)
    if codec == "vp8":
        return _make_vp8_init(data)
    # MP4 has no G.711; QuickTime, which is read as MP4 is, has.
    form = "mov" if codec in ("pcm_alaw", "pcm_mulaw") else "mp4"
    with av.open(buffer, "w", format=form, options=_MP4_OPTIONS) as output:
        # Opaque: only parameters are copied. PyAV would look for an encoder called libdav1d.
        target: Any = output.add_stream_from_template(
            stream, opaque=True if codec in ("av1", "vp9") else None
        )
        if codec == "hevc":
            # Apple's players take HEVC only with the parameter sets in the sample entry.
            target.codec_context.codec_tag = "hvc1"
        elif codec == "aac" and is_adts(data):
            data, target.codec_context.extradata = _from_adts(stream, data)
        packet = av.Packet(data)
        packet.stream = target
        packet.pts = packet.dts = 0
        packet.is_keyframe = True
        output.mux(packet)
    muxed = buffer.getvalue()
    kept = [muxed[begin - 8 : end] for kind, begin, end in boxes.boxes(muxed) if kind in _KEPT]
    return b"".join(kept) if len(kept) == len(_KEPT) else None


_KEPT = (b"ftyp", b"moov")


def _make_vp8_init(data: bytes) -> bytes:
    """FFmpeg reads VP8 in MP4 and does not write it."""
    try:
        entry = descriptions.vp8(data)
    except BadFile as error:
        raise TrackError(str(error)) from None
    size = entry.width, entry.height
    return init_section(entry.data, b"vide", TIME_BASE, size=size)


def _from_adts(stream: av.stream.Stream, data: bytes) -> tuple[bytes, bytes]:
    """Raw AAC frame and AudioSpecificConfig of an ADTS frame; raises TrackError."""
    packet = av.Packet(data)
    packet.time_base = stream.time_base or Fraction(1, TIME_BASE)
    packet.pts = packet.dts = 0
    for raw in BitStreamFilterContext("aac_adtstoasc", stream).filter(packet):
        config = new_extradata(raw)
        if config:
            return bytes(raw), config
    raise TrackError("ADTS frame without configuration")


def _track(stream: av.stream.Stream, init: bytes, string: str, number: int, name: str) -> Track:
    """What the init segment says, with the input's words where an init segment has none."""
    language = str(stream.metadata.get("language", ""))
    source: Any = stream.codec_context
    with template(init) as described:
        context: Any = described.streams[0].codec_context
        kind: TrackKind = "video" if described.streams[0].type == "video" else "audio"
        codec = codec_name(stream)
        track = Track(
            number=number,
            name=name,
            kind=kind,
            codec=codec,
            init=init,
            codec_string=string,
            bit_rate=int(source.bit_rate or 0),
            language="" if language == "und" else language,
            profile=str(source.profile or context.profile or ""),
        )
        if kind == "audio":
            return replace(
                track, channels=int(context.channels), sample_rate=int(context.sample_rate)
            )
        return replace(
            track,
            width=int(context.width),
            height=int(context.height),
            fps=_frame_rate(stream),
            level=_level(codec, string),
            pix_fmt=str(source.pix_fmt or ""),
        )


def template(init: bytes) -> av.container.InputContainer:
    """Open an init segment; its one stream is the template for FFmpeg's muxers and decoders."""
    return av.open(io.BytesIO(init), "r", format="mp4")


def _frame_rate(stream: Any) -> float:
    """Frames a second as the container or the codec signals it, 0.0 if unknown.

    FFmpeg's guess comes last: from one frame of H.264 it counts fields.
    """
    for rate in (stream.average_rate, stream.codec_context.framerate, stream.guessed_rate):
        if rate and 0 < rate <= MAX_FRAME_RATE:
            return round(float(rate), 3)
    return 0.0


def _level(codec: str, string: str) -> str:
    """Level as people write it, from the codec string: 3.1, 4, 5.1."""
    parts: Sequence[str] = string.split(".")
    try:
        if codec == "h264":
            tenths = int(parts[1][4:6], 16)
            return f"{tenths / 10:g}"
        if codec == "hevc":
            level = next(part for part in parts[2:] if part[0] in "LH")
            return f"{int(level[1:]) / 30:g}"
        if codec == "av1":
            index = int(parts[2][:2])
            return f"{2 + (index >> 2)}.{index & 3}"
    except (IndexError, ValueError, StopIteration):
        return ""
    return ""


def usual_duration(track: Track) -> int:
    """How long a frame of the track probably lasts, in ticks; 0: that cannot be told."""
    if track.kind == "video":
        return round(TIME_BASE / track.fps) if track.fps else 0
    samples = _FRAME_SAMPLES.get(track.codec, 0)
    if track.codec_string.endswith(_TWICE):
        samples *= 2
    elif track.codec == "mp3" and track.sample_rate < 32_000:
        samples //= 2
    return samples * TIME_BASE // track.sample_rate if track.sample_rate else 0
