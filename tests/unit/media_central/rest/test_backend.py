"""What a streamer must run where its streams name Secrets."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from media_central.rest import backend
from media_central.rest.context import CONTEXT, Context
from media_central.rest.tagged import TaggedAnswers
from media_central.store.port import Kind, Record, UnreadError

PLACED = Record(Kind.STREAM, "cam", {"name": "cam"}, {"ingest": "pod-0"}, 1, 0, 0)
STREAMER = Record(Kind.STREAMER, "pod-0", {"hostname": "pod-0"}, None, 1, 0, 0)


class Store:
    """Of one stream, whose Secret says `url`; None: it was not read."""

    def __init__(self) -> None:
        self.url: str | None = None
        self.readable: str | None = None
        self.secrets_version = 0

    def all(self, _: Kind) -> list[Record]:
        return [PLACED]

    def get(self, _: Kind, __: str) -> Record:
        return STREAMER

    def told(self, stream: Record) -> dict[str, Any]:
        if self.url is None:
            raise UnreadError("not read")
        return {**stream.config, "inputs": [{"url": self.url}]}

    async def read_secrets(self) -> None:
        self.url = self.readable


class Central:
    def __init__(self) -> None:
        self.store = Store()
        settings = SimpleNamespace(config_external_reconciliation_interval=2.0)
        known = {"settings": settings, "store": self.store, "backend_answers": TaggedAnswers()}
        self.app = web.Application()
        self.app[CONTEXT] = cast(Context, SimpleNamespace(**known))

    async def inputs(self) -> list[dict[str, str]]:
        request = make_mocked_request("GET", "/", app=self.app, match_info={"hostname": "pod-0"})
        answer = cast(web.Response, await backend.must_run(request))
        assert isinstance(answer.body, bytes)
        return list(json.loads(answer.body)["streams"][0]["inputs"])


async def test_a_streamer_waits_for_a_secret_and_is_never_told_less() -> None:
    central = Central()
    with pytest.raises(UnreadError):
        await central.inputs()
    central.store.readable = "rtsp://u:p@cam"
    assert await central.inputs() == [{"url": "rtsp://u:p@cam"}]


async def test_a_rotated_secret_is_told_though_no_record_changed() -> None:
    central = Central()
    central.store.url = "rtsp://u:1@cam"
    assert await central.inputs() == [{"url": "rtsp://u:1@cam"}]
    central.store.url = "rtsp://u:2@cam"
    assert await central.inputs() == [{"url": "rtsp://u:1@cam"}], "nothing says that it changed"
    central.store.secrets_version += 1
    assert await central.inputs() == [{"url": "rtsp://u:2@cam"}]
