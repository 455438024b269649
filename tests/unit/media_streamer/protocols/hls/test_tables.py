"""Segments of HLS sources on their way to FFmpeg."""

import random

import pytest
from media_streamer.media.inputs.base import InputError
from media_streamer.media.inputs.cut_input import check_tables
from media_streamer.protocols.hls.tables import Piece, SegmentTables, is_no_ts
from media_streamer.protocols.ts.gate import GUESSED_PIDS

from tests.support import garbage

PIECE_BYTES = 1000


class Bytes:
    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def head(self) -> bytes:
        return self._data[:PIECE_BYTES]

    def read(self, size: int) -> bytes:
        size = min(size, PIECE_BYTES)
        piece, self._data = self._data[:size], self._data[size:]
        return piece

    def close(self) -> None: ...


def segment(videos: range, kind: int = 0x1B) -> bytes:
    out = garbage.Packets()
    data = out.of(0, garbage.pat([(1, 0x100)]), table=True)
    data += out.of(0x100, garbage.pmt([(kind, pid, b"") for pid in videos]), table=True)
    return data + b"".join(out.of(pid, garbage.pes(1, 1, garbage.access_unit())) for pid in videos)


def drained(piece: Piece) -> bytes:
    data = b""
    while some := piece.read(1 << 16):
        data += some
    return data


def tables(**playlists: str) -> SegmentTables:
    """Playlists and the addresses that each names."""
    made = SegmentTables(check_tables)
    for name, addresses in playlists.items():
        made.listed(name, frozenset(hash(one) for one in addresses.split()))
    return made


def test_all_of_a_plain_segment_passes() -> None:
    data = segment(range(0x101, 0x103))
    assert len(drained(tables(a="s").passed("s", Bytes(data)))) == len(data)


def test_other_formats_pass_as_they_are() -> None:
    id3 = b"ID3\4\0\0\0\0\0\5hello"
    for head in (b"\0\0\0\x18stypmsdh", id3 + b"\xff\xf1\x50", b"\x0b\x77ab", b"WEBVTT\n"):
        assert is_no_ts(head)
        assert drained(tables(a="s").passed("s", Bytes(head * 500))) == head * 500
    assert not is_no_ts(id3 + segment(range(0x101, 0x102)))


ID3_LONG = b"ID3\4\0\0\0\4\x20\x70" + bytes(70_000)
ID3_LIES = b"ID3\4\0\0\x3f\x7f\x7f\x7f12345"
HEADS = [
    b"\xff\xf1", b"\x0b\x77", b"WEBVTT\n\n", b"ID3\4\0\0\0\0\0\5hello\xff\xf1", ID3_LONG, ID3_LIES,
    *(b"\0\0\0\x18" + box + bytes(16) for box in (b"ftyp", b"styp", b"skip", b"emsg", b"prft")),
]  # fmt: skip


@pytest.mark.parametrize("head", HEADS, ids=lambda head: repr(head[:8]))
@pytest.mark.parametrize("stride", [188, 192, 204])
def test_no_head_hides_a_transport_stream(head: bytes, stride: int) -> None:
    data = segment(range(0x200, 0x23C))
    wide = (data[at : at + 188] + bytes(stride - 188) for at in range(0, len(data), 188))
    piece = tables(a="s").passed("s", Bytes(head + b"".join(wide)))
    with pytest.raises(InputError, match=r"holds a transport stream|more than"):
        drained(piece)
    assert piece.read(1) == b""


def test_a_stream_in_pieces_over_segments_is_none_either() -> None:
    data = b"\xff\xf1" + segment(range(0x200, 0x23C))
    parts = [data[at : at + 400] for at in range(0, len(data), 400)]
    one = tables(a=" ".join(map(str, range(len(parts)))))
    pieces = [one.passed(str(n), Bytes(part)) for n, part in enumerate(parts)]
    with pytest.raises(InputError, match="holds a transport stream"):
        list(map(drained, pieces))


def test_other_formats_are_not_taken_for_one() -> None:
    chance = random.Random(1)
    one = tables(a="s t")
    for name in "st":
        data = b"\0\0\0\x18stypmsdh" + chance.randbytes(3 * 1024 * 1024)
        assert drained(one.passed(name, Bytes(data))) == data


def test_a_playlist_of_transport_streams_stays_one() -> None:
    """FFmpeg would find packets behind whatever comes first."""
    one = tables(a="s t")
    drained(one.passed("s", Bytes(segment(range(0x101, 0x102)))))
    piece = one.passed("t", Bytes(b"\0\0\0\x18stypmsdh" + segment(range(0x200, 0x260))))
    with pytest.raises(InputError, match="more than 64 tracks"):
        drained(piece)
    assert piece.read(1) == b""


def test_what_segments_name_adds_up() -> None:
    one = tables(a=" ".join(map(str, range(3))))
    pieces = [
        one.passed(str(n), Bytes(segment(range(0x200 + 8 * n, 0x208 + 8 * n)))) for n in range(3)
    ]
    drained(pieces[0])
    drained(pieces[1])
    with pytest.raises(InputError, match="more than 16 videos"):
        drained(pieces[2])


