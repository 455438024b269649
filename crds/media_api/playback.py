"""How a stream is offered to viewers: protocols, thumbnails, headers, DRM, TS packaging."""

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, create_model

from media_api import protocols
from media_api.base import ApiModel
from media_api.units import Count, Secret, Text, TextMap, Url

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e\t]*")
Pid = Annotated[int, Field(ge=0, le=8191, description="MPEG-TS PID, 0 to 8191.")]


class _Switches(ApiModel):
    """Which protocols may play a stream.

    whitelist=false: all but those set to false. whitelist=true: only those set to true.
    """

    whitelist: bool = Field(
        default=False, description="true: only protocols set to true; false: all not set to false."
    )

    def allows(self, switch: str) -> bool:
        """True if viewers may use the protocols behind `switch`, a key of this object."""
        chosen = getattr(self, switch)
        return chosen is True if self.whitelist else chosen is not False

    def denied(self) -> frozenset[str]:
        """The switches that are off."""
        return frozenset(switch for switch in protocols.switches() if not self.allows(switch))


if TYPE_CHECKING:

    class ProtocolsSpec(_Switches):
        """See below."""

else:
    # One field for each switch of the table of protocols.
    ProtocolsSpec = create_model(
        "ProtocolsSpec",
        __base__=_Switches,
        __module__=__name__,
        __doc__=_Switches.__doc__,
        **{
            switch: (bool | None, Field(default=None, description=f"{title}."))
            for switch, title in protocols.switches().items()
        },
    )


ENCRYPTED = frozenset({"hls", "player"})
"""Switches that play an encrypted stream whatever the player asks for behind them."""


def denied_switches(chosen: ProtocolsSpec | None, *, encrypted: bool) -> frozenset[str]:
    """The switches that play nothing of a stream, so that nobody is told their addresses."""
    off = chosen.denied() if chosen is not None else frozenset()
    return off | (protocols.switches().keys() - ENCRYPTED) if encrypted else off


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


_NEVER = frozenset(
    (
        "connection", "content-encoding", "content-length", "content-range", "date", "keep-alive",
        "te", "trailer", "transfer-encoding", "upgrade",
    )
)  # fmt: skip
"""Headers that say how an answer is to be read."""


def _check_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if _TOKEN.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name of a header")
        if name.lower() in _NEVER:
            raise ValueError(f"{name} is the server's to say")
        if _VALUE.fullmatch(value) is None:
            raise ValueError(f"the value of {name} has control characters or is not ASCII")
    return headers


HeaderMap = Annotated[TextMap, AfterValidator(_check_headers)]
"""Headers of HTTP by name (RFC 9110, 5.1)."""


class PlaybackHeaders(ApiModel):
    """HTTP headers added to answers."""

    playback: Literal["live", "dvr"] | None = Field(
        default=None, description="Only live or only archive answers. Default: both."
    )
    protocols: ProtocolsSpec | None = Field(
        default=None, description="Only answers of these protocols. Default: all."
    )
    headers: HeaderMap | None = Field(
        default=None, description="Headers of playlists and of media without an end."
    )
    segment_headers: HeaderMap | None = Field(default=None, description="Headers of segments.")


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
    """Adaptive bit rate of WebRTC playback, which needs no switch."""

    start_track: Annotated[str, Field(max_length=64)] | None = Field(
        default=None,
        description="Video track sent first, such as v2, or the next lower, else the next higher"
        " one that there is. Default: the first. `?start_track=v2` of a viewer comes before.",
    )


class DrmSpec(ApiModel):
    """Encryption of HLS segments with keys of a key server, or by a DRM vendor."""

    vendor: Text = Field(description="Key system: aes128. Those of vendors cannot be done.")
    keyserver: Url | None = Field(
        default=None,
        description="URL of the key server; it is asked with ?file=RESOURCE&number=N.",
    )
    user_keyserver: Url | None = Field(
        default=None, description="Where players get keys if X-Key-Url does not say it."
    )
    resource_id: Text | None = Field(
        default=None, description="What keys are asked for. Default: the name of the stream."
    )
    content_id: Text | None = Field(default=None, description="Content id at the vendor.")
    encryption: Text | None = Field(default=None, description="cenc, cbcs or aes128.")
    systems: (
        Annotated[list[Literal["widevine", "fairplay", "playready"]], Field(max_length=3)] | None
    ) = Field(default=None, description="DRM systems to signal.")
    expires: Count | None = Field(default=None, description="Minutes of a key. Default: for ever.")
    key_id: Text | None = Field(default=None, description="Key id, hexadecimal.")
    aes_key: Secret | None = Field(default=None, description="Content key, hexadecimal.")
    iv: Text | None = Field(default=None, description="Initialisation vector, hexadecimal.")
    hls_ext_x_key_iv: bool | None = Field(
        default=None, description="Write the vector into the HLS playlist. It always is."
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

    @property
    def is_served(self) -> bool:
        """Whether this version can do it."""
        return self.vendor == "aes128" and self.keyserver is not None
