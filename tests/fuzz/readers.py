"""Pure readers of what strangers send, each with valid beginnings."""

import struct
from collections.abc import Callable, Hashable

from media_streamer.config.binder import parse as parse_config
from media_streamer.egress.http import routes
from media_streamer.media.canonical import CODECS, Canonicalizer
from media_streamer.media.mux import psi
from media_streamer.protocols.flv import body as flv_body
from media_streamer.protocols.flv.reader import FlvReader
from media_streamer.protocols.flv.watch import FlvWatch
from media_streamer.protocols.hls import remote
from media_streamer.protocols.rtmp import amf, amf3
from media_streamer.protocols.rtmp.chunks import (
    COMMAND,
    SET_CHUNK_SIZE,
    VIDEO,
    ChunkError,
    ChunkReader,
    write_control,
    write_event,
    write_message,
)
from media_streamer.protocols.rtmp.commands import read_command, stream_path
from media_streamer.protocols.rtmp.handshake import Handshake, HandshakeError
from media_streamer.protocols.srt import stream_id
from media_streamer.protocols.ts.watch import TsWatch
from media_streamer.syntax import boxes, codec_strings, mpeg_audio, nal, obu, records
from media_streamer.wire.control import SUPERVISOR_SIDE
from media_streamer.wire.encoding import encode
from media_streamer.wire.media import PublishedFrame, TrackSetup

from tests.fuzz.engine import Target
from tests.fuzz.pieces import portions, size, text

UNFINISHED = 256 * 1024
# RTMP


def rtmp_handshake(data: bytes) -> Hashable:
    shake = Handshake()
    answered = sum(len(shake.feed(part)) for part in portions(data) if not shake.done)
    return shake.done, answered


def rtmp_chunks(data: bytes) -> Hashable:
    reader, kinds = ChunkReader(max_unfinished_bytes=UNFINISHED), set[int]()
    for part in portions(data):
        messages = reader.feed(part, 50)
        while messages or reader.has_more:
            kinds.update(message.kind for message in messages)
            messages = reader.feed(b"", 50) if reader.has_more else []
        assert reader.held <= UNFINISHED + 2 * len(data), "more is kept than was sent"
    return tuple(sorted(kinds))


def rtmp_commands(data: bytes) -> Hashable:
    reader, names = ChunkReader(), []
    for message in reader.feed(data):
        if message.kind in (COMMAND, 17) and (command := read_command(message)) is not None:
            path = stream_path(str(command.object.get("app", "")), command.text(0))
            assert path.names
            command.flag(3)
            names.append(command.name[:8])
    return tuple(names)


def amf0(data: bytes) -> Hashable:
    return tuple(type(value).__name__ for value in amf.decode(data)[:8])


def amf_3(data: bytes) -> Hashable:
    value, end = amf3.decode(data, 0)
    assert end <= len(data)
    return type(value).__name__, size(end)


# Containers


class Frames:
    """Takes what the reader of a publisher gives."""

    def __init__(self) -> None:
        self.codecs: list[str] = []
        self.count = 0

    def tracks(self, tracks: list[TrackSetup], complete: bool) -> None:
        self.codecs = [track.codec for track in tracks]

    def frames(self, frames: list[PublishedFrame]) -> None:
        self.count += len(frames)


def flv_reader(data: bytes) -> Hashable:
    sink = Frames()
    reader = FlvReader(sink)
    position = 0
    while position + 4 <= len(data):
        length = int.from_bytes(data[position + 1 : position + 3])
        body = data[position + 4 : position + 4 + length]
        reader.take(8 + data[position] % 2, data[position + 3], body)
        position += 4 + length
    reader.metadata({"videocodecid": data[:4], "framerate": float("nan"), "videodatarate": "x"})
    reader.flush()
    return tuple(sink.codecs), size(sink.count), size(reader.broken)


def publisher_frames(data: bytes) -> Hashable:
    """Configurations and frames of a publisher, by the first byte's codec."""
    codecs = sorted(CODECS)
    codec, parts = codecs[data[0] % len(codecs)] if data else codecs[0], data[1:].split(b"|~|")
    one = Canonicalizer(codec, parts[0])
    made = [one.convert(part) for part in parts[1:]]
    for part in filter(None, made):
        if codec in nal.NAL_TYPES:
            nal.split_length_prefixed(part)
            nal.to_annex_b(part)
    return codec, tuple(part is None for part in made), one.changed


def flv_watch(data: bytes) -> Hashable:
    watch, passed, cuts = FlvWatch(), 0, 0
    for part in portions(data):
        ready, cut = watch.feed(part)
        passed += len(ready)
        if cut is not None:
            watch, cuts = FlvWatch(), cuts + 1
    return size(passed + len(watch.finish())), cuts


