"""FLV tags that go by, and where the next demuxer starts."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.flv.watch import FlvWatch

HEAD = b"FLV\x01\x05\0\0\0\x09\0\0\0\0"


def tag(kind: int, payload: bytes) -> bytes:
    head = bytes((kind,)) + len(payload).to_bytes(3) + bytes(7)
    return head + payload + (11 + len(payload)).to_bytes(4)


AVC = tag(9, b"\x17\0\0\0\0config")
KEY = tag(9, b"\x17\1\0\0\0key")
OTHER = tag(9, b"\x27\1\0\0\0other")
AAC = tag(8, b"\xaf\0\x11\x90")
SOUND = tag(8, b"\xaf\1sound")
HEVC = tag(9, b"\x90hvc1config")


def settled(*kinds: str) -> FlvWatch:
    watch = FlvWatch()
    assert watch.feed(HEAD + AVC + KEY) == (HEAD + AVC + KEY, None)
    watch.settle(frozenset(kinds))
    return watch


def test_late_sound_starts_at_the_next_key_frame() -> None:
    watch = settled("video")
    assert watch.feed(AAC + SOUND + OTHER) == (AAC + SOUND + OTHER, None)
    before, after = watch.feed(OTHER + KEY + SOUND)
    assert before == OTHER
    assert after == HEAD + AVC + AAC + KEY + SOUND
    assert watch.feed(after) == (after, None)


def test_another_codec_starts_at_once() -> None:
    before, after = settled("video").feed(OTHER + HEVC + OTHER[:5])
    assert before == OTHER
    assert after == HEAD[:4] + b"\1" + HEAD[5:] + HEVC + HEVC + OTHER[:5]


def test_sound_of_the_start_is_no_change() -> None:
    watch = FlvWatch()
    watch.feed(HEAD + AVC + AAC + KEY)
    watch.settle(frozenset({"video", "audio"}))
    assert watch.feed(SOUND + KEY) == (SOUND + KEY, None)


def test_what_is_no_flv_passes() -> None:
    noise = bytes(range(256)) * 3
    watch = FlvWatch()
    assert watch.feed(noise) == (noise, None)
    assert watch.feed(noise) == (noise, None)


@given(st.lists(st.integers(1, 40)))
def test_nothing_is_lost_however_it_comes(sizes: list[int]) -> None:
    whole = HEAD + AVC + KEY + OTHER + AAC + SOUND + OTHER
    watch = FlvWatch()
    passed = b""
    at = 0
    for size in [*sizes, len(whole)]:
        before, after = watch.feed(whole[at : at + size])
        assert after is None
        passed += before
        at += size
    assert passed + watch.finish() == whole
