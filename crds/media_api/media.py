"""What a medium consists of: tracks and their parameters.

Bit rates in a track are kbit/s like every rate in statistics; `duration` and `ticks` are ms.
"""

from typing import Annotated, Literal

from pydantic import Field

from media_api.base import ApiModel
from media_api.units import Count, Text

VideoCodec = Literal["h264", "hevc", "mp2v", "vp9", "vp8", "mjpeg", "screen", "jpeg", "av1"]
AudioCodec = Literal["aac", "mp3", "mp2a", "opus", "ac3", "eac3", "pcma", "pcmu"]
RawCodec = Literal["yuv", "uyvy422", "yuyv422", "yuv422p10", "argb", "rgb48", "v210", "pcm"]
TextCodec = Literal["ttxt", "text", "wvtt", "ttml", "subtitle", "id3t", "onvif", "tx3g"]
ApplicationCodec = Literal["mpegts", "object", "eit", "scte27", "scte35", "empty"]
Codec = VideoCodec | AudioCodec | RawCodec | TextCodec | ApplicationCodec
Content = Literal["audio", "video", "text", "metadata", "application"]
FlowType = Literal["file", "stream", "dvr_file", "dvr_stream"]


class ClosedCaptions(ApiModel):
    """A closed caption channel of a video track."""

    language: Text | None = Field(default=None, description="Language, ISO 639-2.")
    name: Text | None = Field(default=None, description="Channel, such as CC1.")


class TrackInfo(ApiModel):
    """One track. `track_id` is v1…, a1…, t1… in order of appearance."""

    content: Content = Field(description="Kind of the track.")
    track_id: Text | None = Field(default=None, description="Name in URLs: v1, a1, t1.")
    codec: Codec | None = Field(default=None, description="Codec, in the API's words.")
    title: Text | None = Field(default=None, description="Title of the track.")
    language: Text | None = Field(default=None, description="Language, ISO 639-2.")
    bitrate: Count | None = Field(default=None, description="kbit/s.")
    pid: Count | None = Field(default=None, description="PID in the source's MPEG-TS.")
    bframes: Count | None = Field(default=None, description="B frames in a row.")
    gop_size: Count | None = Field(default=None, description="Configured GOP length in frames.")
    last_gop: Count | None = Field(default=None, description="Length of the last GOP in frames.")
    avg_gop: Count | None = Field(default=None, description="Average GOP length in frames.")
    avg_fps: float | None = Field(default=None, description="Measured frames per second.")
    frame_duration: float | None = Field(default=None, description="Milliseconds of a frame.")
    closed_captions: list[ClosedCaptions] | None = Field(
        default=None, description="Closed caption channels."
    )
    width: Count | None = Field(default=None, description="Coded width in pixels.")
    height: Count | None = Field(default=None, description="Coded height in pixels.")
    fps: float | None = Field(default=None, description="Frames per second as signalled.")
    pix_fmt: Text | None = Field(default=None, description="Pixel format.")
    num_refs_frames: Count | None = Field(default=None, description="Reference frames.")
    sar_width: Count | None = Field(default=None, description="Sample aspect ratio, numerator.")
    sar_height: Count | None = Field(default=None, description="Sample aspect ratio, denominator.")
    pixel_width: Count | None = Field(default=None, description="Shown width in pixels.")
    pixel_height: Count | None = Field(default=None, description="Shown height in pixels.")
    is_progressive: bool | None = Field(default=None, description="false: interlaced.")
    level: Text | None = Field(default=None, description="Codec level.")
    profile: Text | None = Field(default=None, description="Codec profile.")
    channels: Count | None = Field(default=None, description="Audio channels.")
    sample_rate: Count | None = Field(default=None, description="Audio sample rate in Hz.")


class MediaInfo(ApiModel):
    """The tracks of a stream or file."""

    flow_type: FlowType | None = Field(default=None, description="Where the medium comes from.")
    stream_id: Count | None = Field(default=None, description="MPEG-TS transport stream id.")
    program_id: Count | None = Field(default=None, description="MPEG-TS program number.")
    tracks: Annotated[list[TrackInfo], Field(max_length=1024)] = Field(
        default_factory=list, description="Tracks in the order of their ids."
    )
    duration: float | None = Field(default=None, description="Length of a file in milliseconds.")
    provider: Text | None = Field(default=None, description="Service provider in the source.")
    title: Text | None = Field(default=None, description="Service name in the source.")
