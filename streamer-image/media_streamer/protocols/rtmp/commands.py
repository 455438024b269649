"""RTMP commands: reading them, and the answers of a server (Adobe RTMP 1.0, section 7)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, unquote

from media_streamer.protocols.rtmp import amf
from media_streamer.protocols.rtmp.chunks import (
    COMMAND,
    COMMAND_AMF3,
    COMMAND_CHUNK_STREAM,
    Message,
    write_message,
)

MEDIA_CHUNK_STREAM = 5  # status of a media stream travels beside its media
FMS_VERSION = "FMS/3,5,7,7009"
"""What clients take for a server that knows H.264; some compare it."""
CAPABILITIES = 31.0
# Enhanced RTMP v2, "Enhancing NetConnection connect": what a server that only forwards can do.
CAN_FORWARD = 0x04
MULTITRACK, MODEX = 0x02, 0x04


@dataclass(frozen=True, slots=True)
class Command:
    """One command: `object` is the command object, `arguments` what follows it."""

    name: str
    transaction: float
    object: dict[str, Any]
    arguments: list[Any]
    stream: int

    def text(self, index: int) -> str:
        """Argument `index` as text, empty if it is none."""
        value = self.arguments[index] if index < len(self.arguments) else None
        return value if isinstance(value, str) else ""

    def flag(self, index: int) -> bool:
        """Argument `index` as a boolean."""
        return bool(self.arguments[index]) if index < len(self.arguments) else False


def read_command(message: Message) -> Command | None:
    """The command in `message`; None if it is none. Raises AmfError."""
    payload = message.payload
    if message.kind == COMMAND_AMF3:
        # One byte (0: the values are AMF0, with a marker where AMF3 begins) comes first.
        payload = payload[1:]
    values = amf.decode(payload)
    if not values or not isinstance(values[0], str):
        return None
    transaction = values[1] if len(values) > 1 and isinstance(values[1], float) else 0.0
    first = values[2] if len(values) > 2 and isinstance(values[2], dict) else {}
    return Command(values[0], transaction, first, values[3:], message.stream)


def write_command(
    name: str, transaction: float, *values: Any, stream: int = 0, chunk_stream: int = 0
) -> bytes:
    """Chunks of one command."""
    return write_message(
        COMMAND,
        amf.encode(name, transaction, *values),
        stream=stream,
        chunk_stream=chunk_stream or COMMAND_CHUNK_STREAM,
    )


def write_status(
    code: str, description: str, *, level: str = "status", stream: int, details: str = ""
) -> bytes:
    """onStatus of a media stream (section 7.2.2)."""
    info = {"level": level, "code": code, "description": description}
    if details:
        info["details"] = details
    return write_command("onStatus", 0, None, info, stream=stream, chunk_stream=MEDIA_CHUNK_STREAM)


def connect_answer(command: Command) -> bytes:
    """_result of connect (section 7.2.1.1)."""
    encoding = 3 if command.object.get("objectEncoding") == 3 else 0
    properties: dict[str, Any] = {"fmsVer": FMS_VERSION, "capabilities": CAPABILITIES, "mode": 1}
    info: dict[str, Any] = {
        "level": "status",
        "code": "NetConnection.Connect.Success",
        "description": "Connection succeeded.",
        "objectEncoding": encoding,
    }
    enhanced = ("fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx")
    if any(key in command.object for key in enhanced):
        info |= {
            "fourCcList": ["*"],
            "videoFourCcInfoMap": {"*": CAN_FORWARD},
            "audioFourCcInfoMap": {"*": CAN_FORWARD},
            "capsEx": MULTITRACK | MODEX,
        }
    return write_command("_result", command.transaction, properties, info)


def connect_refusal(command: Command, description: str) -> bytes:
    """_error of connect."""
    info = {
        "level": "error",
        "code": "NetConnection.Connect.Rejected",
        "description": description,
    }
    return write_command("_error", command.transaction, None, info)


def form_for(capabilities: Mapping[str, Any]) -> Literal["flv", "flv_tracks"]:
    """The format for a peer, by what it says of itself in connect or in the answer to it: all
    tracks for who takes them, else the first of each kind."""
    said = capabilities.get("capsEx")
    takes_several = isinstance(said, float) and 0 <= said < 256 and int(said) & MULTITRACK
    return "flv_tracks" if takes_several else "flv"


@dataclass(frozen=True, slots=True)
class StreamPath:
    """What a client asks for: candidate names (the first that exists counts) and its query."""

    names: list[str]
    query: str
    parameters: dict[str, str] = field(default_factory=dict)


# Applications that are only a way to say "no application", if no stream is called so.
PLAIN_APPLICATIONS = ("static", "rtmp")
_FILE_PREFIXES = ("flv:", "mp4:", "mp3:")  # Flash players put the container there


def stream_path(application: str, name: str) -> StreamPath:
    """Stream of `app` and play or publish name; a query may hang on either."""
    app, _, app_query = application.partition("?")
    path, _, path_query = name.partition("?")
    for prefix in _FILE_PREFIXES:
        path = path.removeprefix(prefix)
    app, path = unquote(app.strip("/")), unquote(path.strip("/"))
    full = "/".join(part for part in (app, path) if part)
    names = [full]
    first, slash, rest = full.partition("/")
    if slash and first in PLAIN_APPLICATIONS:
        names = [rest, full]
    query = "&".join(part for part in (path_query, app_query) if part)
    parsed = parse_qs(query, keep_blank_values=True, max_num_fields=64)
    return StreamPath(names, query, {key: values[0] for key, values in parsed.items()})
