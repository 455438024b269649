"""Pushes: where a stream is sent, and the options of one push line."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from media_api import protocols
from media_api.base import ApiModel
from media_api.input import MAX_URL, split_url
from media_api.playback import MpegTsPids, Pid
from media_api.srt import Passphrase
from media_api.units import BitRate, Count, LongText, Milliseconds, Seconds, Text

PUSH_SCHEMES: frozenset[str] = protocols.schemes("push")
Ac3Mode = Literal["system_b", "system_a", "keep"]
ScaleAlgorithm = Literal[
    "fast_bilinear", "bilinear", "bicubic", "experimental", "neighbor", "area", "bicublin",
    "gauss", "sinc", "lanczos", "spline",
]  # fmt: skip


def check_push_url(url: str) -> str:
    """Returns `url` if it can be pushed to. Raises ValueError. `%s` stands for the stream name."""
    scheme, rest = split_url(url, "push URL")
    if scheme not in PUSH_SCHEMES:
        raise ValueError(f"{scheme}:// is no push scheme, try one of rtmp, srt, tshttp, udp, hls")
    if not rest:
        raise ValueError(f"{scheme}:// lacks an address")
    return url


PushUrl = Annotated[
    str,
    Field(
        max_length=MAX_URL,
        description="Destination; %s in a template's push is replaced by the stream name.",
    ),
    AfterValidator(check_push_url),
]

TrackSelection = Annotated[str, Field(max_length=64, pattern=r"^([vatd][0-9]{1,3})+$")]
"""Names of tracks, one after the other."""


class PushConfig(ApiModel):
    """One destination of a stream."""

    url: PushUrl = Field(
        description="Destination; %s in a template's push is replaced by the stream name."
    )
    disabled: bool = Field(default=False, description="Keep configured, do not push.")
    comment: LongText | None = Field(default=None, description="Note of the administrator.")
    retry_limit: Count | None = Field(
        default=None, description="Attempts until the push is given up. Default: no limit."
    )
    retry_timeout: Seconds | None = Field(
        default=None, description="Pause between attempts in seconds. Default 5."
    )
    timeout: Seconds | None = Field(
        default=None, description="Seconds without progress until reconnecting."
    )
    connect_timeout: Seconds | None = Field(default=None, description="Seconds to connect.")
    tracks: TrackSelection | None = Field(
        default=None,
        description="Tracks to send, such as v2a1. Default: all that the form carries.",
    )
    multicast_loop: bool | None = Field(
        default=None, description="udp://, rtp://: also receivable on this machine. Default false."
    )
    standby: bool | None = Field(
        default=None,
        description="udp://, rtp:// to a group of multicast: send only while no other does."
        " Default false.",
    )
    bitrate: BitRate | None = Field(
        default=None,
        description="udp://, rtp://: constant rate in bit/s, padded. Default: as it comes.",
    )
    vb: BitRate | None = Field(
        default=None,
        description="udp://, rtp:// with bitrate: most of it that video has at once, in bit/s."
        " Default: all that is free.",
    )
    pnr: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="MPEG-TS program number, 1 to 65535."
    )
    pmt: Pid | None = Field(default=None, description="PID of the PMT, 0 to 8191.")
    pids: MpegTsPids | None = Field(default=None, description="PIDs of the sent MPEG-TS.")
    mpegts_ac3: Ac3Mode | None = Field(
        default=None, description="Signalling of AC-3 in MPEG-TS. Default keep."
    )
    service: Text | None = Field(default=None, description="MPEG-TS service name.")
    provider: Text | None = Field(default=None, description="MPEG-TS service provider.")
    passphrase: Passphrase | None = Field(
        default=None, description="SRT passphrase, 10 to 79 characters."
    )
    latency: Milliseconds | None = Field(
        default=None, description="srt://: buffer in milliseconds. Default 120."
    )
    streamid: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="SRT stream id."
    )
    linger: Seconds | None = Field(
        default=None, description="srt://: seconds in which the rest is sent at the end."
    )
    minversion: Text | None = Field(default=None, description="Lowest SRT version of the peer.")
    version: Text | None = Field(
        default=None, description="The same as minversion; the higher one holds."
    )
    enforcedencryption: bool | None = Field(
        default=None, description="Refuse a peer whose encryption differs. Default true."
    )
    video_format: Text | None = Field(
        default=None, description="decklink://: mode of the output, such as 1080i50."
    )
    deinterlace: bool | None = Field(default=None, description="decklink://: deinterlace.")
    scale: ScaleAlgorithm | None = Field(default=None, description="decklink://: scaler.")
    dthreads: Count | None = Field(default=None, description="decklink://: decoder threads.")
    volume: float | None = Field(default=None, description="decklink://: factor of the volume.")

    @property
    def scheme(self) -> str:
        """Protocol of the push, such as `rtmp`."""
        return self.url.partition("://")[0]