def ts_watch(data: bytes) -> Hashable:
    watch, cuts = TsWatch(frozenset({1})), 0
    for part in portions(data):
        _, cut = watch.feed(part)
        cuts += cut is not None
        watch.settle(frozenset({256}))
    watch.finish()
    return len(watch.streams), watch.has_programs, cuts


def configurations(data: bytes) -> Hashable:
    """Decoder configurations of publishers, by their first byte."""
    rest = data[1:]
    readers: list[Callable[[], object]] = [
        lambda: nal.parameter_sets("h264", rest),
        lambda: nal.parameter_sets("hevc", rest),
        lambda: nal.split_length_prefixed(rest),
        lambda: nal.split_annex_b(rest),
        lambda: records.record("h264", nal.split_annex_b(rest)),
        lambda: records.record("hevc", nal.split_annex_b(rest)),
        lambda: list(obu.split(rest)),
        lambda: list(mpeg_audio.split(rest)),
        lambda: list(boxes.boxes(rest)),
        lambda: codec_strings.codec_string(rest),
        lambda: codec_strings.decoder_config(rest),
        lambda: flv_body.read(flv_body.VIDEO, rest),
        lambda: flv_body.read(flv_body.AUDIO, rest),
    ]
    index = (data[0] if data else 0) % len(readers)
    found = readers[index]()
    return index, size(len(found)) if isinstance(found, list | str | bytes | tuple) else None


def srt_stream_id(data: bytes) -> Hashable:
    found = stream_id.parse(text(data))
    return found.mode, size(len(found.name))


def http_targets(data: bytes) -> Hashable:
    raw_path, _, raw_query = routes.wire_text(text(data)).partition("?")
    path = routes.decode_path(raw_path)
    assert ".." not in path.split("/")
    return size(len(path)), len(routes.parse_query(raw_query))


def hls_playlist(data: bytes) -> Hashable:
    found = remote.settle(data, "http://198.51.100.1/live/index.m3u8")
    for child in found.children:
        assert child.startswith(("http://", "https://")), child
    return size(len(found.data)), len(found.children)


def configuration(data: bytes) -> Hashable:
    parsed = parse_config(data.decode("utf-8", "replace"))
    codes = {problem.code for problem in (*parsed.errors, *parsed.warnings)}
    return tuple(sorted(codes)), len(parsed.config.streams)


def worker_messages(data: bytes) -> Hashable:
    return type(SUPERVISOR_SIDE.decoder.decode(data)).__name__


def _flv(kind: int, body: bytes, timestamp: int = 0) -> bytes:
    head = struct.pack(">BI", kind, len(body))[:1] + len(body).to_bytes(3)
    return head + timestamp.to_bytes(3) + bytes(4) + body + (11 + len(body)).to_bytes(4)


def _tag(body: bytes, kind: int = 9) -> bytes:
    return bytes([kind - 8]) + len(body).to_bytes(2) + b"\0" + body


AVCC = bytes.fromhex("0142000a ffe10009 6742000a 96530589 88 010004 68c96388")
AVC_CONFIG = b"\x17\0\0\0\0" + AVCC
AVC_FRAME = b"\x17\1\0\0\0" + b"\0\0\0\4\x65abc"
AAC_CONFIG = b"\xaf\0\x12\x10"
ENHANCED = b"\x90hvc1" + bytes.fromhex("0101600000009000000000005df000fcfdf8f800000f03")
MULTITRACK = b"\x96\x11avc1\0\0\0\x08" + AVCC[:8]
CONNECT = write_message(
    COMMAND, amf.encode("connect", 1, {"app": "live", "tcUrl": "rtmp://h/live"}), chunk_bytes=128
)
PLAY = write_message(COMMAND, amf.encode("play", 2, None, "name?token=1", -2, True), stream=1)
AMF3_VALUES = (
    b"\x0a\x0b\x01\x07key\x06\x05ab\x01",
    b"\x09\x05\x01\x04\x01\x04\x02",
    b"\x0a\x23\x05a\x05b\x07c\x04\x01\x0a\x00",
    b"\x08\x01" + bytes(8),
    b"\x0c\x07abc",
)
PLAYLISTS = (
    b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:4,\na.ts\n",
    b'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",URI="audio.m3u8"\n'
    b"#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://192.0.2.1/v.m3u8?x=1\n",
    b'#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\n#EXT-X-KEY:METHOD=AES-128,URI="../k"\n#EXTINF:1\nb\n',
)
CONFIGURATIONS = (
    b'http 8080;\nedit_auth admin secret;\nstream a { input fake://fake; title "A"; }\n',
    b"template t { prefix live; input publish://; on_play http://h/x; }\n# note\n"
    b"listeners { srt 9998; }\nstream b { transcoder vb=2048k size=1280x720; dvr /d 1d; }\n",
    b"vod files { storage /srv; }\nauth_backend x { allow ip 10.0.0.0/8; deny default; }\n",
)


PMT = psi.section(2, 1, 0, bytes.fromhex("e100f000 1be100f000 0fe101f000"))


