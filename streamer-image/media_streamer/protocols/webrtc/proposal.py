"""The SDP offer that we make to another server (RFC 8829 5.2, RFC 9725 4.2). Pure.

It names no address of ours: who is called learns by our checks where we are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from media_streamer.protocols.webrtc.answer import source_lines
from media_streamer.protocols.webrtc.connection import Credentials
from media_streamer.protocols.webrtc.offer import UNCHANGED, Codec
from media_streamer.rtp.sdp import codec_lines


@dataclass(frozen=True, slots=True)
class Proposed:
    """A section: what is sent (with its `ssrc`), or what would be taken."""

    kind: str
    codecs: Sequence[Codec]
    """In the order of preference."""
    ssrc: int | None = None


def write(sections: Sequence[Proposed], local: Credentials, fingerprint: str) -> str:
    """The offer; sections are named by their place."""
    names = " ".join(str(place) for place in range(len(sections)))
    session_id = int.from_bytes(local.ufrag.encode()[:7])
    lines = [
        "v=0",
        f"o=- {session_id} 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {names}",
        "a=msid-semantic: WMS *",
    ]
    if any(section.ssrc is None for section in sections):
        lines.append(f"a={UNCHANGED}")
    for place, section in enumerate(sections):
        lines += _section(place, section, local, fingerprint)
    return "\r\n".join(lines) + "\r\n"


def _section(place: int, section: Proposed, local: Credentials, fingerprint: str) -> list[str]:
    numbers = " ".join(str(codec.payload_type) for codec in section.codecs)
    lines = [
        f"m={section.kind} 9 UDP/TLS/RTP/SAVPF {numbers}",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        f"a=fingerprint:{fingerprint}",
        "a=setup:actpass",
        f"a=mid:{place}",
        "a=recvonly" if section.ssrc is None else "a=sendonly",
        "a=rtcp-mux",
    ]
    for codec in section.codecs:
        lines += codec_lines(
            codec.payload_type,
            codec.encoding,
            codec.clock_rate,
            codec.channels,
            codec.fmtp,
            codec.feedback,
        )
    if section.ssrc is not None:
        lines += source_lines(section.kind, section.ssrc)
    return lines
