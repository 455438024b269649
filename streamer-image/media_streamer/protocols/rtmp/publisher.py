"""The client's side of RTMP: from the handshake to leave to publish (Adobe RTMP 1.0, section 7).

    handshake -> connect -> releaseStream, FCPublish, createStream -> publish -> media

Invariants: what the server may send is bounded as what a client may; every step ends within the
time that the caller gives; the reason of a refusal is the server's own words.
"""

import asyncio
import os
import struct
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from media_streamer.protocols.rtmp.amf3 import AmfError
from media_streamer.protocols.rtmp.chunks import (
    ACKNOWLEDGEMENT,
    COMMAND,
    COMMAND_AMF3,
    OUT_CHUNK_BYTES,
    SET_CHUNK_SIZE,
    USER_CONTROL,
    WINDOW_ACKNOWLEDGEMENT_SIZE,
    ChunkError,
    ChunkReader,
    Message,
    write_control,
    write_event,
)
from media_streamer.protocols.rtmp.commands import (
    MEDIA_CHUNK_STREAM,
    MULTITRACK,
    Command,
    form_for,
    read_command,
    write_command,
)
from media_streamer.protocols.rtmp.handshake import PACKET_BYTES, VERSION

WINDOW_BYTES = 2_500_000
MIN_WINDOW_BYTES = 65536
PING_REQUEST, PING_RESPONSE = 6, 7  # section 6.2
CLOSE_SECONDS = 2.0
MAX_WORDS = 200
FLASH_VERSION = "FMLE/3.0 (compatible; media-appliance)"
"""Servers tell encoders by its beginning."""
FOUR_CC = ["av01", "vp09", "hvc1", "Opus"]
"""Of enhanced RTMP: what may be sent beyond H.264 and AAC."""
CONNECT, CREATE_STREAM, PUBLISH = 1, 4, 5

T = TypeVar("T")


class Refused(Exception):  # noqa: N818 - the server's decision
    """The server does not take the stream; the text is for people."""


