"""What publishers may send that no encoder does: parameters, tables and times that lie.

Each maker gives the whole of what is sent; nothing here opens a connection.
"""

import random
import struct
import zlib
from collections.abc import Iterable, Iterator

from media_streamer.protocols.rtmp.chunks import AGGREGATE, AUDIO, VIDEO

Message = tuple[int, int, bytes]
"""Kind, time stamp in ms, body: as of an FLV tag."""
TS_BYTES = 188
PMT_PID, VIDEO_PID = 0x100, 0x101
SPS = bytes.fromhex("6742c00ad901e06c8400000300040000030080 3c489920".replace(" ", ""))
PPS = bytes.fromhex("68cb83cb20")
AVCC = b"\x01\x42\xc0\x0a\xff\xe1" + struct.pack(">H", len(SPS)) + SPS
AVCC += b"\x01" + struct.pack(">H", len(PPS)) + PPS
IDR = b"\x65\x88\x84\x0a" + bytes(range(1, 60))
ASC = b"\x12\x10"
HVCC = bytes.fromhex("0101600000009000000000005df000fcfdf8f800000f")
AV1C = bytes.fromhex("81004c000a0b00000024cf7f0d bff0 3008".replace(" ", ""))
VPCC = b"\x01\0\0\0\x00\x1f\x80\x02\x02\x02\0\0"
_MESSAGE_BYTES = 8 * 1024 * 1024


# RTMP


def avc_head(configuration: bytes) -> bytes:
    return b"\x17\0\0\0\0" + configuration


def avc_frame(data: bytes, composition: int = 0) -> bytes:
    return b"\x17\1" + struct.pack(">i", composition)[1:] + data


def enhanced(fourcc: bytes, packet: int, data: bytes) -> bytes:
    """A body of Enhanced RTMP: a key frame of a codec by name."""
    return bytes([0x90 | packet]) + fourcc + data


