"""Tables against known bytes."""

import pytest
from media_streamer.media.frame import Track
from media_streamer.media.mux import psi

VIDEO = Track(0, "v1", "video", "hevc", b"", "hvc1.1.6.L60.90")
AUDIO = Track(1, "a1", "audio", "opus", b"", "opus", channels=2, language="deu")


def test_pat_as_ffmpeg_writes_it() -> None:
    expected = bytes.fromhex("00b00d0001c100000001f0002ab104b2")
    assert psi.pat() == expected
    packet = psi.packet(psi.PAT_PID, psi.pat(), 5)
    assert len(packet) == 188
    assert packet[:5] == bytes.fromhex("4740001500")


def test_pmt_names_streams_and_descriptors() -> None:
    section = psi.pmt([(0x100, VIDEO), (0x101, AUDIO)], 0x100, 33)
    assert section[5] >> 1 & 31 == 1, "version wraps at 32"
    assert section[8:10] == bytes.fromhex("e100")
    assert section[12:17] == bytes.fromhex("24e100f006")
    assert b"\x05\x04HEVC" in section
    assert b"\x05\x04Opus\x7f\x02\x80\x02\x0a\x04deu\x00" in section
    assert psi.crc32(section) == 0


def test_crc_check_value() -> None:
    assert psi.crc32(b"123456789") == 0x0376E6E7


def test_too_many_tracks_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        psi.pmt([(0x100 + index, AUDIO) for index in range(20)], 0x100, 0)
