"""Names from URLs, and the answers of a server."""

import pytest
from media_streamer.protocols.rtmp import amf
from media_streamer.protocols.rtmp.chunks import COMMAND, COMMAND_AMF3, ChunkReader, Message
from media_streamer.protocols.rtmp.commands import (
    connect_answer,
    connect_refusal,
    form_for,
    read_command,
    stream_path,
    write_status,
)


@pytest.mark.parametrize(
    ("app", "name", "names"),
    [
        ("client15", "published1", ["client15/published1"]),
        ("a/b", "c/d", ["a/b/c/d"]),
        ("static", "cam", ["cam", "static/cam"]),
        ("static/x", "cam", ["x/cam", "static/x/cam"]),
        ("rtmp", "cam", ["cam", "rtmp/cam"]),
        ("live/", "/cam/", ["live/cam"]),
        ("cam", "", ["cam"]),
        ("", "cam", ["cam"]),
        ("static", "", ["static"]),
        ("", "", [""]),
        ("live", "mp4:cam", ["live/cam"]),
        ("live", "cam%20a", ["live/cam a"]),
    ],
)
def test_names(app: str, name: str, names: list[str]) -> None:
    assert stream_path(app, name).names == names


def test_queries() -> None:
    path = stream_path("live?token=app", "cam?password=a%20b&token=t&x=")
    assert path.names == ["live/cam"]
    assert path.parameters == {"password": "a b", "token": "t", "x": ""}
    assert path.query == "password=a%20b&token=t&x=&token=app"


def read(data: bytes) -> list[object]:
    (message,) = ChunkReader().feed(data[:12] + data[12:]) if len(data) < 140 else _big(data)
    return amf.decode(message.payload)


def _big(data: bytes) -> list[Message]:
    reader = ChunkReader()
    reader._chunk_bytes = 65536
    return reader.feed(data)


def test_commands_are_read() -> None:
    payload = amf.encode("play", 4, None, "name", -2000, -1, True)
    command = read_command(Message(COMMAND, 0, 1, payload))
    assert command is not None
    assert (command.name, command.transaction, command.stream) == ("play", 4.0, 1)
    assert command.text(0) == "name"
    assert command.text(1) == ""
    assert command.text(9) == ""
    assert command.flag(3)
    assert read_command(Message(COMMAND_AMF3, 0, 1, b"\0" + payload)) == command
    assert read_command(Message(COMMAND, 0, 0, amf.encode(5.0))) is None
    assert read_command(Message(COMMAND, 0, 0, b"")) is None


def test_connect_is_answered_in_kind() -> None:
    plain = read_command(Message(COMMAND, 0, 0, amf.encode("connect", 1, {"app": "live"})))
    assert plain is not None
    name, transaction, _, info = read(connect_answer(plain))
    assert (name, transaction) == ("_result", 1.0)
    assert isinstance(info, dict)
    assert info["code"] == "NetConnection.Connect.Success"
    assert "capsEx" not in info
    enhanced = read_command(
        Message(COMMAND, 0, 0, amf.encode("connect", 1, {"app": "a", "fourCcList": ["hvc1"]}))
    )
    assert enhanced is not None
    info = read(connect_answer(enhanced))[3]
    assert isinstance(info, dict)
    assert info["fourCcList"] == ["*"]
    refusal = read(connect_refusal(plain, "because"))
    assert refusal[0] == "_error"


def test_status() -> None:
    values = read(write_status("NetStream.Play.Start", "x", stream=1))
    assert values == [
        "onStatus",
        0.0,
        None,
        {"level": "status", "code": "NetStream.Play.Start", "description": "x"},
    ]


@pytest.mark.parametrize(
    ("said", "form"),
    [({}, "flv"), ({"capsEx": 2.0}, "flv_tracks"), ({"capsEx": 7.0}, "flv_tracks"),
     ({"capsEx": 5.0}, "flv"), ({"capsEx": -2.0}, "flv"), ({"capsEx": float("nan")}, "flv"),
     ({"capsEx": 1e300}, "flv"), ({"capsEx": "2"}, "flv")],
)  # fmt: skip
def test_who_takes_several_tracks(said: dict[str, object], form: str) -> None:
    assert form_for(said) == form
