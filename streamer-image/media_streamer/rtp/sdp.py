"""SDP as RTSP and RTP files use it (RFC 8866): reading what cameras write, writing our own.

Reading is lenient: unknown and broken lines are passed over, sizes are bounded (a description is a
few KiB; a bomb of 10,000 media is not looked at).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

MAX_BYTES = 64 * 1024
MAX_MEDIA = 64
_STATIC: dict[int, tuple[str, int, int]] = {
    0: ("PCMU", 8000, 1),
    8: ("PCMA", 8000, 1),
    14: ("MPA", 90_000, 1),
    26: ("JPEG", 90_000, 1),
    32: ("MPV", 90_000, 1),
    33: ("MP2T", 90_000, 1),
}
"""Payload types that need no rtpmap (RFC 3551 6)."""


class SdpError(ValueError):
    """The description cannot be used."""


@dataclass(slots=True)
class Media:
    """One `m=` section. Names of encodings are in upper case."""

    kind: str
    port: int = 0
    transport: str = "RTP/AVP"
    payload_type: int = 0
    encoding: str = ""
    clock_rate: int = 90_000
    channels: int = 1
    fmtp: dict[str, str] = field(default_factory=dict)
    control: str = ""
    direction: str = ""
    address: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    """Other attributes of the section, the last of a name."""


@dataclass(slots=True)
class Description:
    """A session and its media."""

    name: str = ""
    control: str = ""
    range: str = ""
    address: str = ""
    sources: str = ""
    """Value of `source-filter` for all media (RFC 4570)."""
    media: list[Media] = field(default_factory=list)


def parse(text: str) -> Description:
    """The description in `text`; raises SdpError if it is none or too large."""
    if len(text) > MAX_BYTES:
        raise SdpError(f"a description of {len(text)} characters")
    session = Description()
    found: list[Media] = []
    for line in text.splitlines():
        kind, _, value = line.strip().partition("=")
        if kind == "m":
            if len(found) >= MAX_MEDIA:
                raise SdpError(f"more than {MAX_MEDIA} media")
            found.append(_media(value))
        elif kind == "a":
            _attribute(session, found[-1] if found else None, value)
        elif kind == "c":
            address = value.split()[-1].split("/")[0] if value.split() else ""
            if found:
                found[-1].address = address
            else:
                session.address = address
        elif kind == "s" and not found:
            session.name = value
    session.media = found
    if not found:
        raise SdpError("no media in the description")
    return session


def decimal(text: str) -> int:
    """A number as descriptions have them, of ten digits at most; -1 if it is none. Of thousands of
    digits Python makes no number, but an error."""
    return int(text) if text.isdecimal() and len(text) <= 10 else -1


def _media(value: str) -> Media:
    parts = value.split()
    if len(parts) < 3:
        raise SdpError(f"m={value[:40]!r}")
    port = max(0, decimal(parts[1].split("/")[0]))
    media = Media(kind=parts[0], port=port, transport=parts[2])
    if len(parts) > 3 and decimal(parts[3]) >= 0:
        media.payload_type = decimal(parts[3])
        if static := _STATIC.get(media.payload_type):
            media.encoding, media.clock_rate, media.channels = static
    return media


def _attribute(session: Description, media: Media | None, value: str) -> None:
    name, _, rest = value.partition(":")
    rest = rest.strip()
    if media is None:
        if name == "control":
            session.control = rest
        elif name == "range":
            session.range = rest
        elif name == "source-filter":
            session.sources = rest
        return
    if name == "rtpmap":
        _rtpmap(media, rest)
    elif name == "fmtp":
        number, _, parameters = rest.partition(" ")
        if decimal(number) == media.payload_type:
            media.fmtp = parse_fmtp(parameters)
    elif name == "control":
        media.control = rest
    elif name in ("sendrecv", "sendonly", "recvonly", "inactive"):
        media.direction = name
    elif len(media.attributes) < MAX_MEDIA:
        media.attributes[name] = rest


def _rtpmap(media: Media, value: str) -> None:
    number, _, encoding = value.partition(" ")
    if decimal(number) != media.payload_type:
        return
    name, *rest = encoding.strip().split("/")
    media.encoding = name.upper()
    if rest and 0 < (rate := decimal(rest[0].strip())) <= 1_000_000:
        media.clock_rate = rate
    if len(rest) > 1 and (channels := decimal(rest[1].strip())) >= 0:
        media.channels = max(1, min(channels, 64))


def parse_fmtp(text: str) -> dict[str, str]:
    """Parameters of a format, names in lower case; what has no `=` gets an empty value."""
    found: dict[str, str] = {}
    for item in text.split(";")[:MAX_MEDIA]:
        name, _, value = item.strip().partition("=")
        if name:
            found[name.strip().lower()] = value.strip()
    return found


def codec_lines(
    payload_type: int,
    encoding: str,
    clock_rate: int,
    channels: int = 1,
    fmtp: Mapping[str, str] | None = None,
    feedback: Iterable[str] = (),
) -> list[str]:
    """What a section says of one payload type: `rtpmap`, what feedback is heeded, `fmtp`."""
    name = encoding.lower() if encoding == "OPUS" else encoding  # browsers look for their own word
    more = f"/{channels}" if channels > 1 else ""
    lines = [f"a=rtpmap:{payload_type} {name}/{clock_rate}{more}"]
    lines += [f"a=rtcp-fb:{payload_type} {one}" for one in feedback]
    if fmtp:
        items = ";".join(f"{key}={value}" if value else key for key, value in fmtp.items())
        lines.append(f"a=fmtp:{payload_type} {items}")
    return lines


def write(
    name: str,
    media: Sequence[Media],
    *,
    session_id: int = 0,
    live: bool = True,
    span: str = "",
) -> str:
    """A description for DESCRIBE; addresses are left to SETUP. `span`: the time that there is."""
    title = "".join(c for c in name if c.isprintable()) or "-"
    lines = [
        "v=0",
        f"o=- {session_id} 1 IN IP4 127.0.0.1",
        f"s={title}",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        f"a=range:{span or ('npt=now-' if live else 'npt=0-')}",
    ]
    for one in media:
        lines.append(f"m={one.kind} {one.port} {one.transport} {one.payload_type}")
        channels = one.channels if one.kind == "audio" else 1
        lines += codec_lines(one.payload_type, one.encoding, one.clock_rate, channels, one.fmtp)
        lines += [
            f"a={key}:{value}" if value else f"a={key}" for key, value in one.attributes.items()
        ]
        if one.direction:
            lines.append(f"a={one.direction}")
        lines.append(f"a=control:{one.control}")
    return "\r\n".join(lines) + "\r\n"
