"""MPEG-TS tables: PAT and PMT of a stream with one program (ISO/IEC 13818-1 2.4.4)."""

from collections.abc import Iterator, Sequence

from media_streamer.media.frame import Track

PAT_PID = 0x0000
PMT_PID = 0x1000
FIRST_PID = 0x0100
NULL_PID = 0x1FFF
PROGRAM_NUMBER = 1
PACKET_BYTES = 188
SYNC = 0x47

STREAM_TYPES = {
    "mpeg2video": 0x02,
    "mp3": 0x03,
    "mp2": 0x03,
    "opus": 0x06,
    "aac": 0x0F,
    "h264": 0x1B,
    "hevc": 0x24,
    "ac3": 0x81,
    "eac3": 0x87,
}
"""Table 2-34, ATSC A/53 part 3 for AC-3 and E-AC-3. AV1 has no published mapping."""

_REGISTRATIONS = {"hevc": b"HEVC", "ac3": b"AC-3", "eac3": b"EAC3", "opus": b"Opus"}
_PAYLOAD_BYTES = PACKET_BYTES - 4
_TABLE_BYTES = _PAYLOAD_BYTES - 1


def _crc_table() -> tuple[int, ...]:
    table = []
    for index in range(256):
        value = index << 24
        for _ in range(8):
            value = value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)
        table.append(value & 0xFFFFFFFF)
    return tuple(table)


_CRC = _crc_table()


def crc32(data: bytes) -> int:
    """CRC of a section (annex A): polynomial 0x04C11DB7, not reflected."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value << 8 & 0xFFFFFFFF ^ _CRC[value >> 24 ^ byte]
    return value


def pat() -> bytes:
    """The section that names the PID of the PMT."""
    body = PROGRAM_NUMBER.to_bytes(2, "big") + (0xE000 | PMT_PID).to_bytes(2, "big")
    return section(0x00, 1, 0, body)


def pmt(tracks: Sequence[tuple[int, Track]], pcr_pid: int, version: int) -> bytes:
    """The section that describes the elementary streams, given as (PID, track).

    Raises ValueError if it does not fit one packet.
    """
    body = [(0xE000 | pcr_pid).to_bytes(2, "big"), b"\xf0\x00"]
    for pid, track in tracks:
        descriptors = _descriptors(track)
        body += [
            STREAM_TYPES[track.codec].to_bytes(1, "big"),
            (0xE000 | pid).to_bytes(2, "big"),
            (0xF000 | len(descriptors)).to_bytes(2, "big"),
            descriptors,
        ]
    made = section(0x02, PROGRAM_NUMBER, version, b"".join(body))
    if len(made) > _TABLE_BYTES:
        raise ValueError(f"{len(tracks)} tracks do not fit a PMT of one packet")
    return made


def programs(pat: bytes) -> Iterator[tuple[int, int]]:
    """Number of each program of a section, and PID of its PMT."""
    for at in range(8, len(pat) - 7, 4):
        if number := int.from_bytes(pat[at : at + 2]):
            yield number, int.from_bytes(pat[at + 2 : at + 4]) & 0x1FFF


def packet(pid: int, table: bytes, counter: int) -> bytes:
    """A transport packet with a whole section; several in a row of one that is longer."""
    packets = bytearray()
    payload = b"\0" + table
    for at in range(0, len(payload), _PAYLOAD_BYTES):
        packets += bytes((SYNC, (0 if at else 0x40) | pid >> 8, pid & 0xFF, 0x10 | counter & 15))
        packets += payload[at : at + _PAYLOAD_BYTES].ljust(_PAYLOAD_BYTES, b"\xff")
        counter += 1
    return bytes(packets)


def _descriptors(track: Track) -> bytes:
    parts = []
    registration = _REGISTRATIONS.get(track.codec)
    if registration:
        parts.append(b"\x05\x04" + registration)
    if track.codec == "opus":
        # Extension descriptor 0x80 with the channel configuration ("Opus in MPEG-TS", 4.2).
        parts.append(bytes((0x7F, 0x02, 0x80, min(track.channels, 255))))
    language = track.language.encode("ascii", "ignore")
    if len(language) == 3:
        parts.append(b"\x0a\x04" + language + b"\x00")
    return b"".join(parts)


def section(table: int, number: int, version: int, body: bytes) -> bytes:
    """A whole table with its CRC (2.4.4.10)."""
    length = len(body) + 9
    head = bytes((table, 0xB0 | length >> 8, length & 0xFF, number >> 8, number & 0xFF))
    data = head + bytes((0xC1 | (version & 31) << 1, 0, 0)) + body
    return data + crc32(data).to_bytes(4, "big")