@dataclass(frozen=True, slots=True)
class PublishUrl:
    """`rtmp://HOST[:PORT]/APP[/INSTANCE]/KEY[?QUERY]`, taken apart as FFmpeg does."""

    host: str
    port: int
    tls: bool
    application: str
    key: str = field(repr=False)
    """A secret, with most servers."""

    @classmethod
    def of(cls, url: str) -> "PublishUrl":
        """Raises ValueError with words for people."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            raise ValueError("the port of the URL is no number") from None
        if "@" in parts.netloc:
            raise ValueError(
                "a login before the host is not sent by RTMP: put it where the server wants it,"
                " in the key or its query"
            )
        names = [name for name in parts.path.split("/") if name]
        if not parts.hostname or not names:
            raise ValueError("the URL lacks the name to publish: write rtmp://HOST/APP/KEY")
        split = min(len(names) - 1, 2)
        key = "/".join(names[split:]) + (f"?{parts.query}" if parts.query else "")
        tls = parts.scheme == "rtmps"
        application = "/".join(names[:split])
        return cls(parts.hostname, port or (443 if tls else 1935), tls, application, key)

    @property
    def tc_url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"rtmp{'s' * self.tls}://{host}:{self.port}/{self.application}"


class RtmpPublisher(asyncio.Protocol):
    """One connection to a server; `publish` first, then `transport` takes messages of media."""

    transport: asyncio.Transport

    def __init__(self, url: PublishUrl) -> None:
        loop = asyncio.get_running_loop()
        self._url = url
        self._handshake = bytearray()
        self._has_sent_c2 = False
        self._is_open: asyncio.Future[None] = loop.create_future()
        self._answers: dict[int, asyncio.Future[Command]] = {}
        self._reader = ChunkReader()
        self._received = self._acknowledged = 0
        self._window = WINDOW_BYTES
        self._media_stream = 0
        self.form: Literal["flv", "flv_tracks"] = "flv"
        """What the server takes; known once it has given leave."""
        self.lost: asyncio.Future[str] = loop.create_future()
        """Done with the reason once the server takes no more."""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        c1 = struct.pack(">II", 0, 0) + os.urandom(PACKET_BYTES - 8)
        transport.write(bytes([VERSION]) + c1)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        try:
            if not self._is_open.done():
                data = self._shake_hands(data)
            if data:
                self._take(self._reader.feed(data))
        except (ChunkError, AmfError) as error:
            self._end(f"the server breaks RTMP: {error}")
            return
        if self._received - self._acknowledged >= self._window:
            self._acknowledged = self._received
            self._send(write_control(ACKNOWLEDGEMENT, self._received & 0xFFFFFFFF))

    def connection_lost(self, exc: Exception | None) -> None:
        gone = exc is None or isinstance(exc, ConnectionResetError | BrokenPipeError)
        self._end("the server closed the connection" if gone else f"connection lost: {exc}")

    # Steps

    async def publish(self) -> int:
        """Ask for leave; the number of the media stream. Raises Refused or ConnectionError."""
        await self._wait(self._is_open)
        application = {
            "app": self._url.application,
            "type": "nonprivate",
            "flashVer": FLASH_VERSION,
            "tcUrl": self._url.tc_url,
            "fourCcList": FOUR_CC,
            "capsEx": MULTITRACK,
        }
        self._send(
            write_control(SET_CHUNK_SIZE, OUT_CHUNK_BYTES)
            + write_control(WINDOW_ACKNOWLEDGEMENT_SIZE, WINDOW_BYTES)
            + write_command("connect", CONNECT, application)
        )
        self.form = form_for(_info(await self._answer(CONNECT, "connect")))
        self._send(
            write_command("releaseStream", 2, None, self._url.key)
            + write_command("FCPublish", 3, None, self._url.key)
            + write_command("createStream", CREATE_STREAM, None)
        )
        created = await self._answer(CREATE_STREAM, "createStream")
        number = created.arguments[0] if created.arguments else None
        if not isinstance(number, float) or not 0 < number < 2**31:
            raise Refused("the server answers createStream without a stream")
        self._media_stream = int(number)
        self._send(
            write_command(
                "publish",
                PUBLISH,
                None,
                self._url.key,
                "live",
                stream=self._media_stream,
                chunk_stream=MEDIA_CHUNK_STREAM,
            )
        )
        await self._answer(PUBLISH, "publish")
        return self._media_stream

    def close(self) -> None:
        """Say goodbye; the rest that is unsent has a moment."""
        if self._media_stream and not self.transport.is_closing():
            self._send(
                write_command("FCUnpublish", 6, None, self._url.key)
                + write_command("deleteStream", 7, None, self._media_stream)
            )
        self.transport.close()
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.transport.abort)

    async def _answer(self, number: int, what: str) -> Command:
        answer: asyncio.Future[Command] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            command = await self._wait(answer)
        finally:
            del self._answers[number]
        info = _info(command)
        if command.name == "_error" or info.get("level") == "error":
            raise Refused(f"the server refuses {what}: {_words(info)}")
        return command

    async def _wait(self, wanted: "asyncio.Future[T]") -> T:
        await asyncio.wait((wanted, self.lost), return_when=asyncio.FIRST_COMPLETED)
        if not wanted.done():
            raise ConnectionError(self.lost.result())
        return wanted.result()

    # What the server says

    def _shake_hands(self, data: bytes) -> bytes:
        """S0, S1, S2 -> C2 (section 5.2); what comes behind them."""
        buffer = self._handshake
        buffer += data
        if buffer[0] != VERSION:
            raise ChunkError(f"its first byte is {buffer[0]}")
        if len(buffer) >= 1 + PACKET_BYTES and not self._has_sent_c2:
            self._has_sent_c2 = True
            self._send(bytes(buffer[1 : 1 + PACKET_BYTES]))
        if len(buffer) < 1 + 2 * PACKET_BYTES:
            return b""
        self._is_open.set_result(None)
        return bytes(buffer[1 + 2 * PACKET_BYTES :])

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            if message.kind in (COMMAND, COMMAND_AMF3):
                if (command := read_command(message)) is not None:
                    self._run(command)
            elif message.kind == WINDOW_ACKNOWLEDGEMENT_SIZE and len(message.payload) >= 4:
                self._window = max(int.from_bytes(message.payload[:4]), MIN_WINDOW_BYTES)
            elif message.kind == USER_CONTROL and message.payload[:2] == b"\0\x06":
                self._send(write_event(PING_RESPONSE, int.from_bytes(message.payload[2:6])))

    def _run(self, command: Command) -> None:
        number = PUBLISH if command.name == "onStatus" else int(command.transaction)
        if command.name in ("_result", "_error", "onStatus"):
            answer = self._answers.get(number)
            if answer is not None and not answer.done():
                answer.set_result(command)
                return
        info = _info(command)
        code = str(info.get("code", ""))
        if command.name == "close" or (
            command.name == "onStatus"
            and (info.get("level") == "error" or code.endswith("Unpublish.Success"))
        ):
            self._end(f"the server ended it: {_words(info)}")

    def _send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def _end(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        self.transport.close()


def _info(command: Command) -> dict[str, object]:
    """The information object of an answer."""
    return next((value for value in command.arguments if isinstance(value, dict)), {})


def _words(info: dict[str, object]) -> str:
    """Code and description, with nothing in it that could end a line of the log."""
    found = (info.get("code"), info.get("description"))
    text = ": ".join(str(part) for part in found if part)[:MAX_WORDS]
    return "".join(c if c.isprintable() else " " for c in text) or "without a reason"
