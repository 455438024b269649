"""The transcoder block of a stream: decoder, video ladder and audio tracks.

Invariant: `video[]` is the ladder in the order of the configuration; `track` numbers it from 1.
Bit rates are bit/s, sizes pixels, GOP lengths frames.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from media_api.base import ApiModel
from media_api.units import BitRate, Count, DiskPath, LongText, Text, TextMap

Hardware = Literal["cpu", "auto", "qsv", "nvenc", "nvenc2", "coder", "omx", "l4t2"]
Preset = Literal["slow", "medium", "fast", "veryfast", "ultrafast"]
Profile = Literal["simple", "baseline", "main", "main10", "high", "high10", "high422", "high444"]
PixelFormat = Literal[
    "yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10", "yuv422p10", "yuv444p10",
    "yuv420p12", "yuv422p12", "yuv444p12", "gray8", "gray10", "gray12", "nv12", "p016", "v210",
    "uyvy422", "yuyv422", "rgb48", "argb",
]  # fmt: skip
InterlaceMode = Literal["tff", "bff", "tff_separated", "bff_separated", "mbaff"]
Pixels = Annotated[int, Field(ge=-1, le=16384)]


def _word_or_number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


TrackBitRate = Annotated[Literal["copy"] | BitRate, Field(union_mode="left_to_right")]
DeviceId = Annotated[Literal["auto"] | Count, BeforeValidator(_word_or_number)]
# A number may be fractional: 29.97.
FrameRate = Annotated[
    Literal["any", "auto"] | Annotated[float, Field(gt=0, le=1000)],
    Field(union_mode="left_to_right"),
]


class LabelFont(ApiModel):
    """Font of burnt-in text."""

    file: DiskPath | None = Field(default=None, description="Font file. Default: sans serif.")
    size: Count | None = Field(default=None, description="Height in pixels.")
    color: Text | None = Field(default=None, description="Colour name or #RRGGBB.")
    alpha: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="Opacity, 0 to 1. Default 1."
    )


class LabelBox(ApiModel):
    """Box behind burnt-in text."""

    color: Text | None = Field(default=None, description="Colour name or #RRGGBB.")
    alpha: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="Opacity, 0 to 1. Default 1."
    )
    borderw: Count | None = Field(default=None, description="Border in pixels.")


class Label(ApiModel):
    """Text burnt into the picture."""

    text: LongText | None = Field(default=None, description="The text, or a format of the time.")
    position: Literal["tl", "bl", "tr", "br", "c", "ct", "cb"] | None = Field(
        default=None, description="Corner or centre: tl bl tr br c ct cb."
    )
    x: int | None = Field(default=None, description="Pixels from the position.")
    y: int | None = Field(default=None, description="Pixels from the position.")
    font: LabelFont | None = Field(default=None, description="Font of the text.")
    box: LabelBox | None = Field(default=None, description="Box behind the text.")


class Burn(ApiModel):
    """What is burnt into the picture."""

    text: Label | None = Field(default=None, description="Fixed text.")
    time: Label | None = Field(default=None, description="Running UTC time.")
    sub: Label | None = Field(default=None, description="Subtitles of the stream.")


class TranscoderGlobal(ApiModel):
    """Options of the whole transcoder."""

    hw: Hardware | None = Field(
        default=None,
        description="Encoder hardware: cpu (default), nvenc, auto (what there is), qsv, …",
    )
    deviceid: DeviceId | None = Field(
        default=None, description="Number of the device, or auto (default)."
    )
    external: bool | None = Field(default=None, description="Run in an own process. Default true.")
    gop: Count | None = Field(default=None, description="GOP length of all tracks in frames.")
    burn: Burn | None = Field(default=None, description="Burnt into all video tracks.")
    target: Literal["uhdtv", "hdtv", "sdtv_pal", "sdtv_ntsc"] | None = Field(
        default=None, description="Preset of a broadcast standard."
    )


class Crop(ApiModel):
    """Rectangle kept of the decoded picture, in pixels."""

    left: Count = Field(description="Pixels cut from the left.")
    top: Count = Field(description="Pixels cut from the top.")
    width: Count = Field(description="Width kept, pixels.")
    height: Count = Field(description="Height kept, pixels.")


class TranscoderDecoder(ApiModel):
    """Options of decoding, for all tracks."""

    pix_fmt: PixelFormat | None = Field(default=None, description="Pixel format to decode to.")
    deinterlace: bool | Literal["adaptive", "yadif"] | None = Field(
        default=None, description="Deinterlace: true, false (default), adaptive or yadif."
    )
    deinterlace_rate: Literal["frame", "field"] | None = Field(
        default=None, description="One picture a frame (default) or a field."
    )
    crop: Crop | None = Field(default=None, description="Part of the picture that is kept.")
    drop_frame_interval: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Drop each n-th frame, 1 to 1000."
    )
    no_dpb: bool | None = Field(default=None, description="Decode without a picture buffer.")
    streaming_frame: bool | None = Field(default=None, description="Low delay decoding.")


class AudioOptions(ApiModel):
    """Encoding of all audio tracks."""

    bitrate: TrackBitRate | None = Field(
        default=None, description="bit/s, or copy to leave audio as it is."
    )
    codec: Literal["aac", "mp3", "opus", "mp2a", "ac3", "eac3", "pcma", "pcmu", "pcm"] | None = (
        Field(default=None, description="Audio codec. Default aac.")
    )
    sample_rate: Annotated[int, Field(ge=0, le=192_000)] | None = Field(
        default=None, description="Hz; 0 or unset keeps that of the input."
    )
    channels: Annotated[int, Field(ge=1, le=16)] | None = Field(
        default=None, description="Channels. Default: those of the input."
    )
    avol: Text | None = Field(default=None, description="Volume: factor, or decibels as +5dB.")
    split_channels: bool = Field(default=False, description="Make a mono track of each channel.")


class Size(ApiModel):
    """Size of an encoded picture."""

    width: Pixels | None = Field(default=None, description="Pixels; -1 keeps the aspect ratio.")
    height: Pixels | None = Field(default=None, description="Pixels; -1 keeps the aspect ratio.")
    strategy: Literal["crop", "scale", "fit"] = Field(
        default="fit", description="What happens if the aspect ratio differs."
    )
    background: Text | None = Field(
        default=None, description="Colour of the bars (#RRGGBB), or blur. Default black."
    )


class SampleAspectRatio(ApiModel):
    """Sample aspect ratio x:y."""

    x: Count | None = Field(default=None, description="Numerator.")
    y: Count | None = Field(default=None, description="Denominator.")


class Logo(ApiModel):
    """Picture laid over the video."""

    path: DiskPath | None = Field(default=None, description="PNG file.")
    position: Literal["tl", "tr", "bl", "br", "c"] | None = Field(
        default=None, description="Corner or centre that x and y count from."
    )
    x: int | None = Field(default=None, description="Pixels.")
    y: int | None = Field(default=None, description="Pixels.")


Quantiser = Annotated[int, Field(ge=0, le=100)]


class QpRange(ApiModel):
    """Bounds of the quantiser for I, P and B frames, 0 to 100."""

    qpmini: Quantiser | None = Field(default=None, description="Lowest for I frames, 0 to 100.")
    qpmaxi: Quantiser | None = Field(default=None, description="Highest for I frames, 0 to 100.")
    qpminp: Quantiser | None = Field(default=None, description="Lowest for P frames, 0 to 100.")
    qpmaxp: Quantiser | None = Field(default=None, description="Highest for P frames, 0 to 100.")
    qpminb: Quantiser | None = Field(default=None, description="Lowest for B frames, 0 to 100.")
    qpmaxb: Quantiser | None = Field(default=None, description="Highest for B frames, 0 to 100.")


class VideoOptions(ApiModel):
    """Encoding of one video track: a step of the ladder."""

    track: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Number of the track, from 1."
    )
    bitrate: TrackBitRate | None = Field(
        default=None, description="bit/s, or copy to leave the video as it is."
    )
    codec: Literal["h264", "hevc", "av1", "mp2v"] = Field(default="h264", description="Codec.")
    preset: Preset = Field(default="veryfast", description="Speed against quality.")
    profile: Profile | None = Field(default=None, description="Codec profile. Default: encoder's.")
    level: Text | None = Field(default=None, description="Codec level, such as 4.1.")
    size: Size | None = Field(default=None, description="Picture size. Default: that of the input.")
    sar: SampleAspectRatio | None = Field(default=None, description="Sample aspect ratio.")
    logo: Logo | None = Field(default=None, description="Picture laid over before scaling.")
    alogo: Logo | None = Field(default=None, description="Picture laid over after scaling.")
    fps: FrameRate | None = Field(
        default=None, description="Frames per second, or any (default: as the input), or auto."
    )
    bframes: Annotated[int, Field(ge=0, le=4)] | None = Field(
        default=None, description="B frames in a row, 0 to 4."
    )
    refs: Annotated[int, Field(ge=1, le=6)] | None = Field(
        default=None, description="Reference frames, 1 to 6."
    )
    gop: Count | None = Field(default=None, description="GOP length in frames.")
    open_gop: bool = Field(default=False, description="Allow open GOPs.")
    qp_range: QpRange | None = Field(default=None, description="Bounds of the quantiser.")
    threads: Count | None = Field(default=None, description="Encoder threads. Default: automatic.")
    interlace: bool | InterlaceMode | None = Field(
        default=None, description="Encode interlaced: false (default), true or a field order."
    )
    rc_method: Literal["vbr", "cbr", "cbr2pass"] | None = Field(
        default=None, description="Rate control. Default vbr."
    )
    vbv_bufsize: Count | None = Field(default=None, description="VBV buffer, bit.")
    temporal_tradeoff: Count | None = Field(
        default=None,
        description="Pictures dropped under overload: 15 is 1 of 5, 13, 12 (default), 23, 0 none.",
    )
    resize_mode: Literal["vic", "cuda"] | None = Field(
        default=None, description="Scaler of NVIDIA devices."
    )
    burn: Burn | None = Field(default=None, description="Burnt into this track.")
    extra: TextMap | None = Field(default=None, description="Further options of the encoder.")


class TranscoderTrack(AudioOptions, VideoOptions):
    """One output track in the newer flat list, which replaces `video` and `audio`."""

    track: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Number of the track within its kind, from 1."
    )
    content: Literal["audio", "video", "text", "metadata", "application"] = Field(
        description="Kind of the track."
    )
    codec: Text | None = Field(default=None, description="Codec of the track.")  # type: ignore[assignment]
    title: Text | None = Field(default=None, description="Title of the track.")
    input_track: Text | None = Field(default=None, description="Track of the input, such as a1.")
    volume: Text | None = Field(default=None, description="Volume: factor, or decibels as +5dB.")


class TranscoderSpec(ApiModel):
    """Transcoding of a stream. Without video and audio entries the tracks are copied."""

    global_: TranscoderGlobal | None = Field(
        default=None, alias="global", description="Options of the whole transcoder."
    )
    decoder: TranscoderDecoder | None = Field(default=None, description="Options of decoding.")
    video: Annotated[list[VideoOptions], Field(max_length=16)] | None = Field(
        default=None, description="Video tracks: the ladder, in order."
    )
    audio: AudioOptions | None = Field(default=None, description="Encoding of all audio tracks.")
    tracks: Annotated[list[TranscoderTrack], Field(max_length=32)] | None = Field(
        default=None, description="Output tracks one by one; replaces video and audio."
    )
