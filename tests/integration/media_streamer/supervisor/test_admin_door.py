"""The administrator's own port, whose certificate has run out; addresses that viewers are told."""

import contextlib
import ssl

import pytest
from aiohttp import ClientConnectorCertificateError, ClientError

from tests.support.certificates import make_expired
from tests.support.ports import free_port
from tests.support.streamer import ADMIN
from tests.support.webrtc_offers import browser

from .conftest import Streamer, until

OUTSIDE = "203.0.113.9"


async def test_the_administrator_has_a_port_of_his_own(streamer: Streamer) -> None:
    port = free_port()
    old = make_expired(streamer.directory, "old")
    streamer.write(
        f"admin_https 127.0.0.1:{port} {{ certificate old.crt; certificate_key old.key; }}\n"
        f"webrtc_addresses {OUTSIDE};\nadmin_view_disabled true;\n"
        "stream demo { input fake://fake; meta place Delft; }\n"
        "stream closed { input copy://demo; on_play false; }\n"
    )
    await streamer.start()
    api = f"https://127.0.0.1:{port}/streamer/api/v3"

    async def ready() -> bool:
        with contextlib.suppress(ClientError):
            url = f"{api}/monitoring/readiness"
            async with streamer.session.get(url, ssl=False) as answer:
                return answer.status == 200
        return False

    await until(ready, "the administrator's port answers")
    trusting = ssl.create_default_context(cafile=str(old))
    with pytest.raises(ClientConnectorCertificateError, match="expired"):
        await streamer.session.get(f"{api}/streams", headers=ADMIN, ssl=trusting)
    async with streamer.session.get(f"{api}/config/stats", headers=ADMIN, ssl=False) as answer:
        assert "has run out" in (await answer.json())["text_alerts"]["certificates"]
    # The other ports have no API any more, and serve media.
    async with streamer.session.get(f"{streamer.base}/streamer/api/v3/streams") as answer:
        assert answer.status == 404

    async def runs() -> dict[str, object] | None:
        url = f"{api}/streams/demo"
        async with streamer.session.get(url, headers=ADMIN, ssl=False) as answer:
            stream: dict[str, object] = await answer.json()
        return stream if dict(stream["stats"]).get("alive") else None

    stream = await until(runs, "demo runs", 60)
    assert stream["meta"] == {"place": "Delft"}
    for login in (ADMIN, {}):
        url = f"{streamer.base}/closed/index.m3u8"
        async with streamer.session.get(url, headers=login) as answer:
            assert answer.status == 403, "an administrator watches past the rules"
    body, kind = browser(), {"Content-Type": "application/sdp"}
    async with streamer.session.post(f"{streamer.base}/demo/whep", data=body, headers=kind) as told:
        assert told.status == 201
        candidates = [one for one in (await told.text()).splitlines() if "candidate:" in one]
    assert candidates
    assert all(OUTSIDE in one for one in candidates)
