"""Transport streams without FFmpeg: packets as a test wants them."""

from media_streamer.media.mux import psi

SPS = bytes.fromhex("6742c00ad9047a1000000300100000030320f12264")
PPS = bytes.fromhex("68cb83cb20")
"""64x48, of x264."""
VIDEO, SOUND = 0x100, 0x101
START = b"\0\0\0\1"


def section(table: int, number: int, body: bytes) -> bytes:
    size = 5 + len(body) + 4
    head = bytes((table, 0xB0 | size >> 8, size & 0xFF)) + number.to_bytes(2, "big") + b"\xc1\0\0"
    return head + body + psi.crc32(head + body).to_bytes(4, "big")


def packet(pid: int, data: bytes, counter: int, *, begins: bool) -> bytes:
    """A packet; what is missing is stuffing."""
    head = bytes((0x47, begins << 6 | pid >> 8, pid & 0xFF))
    missing = 184 - len(data)
    if not missing:
        return head + bytes((0x10 | counter & 15,)) + data
    field = bytes((missing - 1,)) + (b"\0" + b"\xff" * (missing - 2) if missing > 1 else b"")
    return head + bytes((0x30 | counter & 15,)) + field + data


def stamp(mark: int, time: int) -> bytes:
    return bytes((
        mark << 4 | time >> 29 & 14 | 1, time >> 22 & 255, time >> 14 & 254 | 1,
        time >> 7 & 255, time << 1 & 254 | 1,
    ))  # fmt: skip


def pes(stream: int, pts: int, data: bytes) -> bytes:
    size = 8 + len(data) if stream != 0xE0 else 0
    return b"\0\0\1" + bytes((stream,)) + size.to_bytes(2, "big") + b"\x80\x80\5" + (
        stamp(2, pts) + data)  # fmt: skip


def adts(data: bytes) -> bytes:
    size = 7 + len(data)
    return bytes((0xFF, 0xF1, 0x4C, 0x80 | size >> 11, size >> 3 & 255, (size & 7) << 5 | 31, 0xFC)
                 ) + data  # fmt: skip


def plain_transport(seconds: int = 4) -> bytes:
    """Two pictures and two frames of sound a second."""
    pat = b"\0" + section(0, 1, b"\0\1\xf0\0")
    streams = b"\x1b\xe1\0\xf0\0\x0f\xe1\1\xf0\6\x0a\4ger\0"
    pmt = b"\0" + section(2, 1, b"\xe1\0\xf0\0" + streams)
    out, counters = [], {VIDEO: 0, SOUND: 0}

    def put(pid: int, data: bytes) -> None:
        for at in range(0, len(data), 184):
            out.append(packet(pid, data[at : at + 184], counters[pid], begins=at == 0))
            counters[pid] += 1

    for n in range(2 * seconds):
        out.append(packet(0, pat, n, begins=True))
        out.append(packet(0x1000, pmt, n, begins=True))
        key = START + SPS + START + PPS + START + b"\x65key" + bytes((n + 1,)) * 300
        other = START + b"\x41other" + bytes((n + 1,)) * 100
        put(VIDEO, pes(0xE0, 90_000 + 45_000 * n, other if n % 2 else key))
        put(SOUND, pes(0xC0, 90_000 + 45_000 * n, adts(b"sound %d" % n)))
    return b"".join(out)
