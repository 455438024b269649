"""PAT and PMT that go by, and where the next demuxer starts."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.mux.psi import crc32
from media_streamer.protocols.ts.watch import TsWatch

from tests.support import garbage

VIDEO, SOUND, TABLE = 0x100, 0x101, 0x1000


def packet(pid: int, payload: bytes, *, start: bool = True, random_access: bool = False) -> bytes:
    """One packet; the adaptation field fills it."""
    room = 184 - len(payload)
    flags = bytes((0x40 * random_access,))
    field = bytes((room - 1,)) + (flags + b"\xff" * (room - 2) if room > 1 else b"")
    head = bytes((0x47, 0x40 * start | pid >> 8, pid & 0xFF, 0x30 if room else 0x10))
    return head + (field if room else b"") + payload


def section(table: int, number: int, body: bytes) -> bytes:
    head = bytes((table,)) + (0xB000 | 9 + len(body)).to_bytes(2) + number.to_bytes(2)
    data = head + b"\xc1\0\0" + body
    return b"\0" + data + crc32(data).to_bytes(4)


def pat(programs: dict[int, int]) -> bytes:
    body = b"".join(n.to_bytes(2) + (0xE000 | pid).to_bytes(2) for n, pid in programs.items())
    return packet(0, section(0, 1, body))


def pmt(streams: dict[int, int], program: int = 1, pid: int = TABLE) -> bytes:
    body = b"".join(
        bytes((kind,)) + (0xE000 | one).to_bytes(2) + b"\xf0\0" for one, kind in streams.items()
    )
    return packet(pid, section(2, program, b"\xe1\x00\xf0\0" + body))


def plain(data: bytes) -> list[tuple[int, bytes]]:
    """PID and payload of each packet, without what fills it up."""
    found = []
    for at in range(0, len(data), 188):
        begin = at + (5 + data[at + 4] if data[at + 3] & 0x20 else 4)
        pid = int.from_bytes(data[at + 1 : at + 3]) & 0x1FFF
        found.append((pid, data[begin : at + 188].rstrip(b"\xff")))
    return found


KEY = packet(VIDEO, b"\0\0\1\xe0key", random_access=True)
OTHER = packet(VIDEO, b"\0\0\1\xe0other")
LONE = pat({1: TABLE}) + pmt({VIDEO: 0x1B})
BOTH = pat({1: TABLE}) + pmt({VIDEO: 0x1B, SOUND: 0x0F})


def test_added_sound_starts_at_the_next_key_frame() -> None:
    watch = TsWatch()
    data, cut = watch.feed(LONE + KEY)
    assert (plain(data), cut) == (plain(LONE + KEY), None)
    watch.settle(frozenset({VIDEO}))
    data, cut = watch.feed(BOTH + OTHER)
    assert (plain(data), cut) == (plain(BOTH + OTHER), None)
    before, after = watch.feed(OTHER + KEY + OTHER)
    assert before == OTHER
    assert plain(after or b"") == plain(BOTH + KEY + OTHER)


def test_another_codec_starts_at_its_table() -> None:
    watch = TsWatch()
    watch.feed(LONE + KEY)
    watch.settle(frozenset({VIDEO}))
    hevc = pmt({VIDEO: 0x24})
    before, after = watch.feed(OTHER + hevc + OTHER)
    assert before == OTHER
    assert plain(after or b"") == plain(pat({1: TABLE}) + hevc + hevc + OTHER)


def test_one_cut_for_one_change() -> None:
    """A demuxer that does not find what the table promises is not asked again and again."""
    watch = TsWatch()
    watch.feed(LONE + KEY)
    watch.settle(frozenset({VIDEO}))
    assert watch.feed(BOTH + KEY)[1]
    watch.feed(BOTH + KEY)
    watch.settle(frozenset({VIDEO}))
    assert watch.feed(BOTH + KEY)[1] is None


def test_programs() -> None:
    watch = TsWatch(frozenset({2}))
    assert not watch.has_programs
    tables = pat({0: 0x10, 1: 0x1000, 2: 0x1001}) + pmt({VIDEO: 0x1B})
    watch.feed(tables + pmt({0x200: 0x24, 0x201: 0x0F}, 2, 0x1001))
    assert watch.has_programs
    assert watch.pids == {0x200, 0x201}
    watch.settle(watch.pids | {VIDEO})
    # The other program is nobody's business.
    assert watch.feed(pmt({VIDEO: 0x24}) + KEY)[1] is None


def test_a_broken_table_changes_nothing() -> None:
    watch = TsWatch()
    watch.feed(LONE + KEY)
    watch.settle(frozenset({VIDEO}))
    broken = bytearray(pmt({VIDEO: 0x24}))
    broken[-1] ^= 1
    assert watch.feed(bytes(broken) + KEY) == (KEY, None)


@given(st.lists(st.integers(1, 400)), st.binary(max_size=600))
def test_all_packets_pass_however_they_come(sizes: list[int], noise: bytes) -> None:
    noise = noise.replace(b"\x47", b"")  # what looks like a packet may be taken for one
    whole = noise + LONE + KEY + OTHER + noise + BOTH + OTHER
    watch = TsWatch()
    passed = b""
    at = 0
    for size in [*sizes, len(whole)]:
        data = whole[at : at + size]
        at += size
        if data:
            before, after = watch.feed(data)
            assert after is None
            passed += before
    assert plain(passed + watch.finish()) == plain(LONE + KEY + OTHER + BOTH + OTHER)


def test_units_are_counted_where_they_are_many() -> None:
    """Those of one picture: tiny pictures have as many, and are no attack."""
    out = garbage.Packets()
    slice_, unit = b"\0\0\1\x41\x9a", b"\0\0\1\x06xy"
    tables = garbage.transport_beginning(out)
    static = b"".join(
        out.of(garbage.VIDEO_PID, garbage.pes(t, t, slice_ + unit * 3), pcr=t)
        for t in range(0, 3_600_000, 3600)
    )
    watch = TsWatch()
    watch.feed(tables + static)
    assert watch.units < 10
    watch.feed(out.of(garbage.VIDEO_PID, garbage.pes(1, 1, slice_ + unit * 5000)))
    assert 4900 < watch.units < 5100
    watch.feed(out.of(garbage.VIDEO_PID, garbage.pes(1, 1, slice_ + bytes(99_999))))
    assert watch.units == 0


def test_private_data_that_is_registered_as_video_counts_as_such() -> None:
    """FFmpeg decodes it by that."""
    out, watch = garbage.Packets(), TsWatch()
    names = (b"HEVC", b"VC-1", b"AC-3", b"Opus")
    streams = [(0x06, 0x200 + n, b"\x05\x04" + name) for n, name in enumerate(names)]
    data = out.of(0, garbage.pat([(1, TABLE)]), table=True)
    watch.feed(data + out.of(TABLE, garbage.pmt(streams), table=True))
    assert watch.videos == 2
