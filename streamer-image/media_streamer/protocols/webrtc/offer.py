"""The SDP of a WebRTC peer (RFC 8829, RFC 9725 4.2): its offer, its answer to ours, and fragments
(RFC 8840). Pure.

Lenient in what it passes over, strict in its bounds: an offer of a browser has some 10 KiB, two or
three sections and 40 payload types.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Literal

from media_streamer.budgets import WEBRTC_OFFER_BYTES
from media_streamer.rtp.sdp import decimal, parse_fmtp

MAX_SECTIONS = 32
MAX_CODECS = 128
MAX_EXTENSIONS = 64
MAX_SSRCS = 64
MAX_CANDIDATES = 32
UNCHANGED = "x-time-stamps:unchanged"
"""Our own attribute of a session: who receives is a server, which passes on and records what it
gets, and wants the time stamps of the group of pictures at the start as they are."""
_STATIC = {0: ("PCMU", 8000), 8: ("PCMA", 8000), 9: ("G722", 8000)}
_CREDENTIAL = re.compile(r"[A-Za-z0-9+/]{4,256}")
_MID = re.compile(r"[!#-'*+\-.0-9A-Z^-~]{1,32}")

Setup = Literal["actpass", "active", "passive"]


class OfferError(ValueError):
    """The offer cannot be used; the text says why, for the peer."""


@dataclass(slots=True)
class Codec:
    """A payload type of a section."""

    payload_type: int
    encoding: str = ""
    """In upper case."""
    clock_rate: int = 0
    channels: int = 1
    fmtp: dict[str, str] = field(default_factory=dict)
    feedback: list[str] = field(default_factory=list)
    """RTCP feedback that the peer takes: `nack`, `nack pli`, `transport-cc`."""


@dataclass(slots=True)
class Transport:
    """What belongs to the connection: of the session, or of a section."""

    ufrag: str = ""
    password: str = ""
    fingerprint: str = ""
    """`ALGORITHM VALUE`, in lower and upper case."""
    setup: str = ""
    candidates: list[tuple[int, str, int]] = field(default_factory=list)
    """Priority, address and port of those by UDP."""


@dataclass(slots=True)
class Section:
    """One `m=` section."""

    kind: str
    protocol: str
    formats: list[str]
    port: int = 0
    mid: str = ""
    direction: str = "sendrecv"
    codecs: dict[int, Codec] = field(default_factory=dict)
    extensions: dict[int, str] = field(default_factory=dict)
    """Header extensions: number -> URI (RFC 8285)."""
    transport: Transport = field(default_factory=Transport)
    rtcp_mux: bool = False
    ssrcs: list[int] = field(default_factory=list)
    feedback: list[str] = field(default_factory=list)
    """What holds for all payload types (`a=rtcp-fb:*`)."""

    @property
    def is_media(self) -> bool:
        """Sound or video by SRTP with feedback."""
        return self.kind in ("audio", "video") and self.protocol.endswith("RTP/SAVPF")

    def ordered(self) -> list[Codec]:
        """Codecs in the peer's order of preference."""
        numbers = map(decimal, self.formats)
        return [self.codecs[number] for number in numbers if number in self.codecs]


@dataclass(slots=True)
class Offer:
    """All of it; `transport` is that of the bundle."""

    sections: list[Section]
    bundle: list[str]
    transport: Transport
    unchanged: bool = False
    """The peer shows nothing itself (`UNCHANGED`)."""

    def is_bundled(self, section: Section) -> bool:
        """Whether it travels on the one transport that there is."""
        if not self.bundle:
            return section is self.sections[0]
        return section.mid in self.bundle


def parse(text: str, what: Literal["offer", "answer"] = "offer") -> Offer:
    """The offer, or the answer to ours; raises OfferError."""
    if len(text) > WEBRTC_OFFER_BYTES:
        raise OfferError(f"the {what} has {len(text)} characters, more than {WEBRTC_OFFER_BYTES}")
    if not text.startswith("v=0"):
        raise OfferError("the body is no SDP: it does not begin with v=0")
    session, sections, bundle = Transport(), list[Section](), list[str]()
    unchanged = False
    for line in text.splitlines():
        kind, _, value = line.strip().partition("=")
        if kind == "m":
            if len(sections) >= MAX_SECTIONS:
                raise OfferError(f"the {what} has more than {MAX_SECTIONS} sections")
            sections.append(_section(value))
        elif kind == "a":
            name, _, rest = value.partition(":")
            section = sections[-1] if sections else None
            if section is None and name == "group" and rest.startswith("BUNDLE"):
                bundle = rest.split()[1 : MAX_SECTIONS + 1]
            elif section is None and value == UNCHANGED:
                unchanged = True
            elif not _transport(section.transport if section else session, name, rest) and section:
                _attribute(section, name, rest.strip())
    if not sections:
        raise OfferError(f"the {what} has no media section")
    if what == "offer" and not bundle and _is_apart(sections):
        # Of half an answer peers make nothing, GStreamer not even a connection (RFC 9725 4.4.1).
        raise OfferError(
            "the offer has a transport for each of its sections: bundle them (a=group:BUNDLE,"
            " bundle-policy=max-bundle)"
        )
    return Offer(sections, bundle, _common(session, sections, bundle, what), unchanged)


def _is_apart(sections: list[Section]) -> bool:
    """Whether more than one would have to be taken on a transport of its own."""
    return sum(one.is_media and one.direction != "inactive" for one in sections) > 1


