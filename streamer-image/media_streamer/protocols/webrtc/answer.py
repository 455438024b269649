"""The SDP answer of a WebRTC session (RFC 8829 5.3): which codec, on which transport. Pure."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from media_streamer.protocols.webrtc.offer import Codec, Offer, Section
from media_streamer.rtp import arrivals
from media_streamer.rtp.sdp import Media, codec_lines

_CNAME = "media"
_SENT_FEEDBACK = ("nack", "nack pli", "ccm fir")
"""What of a receiver is heeded, besides one of those below."""
_MAX_EXTENSION = 14
"""Of elements of one byte (RFC 8285 4.2)."""
_TCP_TYPE, _PASSIVE = 90, 4
MODE = "packetization-mode"
"""Of H.264: 0 and absent, single units only; 1, fragments and aggregates, too (RFC 6184 5.4)."""
_TOLD = ("profile", "tier", "level-idx", "profile-id")
"""Of a payload type that is sent: of AV1, VP9."""
_H264_CONSTRAINED = 0x40
"""constraint_set1_flag: Constrained Baseline where profile_idc is 66 (H.264 A.2.1.1)."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What is sent or received in a section of the answer."""

    codec: Codec
    direction: str
    """`sendonly` or `recvonly`."""
    fmtp: Mapping[str, str] = field(default_factory=dict)
    feedback: Sequence[str] = ()
    ssrc: int | None = None
    """Of what is sent."""
    extensions: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where we are reached, and who we are."""

    ufrag: str
    password: str
    fingerprint: str
    setup: str
    hosts: Sequence[str]
    port: int
    tcp: bool = False
    """Connections are taken at the same number."""
    udp: bool = True
    """Datagrams are."""


def match(media: Media, section: Section) -> Codec | None:
    """The peer's payload type that our packets of a track are sent as; None if it has none."""
    found = [
        codec
        for codec in section.ordered()
        if codec.encoding == media.encoding and codec.clock_rate == media.clock_rate
    ]
    if media.encoding == "H264":
        return _match_h264(media.fmtp.get("profile-level-id", ""), found)
    if media.encoding in ("PCMU", "PCMA"):
        found = [codec for codec in found if codec.channels == media.channels]
    elif media.encoding == "AV1":
        profile = media.fmtp.get("profile", "0")
        found = [codec for codec in found if codec.fmtp.get("profile", "0") == profile]
    elif media.encoding == "VP9":
        profile = media.fmtp.get("profile-id", "0")
        found = [codec for codec in found if codec.fmtp.get("profile-id", "0") == profile]
    elif media.encoding == "H265":
        # Interleaving needs fields that nobody sends (RFC 7798 7.1).
        found = [codec for codec in found if codec.fmtp.get("sprop-max-don-diff", "0") == "0"]
    return found[0] if found else None


def _match_h264(profile: str, offered: Iterable[Codec]) -> Codec | None:
    """Packetization mode 1; the stream's profile before those that a decoder copes with as well.

    Browsers decode Main and High whatever they offer: what they list is what they encode. Who says
    nothing of the mode (GStreamer, unless its caps name one) puts fragments together all the same.
    """
    codecs = list(offered)
    usable = [one for one in codecs if one.fmtp.get(MODE) == "1"]
    usable = usable or [one for one in codecs if MODE not in one.fmtp]
    wanted = _profile(profile)

    def rank(codec: Codec) -> int:
        own = _profile(codec.fmtp.get("profile-level-id", "42000a"))
        if own == wanted:
            return 0
        return 1 if own[0] >= wanted[0] else 2

    return min(usable, key=rank, default=None)


def _profile(text: str) -> tuple[int, bool]:
    """profile_idc, and whether it is the constrained Baseline."""
    try:
        first, second = bytes.fromhex(text[:4])
    except ValueError:
        return 0, False
    return first, first == 66 and bool(second & _H264_CONSTRAINED)


def sending(media: Media, codec: Codec, section: Section, ssrc: int) -> Stream:
    """A track of a stream on its way to a viewer."""
    fmtp = {}
    if media.encoding == "H264":
        fmtp = {
            "level-asymmetry-allowed": "1",
            "profile-level-id": codec.fmtp.get("profile-level-id", "42e01f"),
        }
        if MODE in codec.fmtp:  # it is answered as it is offered (RFC 6184 8.2.2)
            fmtp[MODE] = codec.fmtp[MODE]
    elif media.encoding == "OPUS":
        stereo = media.fmtp.get("sprop-stereo", "0")
        fmtp = {"minptime": "10", "stereo": stereo, "sprop-stereo": stereo}
    else:
        fmtp = {k: v for k, v in codec.fmtp.items() if k in _TOLD}
    taken = {*codec.feedback, *section.feedback}
    feedback = [one for one in _SENT_FEEDBACK if one in taken]
    number = transport_id(section) if "transport-cc" in taken else 0
    congestion = "transport-cc" if number else "goog-remb"
    if congestion in taken:
        feedback.append(congestion)
    extensions = {number: arrivals.URI} if number else {}
    return Stream(codec, "sendonly", fmtp, feedback, ssrc, extensions)