def targets() -> list[Target]:
    """All of them."""
    shake = b"\x03" + bytes(1536) + bytes(1536)
    ts = psi.packet(0, psi.pat(), 0) + psi.packet(psi.PMT_PID, PMT, 0)
    return [
        Target("rtmp_handshake", rtmp_handshake, [b"\4" + shake, b"\0" + shake], (HandshakeError,)),
        Target(
            "rtmp_chunks",
            rtmp_chunks,
            [
                b"\4" + CONNECT + PLAY,
                b"\1" + write_control(SET_CHUNK_SIZE, 4096) + write_message(VIDEO, bytes(9000)),
                b"\2" + write_event(6, 1) + write_message(VIDEO, bytes(700), chunk_bytes=128),
            ],
            (ChunkError,),
            (b"\x02\0\0\0\0\0\4\1\0\0\0\0\0\0\x10\0", b"\xc3", b"\xff\xff\xff", b"\0\0", b"\1\0\0"),
        ),
        Target(
            "rtmp_commands",
            rtmp_commands,
            [CONNECT + PLAY],
            (ChunkError, amf.AmfError),
            (b"\x11\x0a\x0b\x01", b"\3", b"\0\0\x09", b"\x08\0\0\0\1", b"play", b"publish"),
        ),
        Target(
            "amf0",
            amf0,
            [amf.encode("a", 1, None, {"k": [1, True]}), b"\x11" + AMF3_VALUES[0]],
            (amf.AmfError,),
            (b"\0\0\x09", b"\x0a\0\0\0\1", b"\x11", b"\x10\0\1a"),
        ),
        Target(
            "amf3", amf_3, AMF3_VALUES, (amf.AmfError,), (b"\x0a", b"\x09", b"\xff\xff\xff\xff")
        ),
        Target(
            "flv_reader",
            flv_reader,
            [
                b"".join(map(_tag, (AVC_CONFIG, AVC_FRAME, ENHANCED, MULTITRACK)))
                + _tag(AAC_CONFIG, 8)
                + _tag(b"\xaf\1xyz", 8)
                + _tag(b"\x90Opus" + bytes(20), 8)
            ],
            (),
            (b"hvc1", b"av01", b"vp09", b"Opus", b"fLaC", b"ac-3", b"mp4a"),
        ),
        Target(
            "publisher_frames",
            publisher_frames,
            [bytes([n]) + AVCC + b"|~|" + AVC_FRAME[5:] * 3 for n in range(len(CODECS))],
            (),
            (b"|~|", b"\0\0\0\1", b"\0\0\1", b"\x12\0", b"\xff\xf1\x50\x80", b"\x56\xe0"),
        ),
        Target(
            "flv_watch",
            flv_watch,
            [
                b"\3FLV\1\5\0\0\0\x09\0\0\0\0"
                + _flv(9, AVC_CONFIG)
                + _flv(8, AAC_CONFIG)
                + _flv(9, AVC_FRAME, 40)
                + _flv(9, ENHANCED, 80)
            ],
        ),
        Target(
            "ts_watch",
            ts_watch,
            [b"\2" + ts * 3, b"\4" + ts + b"\x47\1\0\x30\7\x50" + bytes(182)],
            (),
            (b"\x47\x40\0\x10\0", b"\x47\x50\0\x10\0"),
        ),
        Target(
            "configurations",
            configurations,
            [bytes([n]) + AVCC for n in range(13)]
            + [b"\5\0\0\0\1\x40\1\x0c\0\0\0\1\x42\1\1\1\x60"],
            (ValueError,),
            (b"\0\0\1", b"\0\0\0\1"),
        ),
        Target(
            "srt_stream_id",
            srt_stream_id,
            [b"#!::r=live/a,m=publish,u=x,token=y", b"live/a?token=x"],
            (stream_id.BadStreamId,),
            (b"#!::", b"m=", b",", b"=", b"?", b"%"),
        ),
        Target(
            "http_targets",
            http_targets,
            [b"/a/b/index.m3u8?token=a%20b&x=1"],
            (routes.BadPath,),
            (b"%00", b"%2e%2e", b"..", b"//", b"\\", b"%ff", b"?", b"&", b"="),
        ),
        Target(
            "hls_playlist",
            hls_playlist,
            PLAYLISTS,
            (remote.PlaylistError,),
            (b"#EXT-X-MEDIA:", b"#EXTM3U\n", b'URI="', b"file:///", b"http://", b"\n", b"["),
        ),
        Target(
            "configuration",
            configuration,
            CONFIGURATIONS,
            (),
            (b"{", b"}", b";", b'"', b"\\", b"#", b"stream x { ", b"input ", b"=", b"%s"),
        ),
        Target(
            "worker_messages",
            worker_messages,
            [encode(["Heartbeat"]), encode(["Hello", "media", "0", 1])],
            (Exception,),
        ),
    ]
