"""What of a transport stream passes to FFmpeg: the wanted programs, in tables of our own."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.mux.psi import crc32
from media_streamer.protocols.ts.gate import GUESSED_PIDS, HELD_BYTES, TsGate, entries

from tests.support import garbage

from .test_watch import BOTH, KEY, LONE, OTHER, SOUND, TABLE, VIDEO, packet, pat, plain, pmt


def pids(data: bytes) -> list[int]:
    return [pid for pid, _ in plain(data)]


def test_the_other_programs_stay_outside() -> None:
    """Their tables and packets too; of the PAT the wanted line is left, with the same version."""
    gate = TsGate(frozenset({2}))
    tables = pat({0: 0x10, 1: TABLE, 2: TABLE + 1}) + pmt({VIDEO: 0x1B})
    tables += pmt({0x200: 0x1B, 0x201: 0x0F}, 2, TABLE + 1)
    media = KEY + packet(0x200, b"picture") + packet(0x201, b"sound") + packet(0x11, b"names")
    passed = gate.feed(tables + media)
    assert plain(bytes(passed.data)) == [
        *plain(pat({2: TABLE + 1}) + pmt({0x200: 0x1B, 0x201: 0x0F}, 2, TABLE + 1)),
        (0x200, b"picture"),
        (0x201, b"sound"),
    ]
    assert [table.pid for table in passed.tables] == [0, TABLE + 1]
    assert gate.programs == {2: TABLE + 1}


def test_what_comes_before_the_tables_follows_them() -> None:
    gate = TsGate()
    assert not gate.feed(KEY + OTHER + pat({1: TABLE}) + KEY).tables[1:]
    assert pids(bytes(gate.feed(pmt({VIDEO: 0x1B}) + OTHER).data)) == [TABLE, *[VIDEO] * 4]


def test_a_program_without_a_description_holds_up_nobody() -> None:
    gate = TsGate()
    tables = pat({1: TABLE, 2: TABLE + 1}) + pmt({VIDEO: 0x1B})
    passed = b"".join(bytes(gate.feed(tables + KEY).data) for _ in range(3))
    assert pids(passed).count(VIDEO) == 3


def test_a_source_without_tables_is_guessed() -> None:
    """A few PIDs of it, and not for ever."""
    gate = TsGate()
    piece = b"".join(packet(0x100 + n, b"\0\0\1\xe0") for n in range(100))
    passed = b""
    for _ in range(2 * HELD_BYTES // len(piece)):
        passed += gate.feed(piece).data
    assert passed
    assert len(set(pids(passed))) == GUESSED_PIDS


def test_nothing_is_guessed_where_programs_are_wanted() -> None:
    """A multiplex of 80 Mbit/s has a MiB before its first PAT."""
    gate = TsGate(frozenset({1}))
    before = b"".join(bytes(gate.feed(packet(0x300, b"x")).data) for _ in range(6000))
    late = gate.feed(pat({1: TABLE, 2: TABLE + 1}) + pmt({VIDEO: 0x1B}) + KEY + packet(0x300, b"x"))
    assert before == b""
    assert pids(bytes(late.data)) == [0, TABLE, VIDEO]


def test_of_wanted_streams_the_others_stay_outside() -> None:
    gate = TsGate(pids=frozenset({VIDEO}))
    passed = gate.feed(
        pat({1: TABLE}) + pmt({VIDEO: 0x1B, SOUND: 0x0F}) + KEY + packet(SOUND, b"s")
    )
    assert pids(bytes(passed.data)) == [0, TABLE, VIDEO]
    assert [pid for pid, _, _ in entries(passed.tables[1].section)] == [VIDEO]


def test_nothing_held_is_lost_at_the_end() -> None:
    gate = TsGate()
    assert not gate.feed(KEY + OTHER).data
    assert pids(bytes(gate.finish().data)) == [VIDEO, VIDEO]


def test_noise_hides_no_table() -> None:
    """FFmpeg finds packets in it: so do we."""
    gate = TsGate()
    passed = gate.feed(LONE + KEY + b"xyz" + BOTH + KEY + packet(SOUND, b"sound") + b"\0" * 99)
    assert [table.pid for table in passed.tables] == [0, TABLE, 0, TABLE]
    assert gate.desyncs == 1


def test_a_table_whose_check_is_wrong_never_passes() -> None:
    """FFmpeg believes the eleventh."""
    broken = bytearray(pmt({VIDEO: 0x1B, SOUND: 0x0F}))
    broken[-1] ^= 1
    gate = TsGate()
    passed = gate.feed(LONE + bytes(broken) * 50 + KEY)
    assert pids(bytes(passed.data)) == [0, TABLE, VIDEO]


def test_no_descriptor_reaches_out_of_a_table() -> None:
    out = garbage.Packets()
    body = b"\xe1\x00\xf0\0" + b"\x1b\xe1\x01\xff\xff" + b"ab"
    gate = TsGate()
    passed = gate.feed(
        out.of(0, garbage.pat([(1, TABLE)]), table=True)
        + out.of(TABLE, garbage.section(2, 1, body), table=True)
    )
    assert list(entries(passed.tables[1].section)) == []


def test_carousels_and_cues_are_left_out() -> None:
    gate = TsGate()
    passed = gate.feed(pat({1: TABLE}) + pmt({VIDEO: 0x1B, 0x200: 0x0B, 0x201: 0x86, 0x202: 0x06}))
    assert [pid for pid, _, _ in entries(passed.tables[1].section)] == [VIDEO, 0x202]


def test_sound_of_discs_is_no_cue() -> None:
    """Type 0x86 is DTS-HD where the program is registered as HDMV."""
    out = garbage.Packets()
    body = b"\xe1\x00\xf0\x06\x05\x04HDMV" + b"\x86\xe1\x01\xf0\0" + b"\x90\xe1\x02\xf0\0"
    data = out.of(0, garbage.pat([(1, TABLE)]), table=True)
    passed = TsGate().feed(data + out.of(TABLE, garbage.section(2, 1, body), table=True))
    assert [pid for pid, _, _ in entries(passed.tables[1].section)] == [0x101, 0x102]


def test_a_table_whose_descriptors_reach_out_of_it_is_none() -> None:
    out = garbage.Packets()
    data = out.of(0, garbage.pat([(1, TABLE)]), table=True)
    table = garbage.section(2, 1, b"\xe1\x00\xf3\x84" + b"\x1b\xe1\x01\xf0\0")
    passed = TsGate().feed(data + out.of(TABLE, table, table=True) + KEY)
    assert [table.pid for table in passed.tables] == [0]


def test_the_start_of_a_program_that_is_described_late_is_kept() -> None:
    gate = TsGate()
    early = b"".join(bytes(gate.feed(pat({1: TABLE}) + KEY).data) for _ in range(6))
    late = bytes(gate.feed(pmt({VIDEO: 0x1B}) + KEY).data)
    assert pids(early + late).count(VIDEO) == 7


def test_a_list_of_programs_may_get_shorter() -> None:
    """From two sections to one, with the same version: a multiplexer that began anew."""
    out, gate = garbage.Packets(), TsGate()

    def part(number: int, last: int, program: int) -> bytes:
        body = garbage.pat([(program, TABLE + program)])[8:-4]
        whole = garbage.section(0, 1, body)
        whole = whole[:6] + bytes((number, last)) + whole[8:-4]
        return out.of(0, whole + crc32(whole).to_bytes(4), table=True)

    gate.feed(part(0, 1, 1) + part(1, 1, 2))
    assert gate.programs == {1: TABLE + 1, 2: TABLE + 2}
    gate.feed(part(0, 0, 1))
    assert gate.programs == {1: TABLE + 1}


@given(st.lists(st.integers(1, 900), max_size=20), st.integers(1, 60))
def test_long_tables_are_read_however_they_come(sizes: list[int], apart: int) -> None:
    """A PMT of five packets, with others between them."""
    streams = [(0x0F, 0x200 + n, b"\x0a\x04eng\0") for n in range(70)]
    out, others = garbage.Packets(), KEY * apart
    table = out.of(TABLE, garbage.pmt(streams), table=True)
    data = out.of(0, garbage.pat([(1, TABLE)]), table=True)
    data += b"".join(table[at : at + 188] + others for at in range(0, len(table), 188))
    gate, at, found = TsGate(), 0, []
    for size in [*sizes, len(data)]:
        found += gate.feed(data[at : at + size]).tables
        at += size
    assert [pid for pid, _, _ in entries(found[-1].section)] == [pid for _, pid, _ in streams]


@given(st.binary(max_size=2000), st.integers(0, 3))
def test_only_whole_packets_pass(noise: bytes, times: int) -> None:
    gate = TsGate()
    passed = b"".join(bytes(gate.feed(LONE + noise + KEY).data) for _ in range(times + 1))
    passed += bytes(gate.finish().data)
    assert len(passed) % 188 == 0
    assert all(passed[at] == 0x47 for at in range(0, len(passed), 188))
    assert set(pids(passed)) <= {0, TABLE, VIDEO}
