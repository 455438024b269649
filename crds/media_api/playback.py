"""How a stream is offered to viewers: protocols, thumbnails, headers, DRM, TS packaging."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from media_api.base import ApiModel
from media_api.units import Count, Secret, Text, TextMap, Url

PlayProtocol = Literal[
    "hls", "cmaf", "dash", "player", "mss", "rtmp", "rtsp", "m4f", "m4s", "mseld", "tshttp",
    "webrtc", "srt", "shoutcast", "mp4", "jpeg", "api", "flv",
]  # fmt: skip
PLAY_PROTOCOLS: tuple[str, ...] = get_args(PlayProtocol)
Pid = Annotated[int, Field(ge=0, le=8191, description="MPEG-TS PID, 0 to 8191.")]


class ProtocolsSpec(ApiModel):
    """Which protocols may play a stream.

    whitelist=false: all but those set to false. whitelist=true: only those set to true.
    """

    whitelist: bool = Field(
        default=False, description="true: only protocols set to true; false: all not set to false."
    )
    hls: bool | None = Field(default=None, description="HLS. Default: allowed unless whitelist.")
    cmaf: bool | None = Field(default=None, description="CMAF segments, LL-HLS.")
    dash: bool | None = Field(default=None, description="MPEG-DASH.")
    player: bool | None = Field(default=None, description="The player page embed.html.")
    mss: bool | None = Field(default=None, description="Microsoft Smooth Streaming.")
    rtmp: bool | None = Field(default=None, description="RTMP.")
    flv: bool | None = Field(default=None, description="HTTP-FLV; not in the reference server.")
    rtsp: bool | None = Field(default=None, description="RTSP.")
    m4f: bool | None = Field(default=None, description="Segments between servers.")
    m4s: bool | None = Field(default=None, description="Low latency between servers.")
    mseld: bool | None = Field(default=None, description="MSE over a websocket.")
    tshttp: bool | None = Field(default=None, description="MPEG-TS over HTTP.")
    webrtc: bool | None = Field(default=None, description="WebRTC (WHEP).")
    srt: bool | None = Field(default=None, description="SRT.")
    shoutcast: bool | None = Field(default=None, description="SHOUTcast audio.")
    mp4: bool | None = Field(default=None, description="MP4 export of the archive.")
    jpeg: bool | None = Field(default=None, description="JPEG and MP4 previews.")
    api: bool | None = Field(default=None, description="media_info.json and the like.")

    def allows(self, protocol: PlayProtocol) -> bool:
        """True if viewers may use `protocol`."""
        chosen = getattr(self, protocol)
        return chosen is True if self.whitelist else chosen is not False


class ThumbnailSize(ApiModel):
    """Size of one series of thumbnails."""

    width: Annotated[int, Field(ge=-1, le=16384)] | None = Field(
        default=None, description="Pixels; -1 keeps the aspect ratio."
    )
    height: Annotated[int, Field(ge=-1, le=16384)] | None = Field(
        default=None, description="Pixels; -1 keeps the aspect ratio."
    )


class ThumbnailsSpec(ApiModel):
    """JPEG thumbnails: one from the first key frame of each segment."""

    enabled: bool | Literal["ondemand"] = Field(
        default=True, description="true, false, or ondemand: made only while somebody asks."
    )
    url: Url | None = Field(
        default=None, description="Fetch pictures from here instead of decoding the video."
    )
    sizes: Annotated[list[ThumbnailSize], Field(max_length=16)] | None = Field(
        default=None, description="Sizes to make. Default: that of the video."
    )


class PlaybackHeaders(ApiModel):
    """HTTP headers added to answers."""

    playback: Literal["live", "dvr"] | None = Field(
        default=None, description="Only live or only archive answers. Default: both."
    )
    protocols: ProtocolsSpec | None = Field(
        default=None, description="Only answers of these protocols. Default: all."
    )
    headers: TextMap | None = Field(default=None, description="Headers of playlists.")
    segment_headers: TextMap | None = Field(default=None, description="Headers of segments.")


class MediaPid(ApiModel):
    """PID of one track in the produced MPEG-TS."""

    pid: Pid = Field(description="MPEG-TS PID, 0 to 8191.")
    content: Literal["audio", "video", "text", "metadata", "application"] = Field(
        description="Kind of the track."
    )
    track: Count = Field(description="Number of the track within its kind, from 1.")
    codec: Text | None = Field(default=None, description="Codec that the track must have.")


class MpegTsPids(ApiModel):
    """PIDs of the produced MPEG-TS. Default: assigned automatically."""

    pmt: Pid | None = Field(default=None, description="PID of the PMT, 0 to 8191.")
    pcr: Pid | None = Field(default=None, description="PID that carries the PCR, 0 to 8191.")
    sdt: Pid | None = Field(default=None, description="PID of the SDT, 0 to 8191.")
    media: Annotated[list[MediaPid], Field(max_length=64)] | None = Field(
        default=None, description="PIDs of tracks."
    )
    default: Literal["auto", "increment"] | None = Field(
        default=None, description="How PIDs of the other tracks are chosen. Default auto."
    )


class WebrtcAbr(ApiModel):
    """Adaptive bit rate of WebRTC playback."""

    start_track: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Video track sent first, such as v2."
    )


class DrmSpec(ApiModel):
    """Encryption of segments by a DRM vendor or with an own AES key."""

    vendor: Text = Field(description="Key system: aes128, or the name of a DRM vendor.")
    keyserver: Url | None = Field(default=None, description="URL of the key server.")
    user_keyserver: Url | None = Field(default=None, description="Key URL given to players.")
    resource_id: Text | None = Field(default=None, description="Content name at the vendor.")
    content_id: Text | None = Field(default=None, description="Content id at the vendor.")
    encryption: Text | None = Field(default=None, description="cenc, cbcs or aes128.")
    systems: (
        Annotated[list[Literal["widevine", "fairplay", "playready"]], Field(max_length=3)] | None
    ) = Field(default=None, description="DRM systems to signal.")
    expires: Count | None = Field(default=None, description="Seconds until a key is replaced.")
    key_id: Text | None = Field(default=None, description="Key id, hexadecimal.")
    aes_key: Secret | None = Field(default=None, description="Content key, hexadecimal.")
    iv: Text | None = Field(default=None, description="Initialisation vector, hexadecimal.")
    hls_ext_x_key_iv: bool | None = Field(
        default=None, description="Write the vector into the HLS playlist. Default false."
    )
    la_url: Url | None = Field(default=None, description="Licence acquisition URL.")
    signer: Text | None = Field(default=None, description="Name of the signer at the vendor.")
    site: Text | None = Field(default=None, description="Site name at the vendor.")
    account_id: Text | None = Field(default=None, description="Account at the vendor.")
    user: Text | None = Field(default=None, description="User at the vendor.")
    user_name: Text | None = Field(default=None, description="User name at the vendor.")
    password: Secret | None = Field(default=None, description="Password at the vendor.")
    secret: Secret | None = Field(default=None, description="Shared secret with the vendor.")
    keyseed: Secret | None = Field(default=None, description="Seed that keys are derived from.")
    userkey: Secret | None = Field(default=None, description="Key of the user at the vendor.")
    enc_token: Secret | None = Field(default=None, description="Token at the vendor.")
    url: Url | None = Field(default=None, description="CPIX or SPEKE end point.")
