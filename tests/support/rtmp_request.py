"""Minimal RTMP clients: what they say until the media flows (Adobe RTMP 1.0, sections 5.2, 7.2).

Blocking sockets and nothing more, so that a measuring client adds no time of its own.
"""

import socket
from collections.abc import Mapping

from media_streamer.protocols.rtmp import amf
from media_streamer.protocols.rtmp.chunks import (
    COMMAND,
    DEFAULT_CHUNK_BYTES,
    SET_CHUNK_SIZE,
    write_control,
    write_message,
)

HANDSHAKE_BYTES = 1536
TIMEOUT_SECONDS = 20.0
FIRST_MEDIA_STREAM = 1
"""What every server answers to the first createStream of a connection."""


def play(host: str, port: int, app: str, name: str, **said: object) -> socket.socket:
    """A connected socket on which `app/name` was asked for; the answers are still to be read.

    `said`: what else `connect` tells of the client.
    """
    commands = _command("createStream", 2, None)
    commands += _command("play", 3, None, name, stream=FIRST_MEDIA_STREAM)
    return _connect(host, port, app, commands, said)


def publish(host: str, port: int, app: str, name: str, chunk_bytes: int) -> socket.socket:
    """A connected socket that media may be written to, in chunks of `chunk_bytes`.

    Raises ConnectionError if publishing is refused.
    """
    commands = _command("createStream", 2, None)
    commands += _command("publish", 3, None, name, "live", stream=FIRST_MEDIA_STREAM)
    sock = _connect(host, port, app, commands)
    try:
        answer = b""
        while b"NetStream.Publish." not in answer:
            answer += _read(sock)
        if b"NetStream.Publish.Start" not in answer:
            raise ConnectionError(f"publishing {name} was refused")
        sock.sendall(write_control(SET_CHUNK_SIZE, chunk_bytes))
    except BaseException:
        sock.close()
        raise
    return sock


def _connect(
    host: str, port: int, app: str, commands: bytes, said: Mapping[str, object] | None = None
) -> socket.socket:
    sock = socket.create_connection((host, port), TIMEOUT_SECONDS)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(b"\x03" + bytes(HANDSHAKE_BYTES))
        _read_exactly(sock, 1 + 2 * HANDSHAKE_BYTES)
        connect: dict[str, object] = {
            "app": app,
            "flashVer": "bench",
            "tcUrl": f"rtmp://{host}:{port}/{app}",
        }
        connect |= said or {}
        sock.sendall(bytes(HANDSHAKE_BYTES) + _command("connect", 1, connect) + commands)
    except BaseException:
        sock.close()
        raise
    return sock


def _command(*values: object, stream: int = 0) -> bytes:
    payload = amf.encode(*values)
    return write_message(COMMAND, payload, stream=stream, chunk_bytes=DEFAULT_CHUNK_BYTES)


def _read_exactly(sock: socket.socket, count: int) -> None:
    while count:
        count -= len(_read(sock, count))


def _read(sock: socket.socket, count: int = 65536) -> bytes:
    data = sock.recv(count)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data