@pytest.mark.parametrize("shared", [True, False])
def test_all_playlists_have_a_bound_together(shared: bool) -> None:
    """Also where they name the same segments: each has its demuxer."""
    one = tables(**{f"p{n}": "s" if shared else f"s{n}" for n in range(5)})
    names = ["s" if shared else f"s{n}" for n in range(5)]
    pieces = [one.passed(name, Bytes(segment(range(0x200, 0x208)))) for name in names]
    if not shared:
        for piece in pieces[:4]:
            drained(piece)
    with pytest.raises(InputError, match="more than 32 videos"):
        drained(pieces[4])


def test_tables_in_an_initialisation_section() -> None:
    """RFC 8216 3.2: segments of a playlist may have none themselves."""
    data = segment(range(0x101, 0x102))
    one = tables(a="init s")
    drained(one.passed("init", Bytes(data[: 2 * 188])))
    assert drained(one.passed("s", Bytes(data[2 * 188 :]))) == data[2 * 188 :]


def test_keys_pass() -> None:
    """No playlist names them as segments, and they may begin as a packet does."""
    one = tables(a="s")
    assert drained(one.passed("key", Bytes(b"G" * 16))) == b"G" * 16


def test_what_no_playlist_names_is_no_way_around() -> None:
    piece = tables(a="s").passed("http://x/a/../s", Bytes(segment(range(0x200, 0x260))))
    with pytest.raises(InputError, match="more than 64 tracks"):
        drained(piece)


def test_playlists_with_the_same_segments_are_read_side_by_side() -> None:
    """Each of the two demuxers gets all of it, though neither reads whole packets."""
    data = segment(range(0x101, 0x103)) + garbage.Packets().of(
        0x101, garbage.pes(1, 1, b"x" * 90_000)
    )
    one = tables(a="s", b="s")
    pieces = [one.passed("s", Bytes(data)) for _ in "ab"]
    found = [b"", b""]
    while parts := [piece.read(PIECE_BYTES) for piece in pieces]:
        if not any(parts):
            break
        found = [had + part for had, part in zip(found, parts, strict=True)]
    for read in found:
        assert len(read) == len(data)
        assert read[2 * 188 :] == data[2 * 188 :]


def read_in_turns(pieces: list[Piece], size: int) -> list[bytes]:
    found = [b""] * len(pieces)
    while any(parts := [piece.read(size) for piece in pieces]):
        found = [had + part for had, part in zip(found, parts, strict=True)]
    return found


@pytest.mark.parametrize("late", [0, 1, 3])
def test_readers_of_the_same_segments_share_no_long_table(late: int) -> None:
    """A PMT of three packets with others between them; one reader is some of these behind."""
    out = garbage.Packets()
    streams = [(0x0F, 0x200 + n, b"\x0a\x04eng\0") for n in range(40)]
    table = out.of(0x100, garbage.pmt(streams), table=True)
    assert len(table) == 3 * 188
    data = out.of(0, garbage.pat([(1, 0x100)]), table=True)
    for at in range(0, len(table), 188):
        data += table[at : at + 188]
        data += out.of(0x1FF0, garbage.pes(1, 1, b"x" * (9 * PIECE_BYTES)))
    data += b"".join(out.of(pid, garbage.pes(1, 1, b"sound")) for _, pid, _ in streams) * 50
    one = tables(a="s", b="s")
    pieces = [one.passed("s", Bytes(data)) for _ in "ab"]
    alone = drained(tables(a="s").passed("s", Bytes(data)))
    head = b"".join(pieces[0].read(188) for _ in range(late))
    found = read_in_turns(pieces, 188)
    assert [head + found[0], found[1]] == [alone, alone]


def test_readers_without_tables_are_guessed_the_same() -> None:
    """None lets go of what the other holds, and both together of no more than one."""
    out = garbage.Packets()
    parts = [
        b"".join(out.of(first + n, garbage.pes(1, 1, b"x")) for n in range(20)) * 20
        for first in (0x200, 0x300)
    ]
    one = tables(a="s t", b="s t")
    pieces = [one.passed(name, Bytes(data)) for name, data in zip("st", parts, strict=True)]
    found = read_in_turns(pieces, 188)
    pids = {
        int.from_bytes(data[at + 1 : at + 3]) & 0x1FFF
        for data in found
        for at in range(0, len(data), 188)
    }
    assert len(pids) == GUESSED_PIDS


def test_readers_far_apart_keep_their_tables() -> None:
    """One is where the source had other PIDs."""
    before, after = (segment(range(first, first + 2)) for first in (0x101, 0x201))
    one = tables(a="s t", b="s t")
    pieces = [one.passed("s", Bytes(before * 9)), one.passed("t", Bytes(after * 9))]
    found = read_in_turns(pieces, 188)
    assert list(map(len, found)) == [9 * len(before), 9 * len(after)]


def test_a_segment_that_is_left_half_way_spoils_no_other() -> None:
    data = segment(range(0x101, 0x103))
    one = tables(a="s t")
    left = one.passed("s", Bytes(data[:300] + bytes(9000)))
    left.read(1000)
    left.close()
    assert len(drained(one.passed("t", Bytes(data)))) == len(data)


def test_segments_of_192_bytes_a_packet() -> None:
    data = segment(range(0x101, 0x103)) * 3
    wide = b"".join(bytes(4) + data[at : at + 188] for at in range(0, len(data), 188))
    assert len(drained(tables(a="s").passed("s", Bytes(wide)))) == len(data)
