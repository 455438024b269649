"""Refusals of WHEP and WHIP."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.hub import Hub
from media_streamer.protocols.webrtc import http
from media_streamer.protocols.webrtc.offer import OfferError


def request(**headers: str) -> MediaRequest:
    mocked = make_mocked_request("POST", "/film/whep", headers=headers)
    return MediaRequest(mocked, "film", {}, {}, "192.0.2.1", "token")


async def refused(error: Exception) -> web.Response:
    async def handler(_: MediaRequest) -> web.StreamResponse:
        raise error

    found: Any = await http._guarded(Egress(Hub(Path())), handler)(request())
    return found


async def test_a_refusal_is_for_people_and_programs() -> None:
    answer = await refused(AccessDenied(503, "no_data", "The stream is not running now"))
    assert (answer.status, answer.content_type) == (503, "application/problem+json")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Retry-After"]
    problem = json.loads(answer.text or "")
    assert (problem["status"], problem["error"]) == (503, "no_data")
    assert problem["title"] == "The stream is not running now"


async def test_an_offer_that_cannot_be_used_is_the_clients_mistake() -> None:
    answer = await refused(OfferError("no fingerprint"))
    assert answer.status == 400
    assert "no fingerprint" in (answer.text or "")


async def test_a_redirect_takes_the_offer_along() -> None:
    with pytest.raises(AccessDenied) as moved:
        await refused(AccessDenied(302, "redirect", "elsewhere", "http://192.0.2.2/film/whep"))
    assert (moved.value.status, moved.value.location) == (307, "http://192.0.2.2/film/whep")


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer t0ken", "t0ken"), ("bearer  t0ken ", "t0ken"), ("Basic YTpi", ""), ("", "")],
)
def test_bearer_is_token_and_password(header: str, token: str) -> None:
    headers = {"Authorization": header} if header else {}
    asked = http.access_request(request(**headers), "publish")
    assert (asked.token, asked.password, asked.proto) == (token, token, "webrtc")
