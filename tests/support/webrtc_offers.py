"""Offers as browsers write them, cut to what matters."""

PASSWORD = "2/1muCWoOi3uLifh0NuRHlhb"
FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
_SESSION = """v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS
"""
_TRANSPORT = f"""c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:4Zcd
a=ice-pwd:{PASSWORD}
a=ice-options:trickle
a=fingerprint:{FINGERPRINT}
a=setup:actpass
"""
_VIDEO = """m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 107 109 45
{transport}a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:toffset
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a={direction}
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:103 H264/90000
a=rtcp-fb:103 goog-remb
a=rtcp-fb:103 transport-cc
a=rtcp-fb:103 ccm fir
a=rtcp-fb:103 nack
a=rtcp-fb:103 nack pli
a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rtpmap:104 H264/90000
a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f
a=rtpmap:107 H264/90000
a=rtcp-fb:107 nack
a=fmtp:107 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:109 H264/90000
a=rtcp-fb:109 nack
a=rtcp-fb:109 nack pli
a=fmtp:109 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f
a=rtpmap:45 AV1/90000
a=fmtp:45 level-idx=5;profile=0;tier=0
"""
_AUDIO = """m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8
{transport}a=mid:1
a={direction}
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
"""


def browser(direction: str = "recvonly", *, video: str = _VIDEO, audio: str = _AUDIO) -> str:
    """Video and sound on one transport."""
    sections = [
        text.format(direction=direction, transport=_TRANSPORT) for text in (video, audio) if text
    ]
    return "".join((_SESSION, *sections)).replace("\n", "\r\n")
