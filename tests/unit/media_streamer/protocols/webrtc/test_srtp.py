"""Many packets in one go are what the library makes of each."""

import pytest
from media_streamer.protocols.webrtc.srtp import MAX_PACKET_BYTES, OutwardSession
from media_streamer.rtp.packet import write
from pylibsrtp import Error, Policy, Session


def policy(profile: int = Policy.SRTP_PROFILE_AEAD_AES_128_GCM, key: int = 28) -> Policy:
    made = Policy(key=bytes(key), ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
    made.allow_repeat_tx = True
    return made


@pytest.mark.parametrize(
    ("profile", "key"),
    [
        (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
        (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
        (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    ],
)
def test_packets_are_those_of_the_library(profile: int, key: int) -> None:
    sizes = (0, 1, 700, MAX_PACKET_BYTES - 12)
    packets = [write(96, False, n, n, 7, bytes(size)) for n, size in enumerate(sizes)]
    packets.append(packets[0])  # one that is sent again
    other = Session(policy(profile, key))
    made = OutwardSession(policy(profile, key)).protect_all(packets)
    assert made == [other.protect(packet) for packet in packets]
    assert len({len(one) - len(packet) for one, packet in zip(made, packets, strict=True)}) == 1


def test_what_cannot_be_protected_is_said() -> None:
    session = OutwardSession(policy())
    assert session.protect_all([]) == []
    with pytest.raises(ValueError, match="1357 bytes"):
        session.protect_all([bytes(MAX_PACKET_BYTES + 1)])
    with pytest.raises(Error):
        session.protect_all([b"short"])
