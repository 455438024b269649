"""Clients that ask once to play or to publish, and tell how a server refuses."""

import asyncio
import re
import ssl
import time
from dataclasses import dataclass
from typing import Literal

from media_streamer.protocols.rtmp import amf
from media_streamer.protocols.rtmp.chunks import COMMAND, ChunkReader, write_message
from media_streamer.protocols.srt.libsrt import (
    MAX_MESSAGE_BYTES,
    Option,
    SrtError,
    SrtSocket,
    ffi,
)

Verb = Literal["play", "publish"]
MESSAGE_MS = 30_000
LATE = -1
"""Status of an SRT peer that was let in and then cut off: the decision took longer than a
handshake may be held up, as on a busy machine."""
LATE_SECONDS = 10.0
_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
_VIDEO = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 {codec}/90000\r\na=control:streamid=0\r\n"


@dataclass(frozen=True)
class Answer:
    """HTTP's status, or what stands for it in another protocol; 0 where nothing does."""

    status: int
    words: str


async def rtsp(port: int, path: str, verb: Verb = "play", codec: str = "H264") -> Answer:
    """DESCRIBE, or ANNOUNCE of one video."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        request = f"{'DESCRIBE' if verb == 'play' else 'ANNOUNCE'} rtsp://127.0.0.1:{port}/{path}"
        head, body = f"{request} RTSP/1.0\r\nCSeq: 1\r\n", ""
        if verb == "publish":
            body = _SDP + _VIDEO.format(codec=codec)
            head += f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}\r\n{body}".encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
    finally:
        writer.close()
    found = re.match(r"RTSP/1.0 (\d+) ", answer)
    assert found is not None, answer
    return Answer(int(found[1]), answer)


async def rtmp(port: int, name: str, verb: Verb = "play", *, tls: bool = False) -> Answer:
    """A publisher is refused by NetStream.Publish.BadName for whatever reason (status 0)."""
    context = ssl.create_default_context() if tls else None
    if context is not None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        writer.write(b"\x03" + bytes(1536))
        await reader.readexactly(1 + 2 * 1536)
        scheme = "rtmps" if tls else "rtmp"
        connect = {"app": "static", "tcUrl": f"{scheme}://127.0.0.1:{port}/static"}
        writer.write(bytes(1536))
        for values, stream in (
            (("connect", 1, connect), 0),
            (("createStream", 2, None), 0),
            ((verb, 3, None, name, *(["live"] if verb == "publish" else [])), 1),
        ):
            payload = amf.encode(*values)
            writer.write(write_message(COMMAND, payload, stream=stream, chunk_bytes=128))
        chunks = ChunkReader(1 << 24)
        while data := await reader.read(65536):
            for message in chunks.feed(data):
                if message.kind != COMMAND:
                    continue
                told = amf.decode(message.payload)
                if told[0] != "onStatus":
                    continue
                assert told[3]["level"] == "error", told
                code = told[3]["code"]
                expected = "NetStream.Publish.BadName"
                assert verb == "play" or code == expected, code
                missing = code == "NetStream.Play.StreamNotFound"
                return Answer(404 if missing else 0, f"{told[3]['description']}")
    finally:
        writer.close()
    raise AssertionError("closed without a word")


async def srt(
    port: int, stream_id: str, passphrase: str = "", *, may_be_late: bool = False
) -> Answer:
    """Of the words there is a code only. `may_be_late`: who is let in waits for being cut off."""

    def connect() -> Answer:
        sock = SrtSocket.blocking(1000)
        try:
            sock.set_flag(Option.STREAMID, stream_id)
            if passphrase:
                sock.set_flag(Option.PASSPHRASE, passphrase)
            sock.connect("127.0.0.1", port)
            if may_be_late:
                return is_cut_off(sock)
        except SrtError as error:
            found = re.search(r"refused with (\d+)", str(error))
            return Answer(int(found[1]) if found else 0, str(error))
        finally:
            sock.close()
        raise AssertionError("it was let in")

    def is_cut_off(sock: SrtSocket) -> Answer:
        buffer, deadline = ffi.new("char[]", MAX_MESSAGE_BYTES), time.monotonic() + LATE_SECONDS
        try:
            while time.monotonic() < deadline:
                if sock.receive(buffer):
                    break
        except SrtError as error:
            return Answer(LATE, f"let in, and cut off: {error}")
        raise AssertionError("it was let in")

    return await asyncio.to_thread(connect)


async def srt_message(port: int, stream_id: str, passphrase: str) -> bytes:
    """The first message of who is let in to play; raises SrtError."""

    def receive() -> bytes:
        sock = SrtSocket.blocking(MESSAGE_MS)
        try:
            if stream_id:
                sock.set_flag(Option.STREAMID, stream_id)
            sock.set_flag(Option.PASSPHRASE, passphrase)
            sock.connect("127.0.0.1", port)
            return sock.receive(ffi.new("char[]", MAX_MESSAGE_BYTES)) or b""
        finally:
            sock.close()

    return await asyncio.to_thread(receive)


async def http_ts(port: int, path: str, method: str) -> Answer:
    """A publisher who begins to send before it is answered, as they all do."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
            "Content-Type: video/mp2t\r\n\r\n".encode()
        )
        for _ in range(50):
            writer.write(b"bc\r\n" + b"\x47\x1f\xff\x10" + bytes(184) + b"\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1])) if length else b""
    finally:
        writer.close()
    return Answer(int(head.split()[1]), body.decode())
