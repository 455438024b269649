"""Inputs of a stream: the URL and the options that one input line can carry.

Invariants: the order of `inputs` is their default priority (the first is the best); the scheme of
the URL decides which options matter (table of protocols); the others are accepted, and
`media_api.unsupported` says that they have no effect.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field

from media_api import protocols
from media_api.base import ApiModel
from media_api.playback import Pid
from media_api.srt import Passphrase
from media_api.units import (
    BitRate,
    Count,
    DiskPath,
    LongText,
    Milliseconds,
    Seconds,
    SecondsOrFalse,
    Secret,
    Text,
    TextMap,
    Url,
)

# Which of them a streamer can run, the table of protocols says.
INPUT_SCHEMES: frozenset[str] = protocols.schemes("pull") | {protocols.ANY_PUBLISHER}
# `timeshift://NAME/SECONDS`; the name of a stream may have slashes.
_DELAYED = re.compile(r"timeshift://(.+)/([1-9][0-9]{0,8})")
# These need nothing after scheme://.
_BARE_SCHEMES = frozenset({"fake", "publish", "mixer"})
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.DOTALL)
_CONTROL_OR_SPACE = re.compile(r"[\x00-\x20\x7f]")
MAX_URL = 2048  # characters


def split_url(url: str, what: str) -> tuple[str, str]:
    """(scheme, rest after ://) of `url`. Raises ValueError; never shows credentials."""
    match = _SCHEME.fullmatch(url)
    if match is None:
        raise ValueError(f"{what} must look like scheme://…")
    if len(url) > MAX_URL:
        raise ValueError(f"{what} has more than {MAX_URL} characters")
    if _CONTROL_OR_SPACE.search(url):
        raise ValueError(f"{what} contains a space or a control character: percent-encode it")
    return match[1], match[2]


def check_input_url(url: str) -> str:
    """Returns `url` if it can be an input. Raises ValueError saying what to write instead."""
    scheme, rest = split_url(url, "input URL")
    if scheme in {"http", "https"}:
        tls = "s" if scheme == "https" else ""
        raise ValueError(
            f"{scheme}:// does not say what is behind it: write hls{tls}:// for a playlist,"
            f" tshttp{tls}:// for MPEG-TS"
        )
    if scheme not in INPUT_SCHEMES:
        raise ValueError(f"{scheme}:// is no input scheme, try one of rtsp, rtmp, srt, hls, udp")
    if not rest and scheme not in _BARE_SCHEMES:
        raise ValueError(f"{scheme}:// lacks an address")
    return url


def delayed_archive(url: str) -> tuple[str, int] | None:
    """Of `timeshift://NAME/SECONDS` the stream whose archive is shown, and the delay in seconds;
    None of other URLs."""
    match = _DELAYED.fullmatch(url)
    return (match[1], int(match[2])) if match else None


InputUrl = Annotated[
    str,
    Field(
        max_length=MAX_URL,
        description="URL of the source; its scheme names the protocol, such as rtsp://.",
    ),
    AfterValidator(check_input_url),
]


class InputOptionsBase(ApiModel):
    """Options that every kind of input has."""

    priority: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="1 is the best. Default: the order of the list."
    )
    source_timeout: SecondsOrFalse | None = Field(
        default=None,
        description="Seconds without frames until the next input is tried; false: never."
        " Default 60 (180 for hls, playlist, timeshift).",
    )
    timeout: Seconds | None = Field(
        default=None,
        description="Seconds without frames until a fallback is shown, keeping the connection.",
    )
    audio_timeout: Seconds | None = Field(
        default=None, description="The same for audio alone, seconds. Default: not watched."
    )
    video_timeout: Seconds | None = Field(
        default=None, description="The same for video alone, seconds. Default: not watched."
    )
    frames_timeout: Seconds | None = Field(
        default=None,
        description="Seconds without frames until an event is sent; below source_timeout.",
    )
    max_retry_timeout: Seconds | None = Field(
        default=None, description="Longest pause between attempts to connect, seconds. Default 30."
    )
    no_clients_reconnect_delay: Seconds | None = Field(
        default=None,
        description="Pause between attempts while nobody watches, seconds, if it is longer.",
    )
    user_agent: Text | None = Field(default=None, description="User-Agent sent to the source.")
    headers: TextMap | None = Field(default=None, description="HTTP headers sent to the source.")
    via: Url | None = Field(default=None, description="Agent or proxy to go through.")
    max_bitrate: BitRate | None = Field(
        default=None, description="bit/s above which the source is disconnected. Default: none."
    )
    cluster_key: Secret | None = Field(
        default=None, description="Cluster key of the source. Default: that of the server."
    )
    remote_dvr: Literal["nochain", "chain", "none"] | None = Field(
        default=None,
        description="Whether what is recorded at the source is asked for there: nochain: out of its"
        " own archive, chain: it may ask further, none: never. Default: chain for streams of a"
        " `source` and those with a `cache`, else none.",
    )
    allow_if: DiskPath | None = Field(
        default=None, description="File with 1 or 0: the input is used only while it holds 1."
    )
    deny_if: DiskPath | None = Field(
        default=None, description="File with 1 or 0: the input is not used while it holds 1."
    )
    output_audio: Literal["keep", "aac", "add_aac", "aac_silence", "keep_silence"] | None = Field(
        default=None, description="Audio made from the input. Default keep."
    )
    output_dts_shift: int | None = Field(
        default=None, description="Milliseconds added to the times of all frames. Default 0."
    )
    comment: LongText | None = Field(default=None, description="Note of the administrator.")


