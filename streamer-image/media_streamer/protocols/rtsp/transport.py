"""The Transport header: how the packets of one track shall travel (RFC 2326 12.39)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

MAX_ALTERNATIVES = 16


@dataclass(frozen=True, slots=True)
class Transport:
    """One way to send a track. Ports and channels are those of RTP; RTCP has the next one."""

    kind: Literal["tcp", "udp"]
    channels: tuple[int, int] | None = None
    client_ports: tuple[int, int] | None = None
    server_ports: tuple[int, int] | None = None
    multicast: bool = False
    destination: str = ""
    source: str = ""
    record: bool = False
    ssrc: int | None = None
    profile: str = "RTP/AVP"

    def write(self) -> str:
        """The header of an answer, or of a request of ours."""
        parts = [f"{self.profile}/TCP" if self.kind == "tcp" else self.profile]
        parts.append("multicast" if self.multicast else "unicast")
        if self.destination:
            parts.append(f"destination={self.destination}")
        if self.source:
            parts.append(f"source={self.source}")
        for name, pair in (
            ("interleaved", self.channels),
            ("client_port", self.client_ports),
            ("server_port", self.server_ports),
        ):
            if pair is not None:
                parts.append(f"{name}={pair[0]}-{pair[1]}")
        if self.ssrc is not None:
            parts.append(f"ssrc={self.ssrc:08X}")
        if self.record:
            parts.append("mode=record")
        return ";".join(parts)


def parse(header: str) -> Iterator[Transport]:
    """The alternatives in order of preference; what is not RTP/AVP(P) or SAVP is passed over."""
    for text in header.split(",")[:MAX_ALTERNATIVES]:
        found = _parse_one(text)
        if found is not None:
            yield found


def _parse_one(text: str) -> Transport | None:
    first, *rest = [part.strip() for part in text.split(";")]
    profile, lower = first.upper(), "udp"
    for suffix in ("/TCP", "/UDP"):
        if profile.endswith(suffix):
            profile, lower = profile.removesuffix(suffix), suffix[1:].lower()
    if profile not in ("RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF"):
        return None
    values = {}
    for part in rest:
        name, _, value = part.partition("=")
        values[name.strip().lower()] = value.strip().strip('"')
    return Transport(
        kind="tcp" if lower == "tcp" else "udp",
        channels=_pair(values.get("interleaved"), 255),
        client_ports=_pair(values.get("client_port"), 65535),
        server_ports=_pair(values.get("server_port"), 65535),
        multicast="multicast" in values,
        destination=values.get("destination", ""),
        source=values.get("source", ""),
        record=values.get("mode", "").lower() in ("record", "receive"),
        ssrc=_ssrc(values.get("ssrc", "")),
        profile=profile,
    )


def _pair(text: str | None, highest: int) -> tuple[int, int] | None:
    first, _, second = (text or "").partition("-")
    if not (first.isascii() and first.isdecimal() and len(first) < 6):
        return None
    low = int(first)
    high = int(second) if second.isascii() and second.isdecimal() and len(second) < 6 else low + 1
    return (low, high) if low <= highest and high <= highest else None


def _ssrc(text: str) -> int | None:
    try:
        return int(text, 16) if 0 < len(text) <= 8 else None
    except ValueError:
        return None
