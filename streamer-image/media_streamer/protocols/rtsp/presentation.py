"""What a source's description offers, and what is asked of it; pure.

Descriptions of cameras in the field: controls that are missing, absolute or relative to a URL with
a query; sound that goes the other way (ONVIF back channels); tracks of events and metadata; the
same track twice. A control is put behind its base with a slash, as all clients do whatever RFC 2326
C.1.1 says: cameras are made for that.
"""

from dataclasses import dataclass, field

from media_streamer.rtp import sdp
from media_streamer.rtp.codecs import Incoming, accept
from media_streamer.rtp.intake import Kind
from media_streamer.rtp.payloads.simple import WholeDepacketizer

MAX_TRACKS = 16
MAX_NAMES = 100
"""Characters of codecs that are named in a refusal."""
_TS = "MP2T"
_ENCRYPTED = ("RTP/SAVP", "RTP/SAVPF")


class PresentationError(ValueError):
    """Nothing of the description can be received; the text is for people."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A track that is asked for."""

    number: int
    """Its place in the description."""
    kind: Kind
    media: sdp.Media
    incoming: Incoming
    url: str
    """Of its SETUP."""

    @property
    def hears_wishes(self) -> bool:
        """Whether the sender says that it heeds feedback (RFC 4585 4.2)."""
        return self.media.transport.endswith("F") or "rtcp-fb" in self.media.attributes


@dataclass(slots=True)
class Presentation:
    """What is asked for."""

    url: str
    """Of the whole."""
    tracks: list[Wanted] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Codecs, or kinds, of what is not."""
    carries_ts: bool = False
    """The one track carries a transport stream (RFC 2250 2)."""


def plan(text: str, base: str, chosen: frozenset[int] = frozenset()) -> Presentation:
    """What to ask for of a description whose controls are relative to `base`.

    `chosen`: places of tracks in the description; empty for all. A transport stream is asked for
    where there is nothing else, whatever is chosen: that may be of its PIDs. Raises
    PresentationError.
    """
    try:
        description = sdp.parse(text)
    except sdp.SdpError as error:
        raise PresentationError(f"the description cannot be read: {error}") from None
    found = Presentation(control_url(base, description.control))
    back_channels = _back_channels(description.media)
    urls: set[str] = set()
    carriers: list[Wanted] = []
    for number, media in enumerate(description.media):
        if media.encoding == _TS and media.transport.upper() not in _ENCRYPTED:
            packets = Incoming(_TS, b"", media.clock_rate, 1, WholeDepacketizer())
            url = control_url(found.url, media.control)
            carriers.append(Wanted(number, "video", media, packets, url))
            continue
        if media.kind not in ("video", "audio") or (chosen and number not in chosen):
            continue
        if media.direction == "inactive" or number in back_channels:
            continue
        url = control_url(found.url, media.control)
        encrypted = media.transport.upper() in _ENCRYPTED
        incoming = None if encrypted else accept(media)
        if incoming is None:
            name = media.encoding or f"payload type {media.payload_type}"
            found.left_out.append(f"{name} (encrypted)" if encrypted else name)
        elif url not in urls and len(found.tracks) < MAX_TRACKS:
            urls.add(url)
            kind: Kind = "video" if media.kind == "video" else "audio"
            found.tracks.append(Wanted(number, kind, media, incoming, url))
    if carriers and not found.tracks:
        found.tracks, found.carries_ts = carriers[:1], True
    elif carriers:
        found.left_out.append("MPEG-TS")
    if not found.tracks:
        raise PresentationError(_nothing(found.left_out, bool(chosen)))
    return found


def control_url(base: str, control: str) -> str:
    """URL of a `control` attribute; that of the base where it says nothing."""
    if control in ("", "*"):
        return base
    if control.lower().startswith(("rtsp://", "rtsps://")):
        return control
    if control.startswith("?"):
        return base.rstrip("/") + control
    return f"{base.rstrip('/')}/{control.lstrip('/')}"


def _back_channels(media: list[sdp.Media]) -> set[int]:
    """Sound that we would send: it is marked so, and what comes is marked otherwise (ONVIF
    Streaming 5.3). Where all is `sendonly` the sender means itself."""
    outward = {n for n, one in enumerate(media) if one.direction == "sendonly"}
    return outward if any(one.direction == "recvonly" for one in media) else set()


def _nothing(left_out: list[str], was_chosen: bool) -> str:
    if not left_out:
        return "the description has no such track" if was_chosen else "no sound and no picture"
    return f"the source sends no codec that is known here: {', '.join(left_out)[:MAX_NAMES]}"