class InputOptionsMpegTs(ApiModel):
    """Options of inputs that carry MPEG-TS."""

    programs: Annotated[list[Count], Field(max_length=64)] | None = Field(
        default=None, description="Programs taken from an MPTS. Default: all."
    )
    pids: Annotated[list[Pid], Field(max_length=256)] | None = Field(
        default=None, description="PIDs taken, 0 to 8191. Default: all."
    )
    subtitles: Literal["drop", "accept", "ocr_replace", "ocr_add"] | None = Field(
        default=None, description="What happens to DVB subtitles. Default drop."
    )
    closed_captions: TextMap | None = Field(
        default=None, description="Language of each closed caption channel."
    )
    languages: TextMap | None = Field(default=None, description="Language of each PID.")
    bind_ip: Text | None = Field(
        default=None, description="Local address that receives multicast. Default: by routing."
    )


class InputOptionsSrt(ApiModel):
    """Options of srt:// inputs."""

    passphrase: Passphrase | None = Field(
        default=None, description="SRT passphrase, 10 to 79 characters."
    )
    latency: Milliseconds | None = Field(
        default=None, description="Receiver buffer in milliseconds. Default 120."
    )
    streamid: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="SRT stream id."
    )
    connect_timeout: Seconds | None = Field(
        default=None, description="Seconds to connect. Default 3."
    )
    linger: Seconds | None = Field(
        default=None, description="Seconds in which the rest is sent at the end."
    )
    minversion: Text | None = Field(default=None, description="Lowest SRT version of the peer.")
    version: Text | None = Field(
        default=None, description="The same as minversion; the higher one holds."
    )
    enforcedencryption: bool | None = Field(
        default=None, description="Refuse a peer whose encryption differs. Default true."
    )


KiloBitRate = Annotated[int, Field(ge=0, le=10_000_000, description="kbit/s")]


class InputOptionsPublish(ApiModel):
    """Options of publish:// inputs, mostly for WebRTC publishers."""

    prefer_codec: Literal["h264", "vp8", "vp9", "av1"] | None = Field(
        default=None,
        description="Video codec of a WebRTC publisher that is taken before others that it offers."
        " Default h264.",
    )
    transport: Literal["udp", "tcp"] | None = Field(
        default=None,
        description="Only this transport is offered to a WebRTC publisher. Default: both.",
    )
    min_bitrate: KiloBitRate | None = Field(
        default=None,
        description="kbit/s that the bit rate of a WebRTC publisher does not go below.",
    )
    webrtc_abr: bool | None = Field(
        default=None,
        description="A WebRTC publisher is told how its packets arrive, and adapts its bit rate by"
        " it. Default true.",
    )
    abr_stepup: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None,
        description="Percent that the bit rate told to a WebRTC publisher rises by, each second"
        " with little loss. Default 30. With any of the abr_ options a publisher is told a bit rate"
        " by its losses, and not when each of its packets arrived.",
    )
    abr_stepdown: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="Percent that it falls by, each second with much loss. Default 15.",
    )
    abr_correction: KiloBitRate | None = Field(
        default=None,
        description="kbit/s that a publisher may stay behind before its bit rate rises no more."
        " Default 300.",
    )
    abr_loss_lower: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None, description="Percent of loss below which the bit rate rises. Default 2."
    )
    abr_loss_upper: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None, description="Percent of loss above which it falls. Default 10."
    )
    abr_mode: Annotated[int, Field(ge=0, le=1)] | None = Field(
        default=None,
        description="1: losses alone count. 0 (default): also what the publisher sends, and"
        " abr_cycles.",
    )
    abr_cycles: Count | None = Field(
        default=None,
        description="After falling so often the bit rate stays as it is; 0: never. Default 5.",
    )
    abr_debug: Count | None = Field(default=None, description="1 logs each step.")


class InputConfig(InputOptionsBase, InputOptionsMpegTs, InputOptionsSrt, InputOptionsPublish):
    """One input of a stream: the URL and its options."""

    url: InputUrl = Field(
        description="URL of the source; its scheme names the protocol, such as rtsp://."
    )
    width: Annotated[int, Field(ge=16, le=7680)] | None = Field(
        default=None, description="fake://: pixels, 16 to 7680. Default 640."
    )
    height: Annotated[int, Field(ge=16, le=4320)] | None = Field(
        default=None, description="fake://: pixels, 16 to 4320. Default 360."
    )
    bitrate: BitRate | None = Field(
        default=None, description="fake://: video bit rate in bit/s. Default 500000."
    )
    rtp: Literal["udp"] | None = Field(
        default=None, description="rtsp://: udp takes RTP by UDP. Default: within the connection."
    )
    wait_rtcp: bool | None = Field(
        default=None, description="rtsp://: wait for RTCP to align the tracks. Default false."
    )
    skip_stalled_check: bool | None = Field(
        default=None, description="hls://: accept a playlist that does not grow. Default false."
    )
    page_url: Url | None = Field(default=None, alias="pageUrl", description="rtmp://: page URL.")
    swf_url: Url | None = Field(default=None, alias="swfUrl", description="rtmp://: player URL.")
    tc_url: Url | None = Field(default=None, alias="tcUrl", description="rtmp://: tcUrl sent.")

    @property
    def scheme(self) -> str:
        """Protocol of the input, such as `rtsp`; `publish` waits for a publisher."""
        return self.url.partition("://")[0]

    @classmethod
    def of(cls, url: str) -> Self:
        """An input with no options."""
        return cls.model_validate({"url": url})