def nal(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def good_video(count: int = 5, start: int = 0) -> list[Message]:
    head: list[Message] = [(VIDEO, start, avc_head(AVCC))]
    return head + [(VIDEO, start + 40 * n, avc_frame(nal(IDR))) for n in range(count)]


def _cut(data: bytes, head: bytes) -> Iterator[Message]:
    """All beginnings of a configuration, and each of its bytes as 255."""
    for size in range(len(data)):
        yield VIDEO, size, head + data[:size]
    for at in range(len(data)):
        yield VIDEO, len(data) + at, head + data[:at] + b"\xff" + data[at + 1 :]


def rtmp_cases() -> dict[str, Iterable[Message]]:
    """By a word for each."""
    noise = random.Random(5)
    sps_255 = b"\x01\x42\xc0\x0a\xff\xff" + (struct.pack(">H", len(SPS)) + SPS) * 31
    many_pps = AVCC[: 8 + len(SPS)] + b"\xff" + (struct.pack(">H", len(PPS)) + PPS) * 255
    hvcc_lies = HVCC + b"\xff" + b"\x20\xff\xff" + bytes(2 * 30_000)
    one_track = b"avc1" + bytes([0]) + avc_frame(nal(IDR))[2:]
    many = b"".join(bytes([n]) + len(one_track).to_bytes(3) + one_track for n in range(255))
    codecs = b"".join(
        noise.choice((b"avc1", b"hvc1", b"????", b"\0\0\0\0")) + bytes([n]) + b"\0\0\4" + b"abcd"
        for n in range(255)
    )
    return {
        "avcc": [*_cut(AVCC, b"\x17\0\0\0\0"), *good_video()],
        "hvcc": [*_cut(HVCC, b"\x90hvc1"), (VIDEO, 0, b"\x91hvc1\0\0\0" + nal(IDR))],
        "vpcc": [*_cut(VPCC, b"\x90vp09"), (VIDEO, 0, b"\x91vp09" + bytes(400))],
        "av1c": [*_cut(AV1C, b"\x90av01"), (VIDEO, 0, b"\x91av01" + b"\x0a\xff\xff\xff\xff" * 9)],
        "sps31": [(VIDEO, 0, avc_head(sps_255)), *good_video(), (VIDEO, 300, avc_head(many_pps))],
        "hvcc-arrays": [(VIDEO, 0, enhanced(b"hvc1", 0, hvcc_lies))] * 20,
        "configuration-8mb": [(VIDEO, n, avc_head(AVCC + bytes(_MESSAGE_BYTES))) for n in (0, 9)],
        "configurations": [
            (VIDEO, n, avc_head(AVCC + n.to_bytes(2))) for n in range(2000)
        ],
        "configurations-32": [
            (VIDEO, n, b"\x96\x00avc1" + bytes([n]) + AVCC + bytes(_MESSAGE_BYTES))
            for n in range(32)
        ],
        "aggregate": [(AGGREGATE, 0, (b"\x09" + bytes(14)) * (_MESSAGE_BYTES // 15))] * 2,
        "obus": [
            (VIDEO, 0, b"\x90av01" + AV1C),
            (VIDEO, 0, b"\x91av01" + b"\x12\0" * (_MESSAGE_BYTES // 2)),
        ],
        "nal-zero": [
            *good_video(), *((VIDEO, n, avc_frame(bytes(_MESSAGE_BYTES))) for n in (1, 2))
        ],
        "nal-one": [
            *good_video(), (VIDEO, 1, avc_frame(b"\0\0\0\1\x65" * (_MESSAGE_BYTES // 5)))
        ],
        "nal-lies": [
            *good_video(),
            *((VIDEO, n, avc_frame(b"\xff\xff\xff\xf0ab")) for n in range(99)),
        ],
        "start-codes": [*good_video(), (VIDEO, 1, avc_frame(b"\0\0\1" * (_MESSAGE_BYTES // 3)))],
        "asc": [
            *((AUDIO, n, b"\xaf\0" + bytes([a, b])) for n, (a, b) in enumerate(
                (a, b) for a in range(0, 256, 5) for b in range(0, 256, 17))),
            (AUDIO, 900, b"\xaf\0" + b"\x17\x80\0\0\x08" + bytes(8)),
            (AUDIO, 901, b"\xaf\0" + b"\x17\xff\xff\xff\xff" + b"\xff" * 60_000),
            (AUDIO, 902, b"\xaf\1" + bytes(60_000)),
        ],
        "opus": [
            (AUDIO, 0, b"\x90Opus" + b"OpusHead\1\xff" + b"\xff" * 600),
            *((AUDIO, n, b"\x91Opus" + b"\xff" * 40) for n in range(50)),
        ],
        "mp3": [(AUDIO, 0, b"\x2f" + b"\xff\xfb\x10\xc4" * (_MESSAGE_BYTES // 8))],
        "composition": [
            *good_video(),
            *((VIDEO, 40 * n, avc_frame(nal(IDR), noise.choice((-1 << 23, (1 << 23) - 1))))
              for n in range(50)),
        ],
        "times": [
            *good_video(),
            *((VIDEO, noise.choice((0, 1, 1 << 31, (1 << 32) - 1, 5000, 1 << 24)),
               avc_frame(nal(IDR))) for _ in range(300)),
        ],
        "tracks-255": [
            (VIDEO, 0, b"\x96\x10" + one_track[:4] + many),
            (VIDEO, 0, b"\x96\x11" + one_track[:4] + many),
            (VIDEO, 0, b"\x96\x21" + codecs),
            *((VIDEO, n, b"\x96\x00avc1" + bytes([n]) + AVCC) for n in range(255)),
            *((VIDEO, n, b"\x96\x01avc1" + bytes([n]) + bytes(3) + nal(IDR)) for n in range(255)),
        ],
        "nested": [
            (VIDEO, 0, b"\x96\x06" * 30_000), (VIDEO, 0, b"\x97\x00\x07" * 20_000),
            (VIDEO, 0, b"\x97" + b"\xff\xff\xff" * 20_000), (VIDEO, 0, b"\x96\xff"),
        ],
        "fourcc": [
            (VIDEO, n, enhanced(bytes(noise.randbytes(4)), n % 8, b"ab")) for n in range(500)
        ],
        "tiny": [
            *good_video(),
            *((VIDEO, 200 + n // 100, avc_frame(nal(b"\x41a"))) for n in range(5_000)),
        ],
    }  # fmt: skip


# MPEG-TS


_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def crc(data: bytes) -> int:
    """ISO 13818-1, annex A: zlib's, with all bits the other way round."""
    mirrored = zlib.crc32(data.translate(_MIRRORED)) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def section(table: int, number: int, body: bytes, version: int = 0, length: int = -1) -> bytes:
    """With its header and check; `length`: what it says of itself."""
    size = len(body) + 9 if length < 0 else length
    head = bytes([table]) + (0xB000 | size & 0xFFF).to_bytes(2) + number.to_bytes(2)
    whole = head + bytes([0xC1 | version % 32 << 1, 0, 0]) + body
    return whole + crc(whole).to_bytes(4)


class Packets:
    """Writes packets with counters that go on."""

    def __init__(self) -> None:
        self._counters: dict[int, int] = {}

    def of(self, pid: int, data: bytes, *, table: bool = False, pcr: int | None = None) -> bytes:
        payload, at, out = b"\0" + data if table else data, 0, []
        while at < len(payload) or not out:
            field = b""
            if not out and pcr is not None:
                field = b"\x10" + ((pcr & (1 << 33) - 1) << 15 | 0x7E00).to_bytes(6)
            room = TS_BYTES - 4 - (1 + len(field) if field else 0)
            piece = payload[at : at + room]
            at += len(piece)
            missing = room - len(piece)
            if table:
                piece, missing = piece + b"\xff" * missing, 0
            if field:
                field += b"\xff" * missing
            elif missing > 1:
                field = b"\0" + b"\xff" * (missing - 2)
            adaptation = bytes([len(field)]) + field if field or missing else b""
            counter = self._counters[pid] = (self._counters.get(pid, -1) + 1) % 16
            flags = (0x30 if adaptation else 0x10) | counter
            place = (pid | (0 if out else 0x4000)).to_bytes(2)
            out.append(b"\x47" + place + bytes([flags]) + adaptation + piece)
        return b"".join(out)


def pat(programs: Iterable[tuple[int, int]], version: int = 0) -> bytes:
    body = b"".join(n.to_bytes(2) + (0xE000 | pid).to_bytes(2) for n, pid in programs)
    return section(0, 1, body, version)


def pmt(streams: Iterable[tuple[int, int, bytes]], number: int = 1, version: int = 0) -> bytes:
    """`streams`: type, PID, descriptors."""
    body = (0xE000 | VIDEO_PID).to_bytes(2) + b"\xf0\0"
    for kind, pid, more in streams:
        body += bytes([kind]) + (0xE000 | pid).to_bytes(2) + (0xF000 | len(more)).to_bytes(2) + more
    return section(2, number, body, version)


def stamp(prefix: int, value: int) -> bytes:
    """33 bits of a PTS or DTS."""
    value &= (1 << 33) - 1
    return (
        bytes([prefix << 4 | value >> 29 & 0xE | 1])
        + ((value >> 15 & 0x7FFF) << 1 | 1).to_bytes(2)
        + ((value & 0x7FFF) << 1 | 1).to_bytes(2)
    )


def pes(pts: int, dts: int, data: bytes) -> bytes:
    return b"\0\0\1\xe0\0\0\x80\xc0\x0a" + stamp(3, pts) + stamp(1, dts) + data


def sound_pes(pts: int) -> bytes:
    """A frame of AAC (48 kHz, stereo) in ADTS, with its time in 90 kHz."""
    body = bytes.fromhex("211004608c1c") + bytes(20)
    size = len(body) + 7
    head = bytes([0xFF, 0xF1, 0x4C, 0x80 | size >> 11, size >> 3 & 255, (size & 7) << 5 | 31, 0xFC])
    return b"\0\0\1\xc0" + (size + 8).to_bytes(2) + b"\x80\x80\5" + stamp(2, pts) + head + body


def access_unit() -> bytes:
    return b"".join(b"\0\0\0\1" + one for one in (b"\x09\xf0", SPS, PPS, IDR))


def transport_beginning(out: Packets, kind: int = 0x1B, more: bytes = b"") -> bytes:
    """Tables of one video."""
    tables = out.of(0, pat([(1, PMT_PID)]), table=True)
    return tables + out.of(PMT_PID, pmt([(kind, VIDEO_PID, more)]), table=True)


def ts_film(times: Iterable[tuple[int, int]]) -> bytes:
    """Pictures with (PTS, DTS) in 90 kHz."""
    out = Packets()
    data = transport_beginning(out)
    for pts, dts in times:
        data += out.of(VIDEO_PID, pes(pts, dts, access_unit()), pcr=dts)
    return data


def _steady(count: int, start: int = 90_000) -> list[tuple[int, int]]:
    return [(start + 3600 * n, start + 3600 * n) for n in range(count)]


def ts_cases() -> dict[str, bytes]:
    """By a word for each; all of them begin as MPEG-TS does."""
    noise = random.Random(6)
    out = Packets()
    streams = [(0x1B, 0x200 + n, b"") for n in range(8000 - 0x200)]
    programs = [(n + 1, 0x20 + n) for n in range(40)]
    flood = out.of(0, pat(programs), table=True)
    for n, (number, pid) in enumerate(programs):
        some = streams[n * 190 : (n + 1) * 190]
        flood += out.of(pid, pmt(some, number), table=True)
    # Each of the streams begins a picture that goes on.
    data = pes(90_000, 90_000, access_unit()[:150])
    pictures = b"".join(out.of(pid, data) for _, pid, _ in streams[:7400])
    changing = Packets()
    pats = b"".join(
        changing.of(0, pat([(n % 65_000 + 1, 0x30 + n % 0x1F00)], n), table=True)
        + changing.of(
            0x30 + n % 0x1F00, pmt([(0x1B, 0x31 + n % 0x1F00, b"")], n % 65_000 + 1, n), table=True
        )
        for n in range(4000)
    )
    beyond = Packets()
    lying = beyond.of(0, pat([(1, PMT_PID)]), table=True)
    for more in range(200):
        kind, entry = 0x1B, (0xE000 | VIDEO_PID).to_bytes(2)
        body = entry + b"\xf0\0" + bytes([kind]) + entry + b"\xff\xff" + bytes([more, 255]) + b"ab"
        lying += beyond.of(PMT_PID, section(2, 1, body, more), table=True)
        lying += beyond.of(PMT_PID, section(2, 1, body, more, 0xFFF), table=True)
    tables = Packets()
    psi = b"".join(
        tables.of(pid, section(kind, n, noise.randbytes(900), n), table=True)
        for n in range(400)
        for kind, pid in ((0x42, 0x11), (0x4E, 0x12))
    )
    wild = [0, 1, 1 << 31, (1 << 33) - 1, 1 << 32, 90_000]
    endless = Packets()
    unit = transport_beginning(endless) + endless.of(
        VIDEO_PID, pes(90_000, 90_000, b"\0\0\0\1" + SPS + b"\0\0\0\1\x65" + bytes(6_000_000))
    )
    hevc = Packets()
    units = b"".join(b"\0\0\1" + bytes([kind << 1, 1]) + noise.randbytes(60) for kind in range(64))
    sets = transport_beginning(hevc, 0x24) + b"".join(
        hevc.of(VIDEO_PID, pes(t, t, units * 40), pcr=t) for t, _ in _steady(30)
    )
    ids = Packets()
    many_sps = b"".join(b"\0\0\1\x67" + noise.randbytes(20) for _ in range(10_000))
    parameter_sets = transport_beginning(ids) + b"".join(
        ids.of(VIDEO_PID, pes(t, t, many_sps + access_unit()), pcr=t) for t, _ in _steady(3)
    )
    tiny = Packets()
    sei = transport_beginning(tiny) + b"".join(
        tiny.of(VIDEO_PID, pes(t, t, access_unit() + b"\0\0\1\x06xy" * 200_000), pcr=t)
        for t, _ in _steady(3)
    )
    return {
        "streams-7500": flood + pictures * 2,
        "changing-tables": pats,
        "descriptors": lying + ts_film(_steady(5)),
        "psi-flood": transport_beginning(tables) + psi,
        "composition-31": ts_film(
            (n * 3600 + noise.choice((-(1 << 31), 1 << 31)), n * 3600) for n in range(200)
        ),
        "times-33": ts_film((t, t) for t in (noise.choice(wild) + n for n in range(400))),
        "endless-picture": unit,
        "hevc-sets": sets,
        "sps-10000": parameter_sets,
        "sei-200000": sei,
        "nal-zero": transport_beginning(ids) + ids.of(VIDEO_PID, pes(1, 1, b"\0\0\1" * 500_000)),
    }


# RTSP


def sdp(video: str = "", audio: str = "", more: str = "") -> str:
    """Of a publisher; `video`, `audio`: lines of attributes."""
    text = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    if video:
        text += f"m=video 0 RTP/AVP 96\r\n{video}\r\na=control:streamid=0\r\n"
    if audio:
        text += f"m=audio 0 RTP/AVP 97\r\n{audio}\r\na=control:streamid=1\r\n"
    return text + more


def rtp(number: int, time: int, payload: bytes, source: int = 7, marker: bool = True) -> bytes:
    head = struct.pack(">BBHII", 0x80, 96 | 0x80 * marker, number & 0xFFFF, time, source)
    data = head + payload
    return b"$\0" + len(data).to_bytes(2) + data


H264 = "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1"


def rtsp_cases() -> dict[str, tuple[str, list[bytes]]]:
    """A description and packets of its first track."""
    noise = random.Random(7)
    idr = [rtp(n, 3600 * n, IDR) for n in range(20)]
    sets = ",".join(["Z0LACtkB4GyEAAADAAQAAAMAgDxImSA=", "aMuDyyA="] * 700)
    wild = [noise.randrange(1 << 32) for _ in range(300)]
    return {
        "sprop-60kb": (sdp(f"{H264};sprop-parameter-sets={sets}"), idr),
        "sprop-1mb": (sdp(f"{H264};sprop-parameter-sets={sets * 25}"), idr),
        "sprop-garbage": (sdp(f"{H264};sprop-parameter-sets=====,,,%%%%,{'A' * 40_001}"), idr),
        "clock": (sdp("a=rtpmap:96 H264/4294967295"), idr),
        "clock-0": (sdp("a=rtpmap:96 H264/0"), idr),
        "config": (
            sdp(audio="a=rtpmap:97 MPEG4-GENERIC/4000000000/65535\r\na=fmtp:97 mode=AAC-hbr;"
                f"sizelength=99;indexlength=99;indexdeltalength=99;config={'f' * 50_000}"),
            [rtp(n, n * 1024, b"\xff\xff" + b"\xff" * 1000) for n in range(50)],
        ),
        "aac-headers": (
            sdp(audio="a=rtpmap:97 MPEG4-GENERIC/44100/2\r\na=fmtp:97 mode=AAC-hbr;sizelength=13;"
                "indexlength=3;indexdeltalength=3;config=1210"),
            [rtp(n, n * 1024, b"\xff\xf8" + bytes(1300)) for n in range(200)],
        ),
        "tracks-300": (sdp(H264, more="m=video 0 RTP/AVP 96\r\n" * 1000), idr),
        "fragments": (
            sdp(H264), [rtp(n, 9, b"\x7c\x85" + bytes(1300), marker=False) for n in range(9000)]
        ),
        "aggregates": (sdp(H264), [rtp(n, 3600 * n, b"\x18" + bytes(1390)) for n in range(300)]),
        "times": (sdp(H264), [*idr, *(rtp(20 + n, t, IDR) for n, t in enumerate(wild))]),
        "numbers": (sdp(H264), [rtp(n * 31_000, 3600 * n, IDR) for n in range(3000)]),
        "sources": (sdp(H264), [rtp(n, 3600 * n, IDR, source=n) for n in range(5000)]),
    }  # fmt: skip


# WebRTC


def offers(one: str) -> dict[str, str]:
    """Descriptions made of one that a browser wrote."""
    head, _, media = one.partition("m=video")
    video = "m=video" + media.partition("m=audio")[0]
    candidates = "a=candidate:1 1 udp 1 198.51.100.1 9 typ host\r\n"
    return {
        "m-lines-500": head + "".join(
            f"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:{n}\r\n" for n in range(500)),
        "m-lines-20": head + video * 20,
        "candidates": head + video + candidates * 900,
        "formats": head + video.replace(" 96 ", " 96 " + "97 " * 9000),
        "extensions": head + video + "a=extmap:1 x\r\n" * 3000,
        "attributes": head + video + "a=ssrc-group:SIM 1 2 3\r\na=rid:x send\r\n" * 1200,
    }  # fmt: skip