def transport_id(section: Section) -> int:
    """Of the extension that numbers packets of the transport; 0: the peer does not offer it."""
    found = (number for number, uri in section.extensions.items() if uri == arrivals.URI)
    return next((number for number in found if number <= _MAX_EXTENSION), 0)


def setup_for(offered: str) -> str:
    """Our part in the DTLS handshake: the peer begins if it can (RFC 8842 5.3)."""
    return "active" if offered == "passive" else "passive"


def write(offer: Offer, streams: Mapping[int, Stream], place: Place, session_id: int) -> str:
    """The answer; `streams` by the index of their section, the others are refused."""
    mids = [offer.sections[index].mid for index in sorted(streams)]
    lines = ["v=0", f"o=- {session_id} 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    if offer.bundle:
        lines.append(f"a=group:BUNDLE {' '.join(mids)}")
    lines += ["a=ice-lite", "a=msid-semantic: WMS *"]
    told = False
    for index, section in enumerate(offer.sections):
        stream = streams.get(index)
        if stream is None:
            lines += _refused(section)
        else:
            lines += _accepted(section, stream, place, with_candidates=not told)
            told = True
    return "\r\n".join(lines) + "\r\n"


def _refused(section: Section) -> list[str]:
    """A section in its place that is not used."""
    return [
        f"m={section.kind} 0 {section.protocol} {' '.join(section.formats) or '0'}",
        "c=IN IP4 0.0.0.0",
        *([f"a=mid:{section.mid}"] if section.mid else ()),
        "a=inactive",
    ]


def _accepted(
    section: Section, stream: Stream, place: Place, *, with_candidates: bool
) -> list[str]:
    codec, number = stream.codec, stream.codec.payload_type
    host = place.hosts[0]
    family = "IP6" if ":" in host else "IP4"
    lines = [
        f"m={section.kind} {place.port} {section.protocol} {number}",
        f"c=IN {family} {host}",
        f"a=rtcp:{place.port} IN {family} {host}",
        f"a=ice-ufrag:{place.ufrag}",
        f"a=ice-pwd:{place.password}",
        f"a=fingerprint:{place.fingerprint}",
        f"a=setup:{place.setup}",
        *([f"a=mid:{section.mid}"] if section.mid else ()),
        *(f"a=extmap:{key} {uri}" for key, uri in stream.extensions.items()),
        f"a={stream.direction}",
        "a=rtcp-mux",
        *codec_lines(
            number, codec.encoding, codec.clock_rate, codec.channels, stream.fmtp, stream.feedback
        ),
    ]
    if stream.ssrc is not None:
        lines += source_lines(section.kind, stream.ssrc)
    if with_candidates:
        lines += candidates(place)
    return lines


def source_lines(kind: str, ssrc: int) -> list[str]:
    """What is sent (RFC 5576 4.1, RFC 8830 2): all tracks are of one stream."""
    return [
        f"a=msid:{_CNAME} {kind}",
        f"a=ssrc:{ssrc} cname:{_CNAME}",
        f"a=ssrc:{ssrc} msid:{_CNAME} {kind}",
    ]


def candidates(place: Place) -> list[str]:
    """Lines of our host candidates, the best first (RFC 8839 5.1), and their end.

    Those by TCP are worse than any by UDP: a packet that is lost there holds all others up.
    """
    lines = []
    for number, host in enumerate(place.hosts) if place.udp else ():
        # RFC 8445 5.1.2.1: type preference of a host, local preference, component 1.
        priority = 126 << 24 | (65535 - number) << 8 | 255
        lines.append(f"a=candidate:{number + 1} 1 udp {priority} {host} {place.port} typ host")
    for number, host in enumerate(place.hosts) if place.tcp else ():
        # RFC 6544 4.2: direction preference of a passive host candidate.
        priority = _TCP_TYPE << 24 | (_PASSIVE << 13 | (8191 - number)) << 8 | 255
        foundation = len(place.hosts) + number + 1
        lines.append(
            f"a=candidate:{foundation} 1 tcp {priority} {host} {place.port} typ host"
            " tcptype passive"
        )
    return [*lines, "a=end-of-candidates"]


def is_address(text: str) -> bool:
    """Whether it is an IP address, and one that somebody can send to."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_multicast or address.is_link_local)
