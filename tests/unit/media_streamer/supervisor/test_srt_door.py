"""What a peer by SRT is refused for before its handshake is done."""

from typing import Any

import pytest
from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_streamer.supervisor.catalog import Stream
from media_streamer.supervisor.sessions import Session
from media_streamer.supervisor.srt_ports import SrtDoor, SrtPorts
from media_streamer.wire.control import AccessKind, Refusal, SrtQuestion, SrtTerms

PUBLISHED = [{"url": "publish://"}]
PULLED = [*PUBLISHED, {"url": "fake://fake"}]


def publisher(first_byte_at: float | None) -> Session:
    return Session("id", "cam", "publish", "srt", "192.0.2.1", first_byte_at=first_byte_at)


async def answer(
    mode: AccessKind, options: dict[str, Any], sessions: list[Session]
) -> SrtTerms | Refusal:
    class Known:
        async def find(self, name: str, kind: str) -> Stream | None:
            config = StreamConfig.model_validate({"name": name, **options})
            return Stream(name, "config", {}, config)

        def of_stream(self, name: str, kind: str = "play") -> list[Session]:
            assert (name, kind) == ("cam", "publish")
            return sessions

    ports = SrtPorts()
    ports.set_server(ServerConfig.model_validate({"srt": 9998}))
    return await SrtDoor(ports, Known(), Known()).answer(SrtQuestion("", 9998, "cam", mode))


@pytest.mark.parametrize(
    ("mode", "options", "sessions", "status"),
    [
        ("publish", {"inputs": PUBLISHED}, [], 0),
        ("publish", {"inputs": PUBLISHED}, [publisher(5.0)], 409),
        ("publish", {"inputs": PUBLISHED}, [publisher(None)], 0),
        ("play", {"inputs": PUBLISHED}, [], 503),
        ("play", {"inputs": PUBLISHED}, [publisher(None)], 0),
        ("play", {"inputs": PUBLISHED, "backup": {"file": "vod/a.mp4"}}, [], 0),
        ("play", {"inputs": PULLED}, [], 0),
        ("play", {"inputs": PUBLISHED, "disabled": True}, [], 0),
    ],
)
async def test_the_refusal(
    mode: AccessKind, options: dict[str, Any], sessions: list[Session], status: int
) -> None:
    told = await answer(mode, options, sessions)
    if status:
        assert isinstance(told, Refusal)
        assert told.status == status
    else:
        assert isinstance(told, SrtTerms)


async def test_that_somebody_publishes_is_told_behind_the_passphrase() -> None:
    options = {"inputs": PUBLISHED, "srt_publish": {"passphrase": "of-the-publisher"}}
    told = await answer("publish", options, [publisher(5.0)])
    assert isinstance(told, SrtTerms)
    assert told.refusal is not None
    assert told.refusal.status == 409
    told = await answer("publish", options, [])
    assert isinstance(told, SrtTerms)
    assert told.refusal is None