def _common(session: Transport, sections: list[Section], bundle: list[str], what: str) -> Transport:
    """Of the first bundled section; what it lacks says the session (RFC 8839 5.4)."""
    first = next((one for one in sections if not bundle or one.mid in bundle), sections[0])
    own = first.transport
    found = Transport(
        own.ufrag or session.ufrag,
        own.password or session.password,
        own.fingerprint or session.fingerprint,
        own.setup or session.setup or "actpass",
        [*own.candidates, *session.candidates],
    )
    if not _CREDENTIAL.fullmatch(found.ufrag) or not _CREDENTIAL.fullmatch(found.password):
        raise OfferError(f"the {what} has no valid ice-ufrag and ice-pwd")
    if not found.fingerprint:
        raise OfferError(f"the {what} has no fingerprint: media without DTLS is not served")
    if found.setup not in ("actpass", "active", "passive"):
        raise OfferError(f"a=setup:{found.setup[:16]} is not possible in an {what}")
    return found


def parse_fragment(text: str) -> Transport:
    """Credentials of a trickle-ice-sdpfrag, empty where it has none; raises OfferError."""
    if len(text) > WEBRTC_OFFER_BYTES:
        raise OfferError("the fragment is too long")
    found = Transport()
    for line in text.splitlines():
        kind, _, value = line.strip().partition("=")
        if kind == "a":
            name, _, rest = value.partition(":")
            _transport(found, name, rest)
    given = found.ufrag or found.password
    if given and not (_CREDENTIAL.fullmatch(found.ufrag) and _CREDENTIAL.fullmatch(found.password)):
        raise OfferError("ice-ufrag and ice-pwd of the fragment are not valid")
    return found


def _section(value: str) -> Section:
    parts = value.split()
    if len(parts) < 3:
        raise OfferError(f"m={value[:40]!r} is no media section")
    port = max(0, decimal(parts[1].split("/")[0]))
    formats = parts[3 : 3 + MAX_CODECS]
    section = Section(parts[0], parts[2], formats, port)
    for text in formats:
        if 0 <= (number := decimal(text)) < 128:
            codec = section.codecs[number] = Codec(number)
            if number in _STATIC:
                codec.encoding, codec.clock_rate = _STATIC[number]
    return section


def _transport(transport: Transport, name: str, value: str) -> bool:
    """Take an attribute of the connection; False if it is none."""
    if name == "ice-ufrag":
        transport.ufrag = value.strip()
    elif name == "ice-pwd":
        transport.password = value.strip()
    elif name == "setup":
        transport.setup = value.strip()
    elif name == "candidate":
        _candidate(transport, value.split())
    elif name == "fingerprint":
        algorithm, _, digest = value.strip().partition(" ")
        # Of several the strongest that we know comes first in practice; one is enough.
        if not transport.fingerprint and algorithm.lower() in ("sha-256", "sha-384", "sha-512"):
            transport.fingerprint = f"{algorithm.lower()} {digest.strip().upper()}"
    else:
        return False
    return True


def _candidate(transport: Transport, words: list[str]) -> None:
    """RFC 8839 5.1; of names and of other ways than UDP nothing is made."""
    if len(words) < 6 or words[1] != "1" or words[2].lower() != "udp":
        return
    try:
        host = str(ipaddress.ip_address(words[4]))
        priority, port = int(words[3][:10]), int(words[5][:5])
    except ValueError:
        return
    if 0 < port < 65536 and len(transport.candidates) < MAX_CANDIDATES:
        transport.candidates.append((priority, host, port))


def _attribute(section: Section, name: str, value: str) -> None:
    if name == "mid":
        if not _MID.fullmatch(value):
            raise OfferError("a mid of the offer is no token")
        section.mid = value
    elif name in ("sendrecv", "sendonly", "recvonly", "inactive"):
        section.direction = name
    elif name == "rtcp-mux":
        section.rtcp_mux = True
    elif name in ("rtpmap", "fmtp", "rtcp-fb"):
        _codec_attribute(section, name, value)
    elif name == "extmap":
        place, _, uri = value.partition(" ")
        number = decimal(place.partition("/")[0])
        if 0 < number < 256 and len(section.extensions) < MAX_EXTENSIONS:
            section.extensions[number] = uri.split(" ")[0]
    elif name == "ssrc":
        ssrc = decimal(value.partition(" ")[0])
        if 0 <= ssrc < 1 << 32 and len(section.ssrcs) < MAX_SSRCS and ssrc not in section.ssrcs:
            section.ssrcs.append(ssrc)


def _codec_attribute(section: Section, name: str, value: str) -> None:
    number, _, rest = value.partition(" ")
    if name == "rtcp-fb" and number == "*":
        if len(section.feedback) < MAX_CODECS:
            section.feedback.append(rest.strip())
        return
    codec = section.codecs.get(decimal(number))
    if codec is None:
        return
    if name == "fmtp":
        codec.fmtp = parse_fmtp(rest)
    elif name == "rtcp-fb":
        if len(codec.feedback) < MAX_CODECS:
            codec.feedback.append(rest.strip())
    else:
        encoding, *numbers = rest.strip().split("/")
        codec.encoding = encoding.upper()
        rate, channels = (*numbers, "", "")[:2]
        codec.clock_rate = int(rate) if rate.isdecimal() and len(rate) < 8 else 0
        codec.channels = int(channels) if channels.isdecimal() and len(channels) < 3 else 1
