"""Writes of two people at once, trials, and the record of who changed what."""

import asyncio

import pytest

FAKE = {"inputs": [{"url": "fake://fake"}]}
KINDS = [
    ("/streams/a", FAKE, {"title": "one"}, {"title": "two"}),
    ("/streamers/a", {"api_url": "http://h:1"}, {"comment": "one"}, {"comment": "two"}),
    ("/load-balancers/a", {"mode": "clients"}, {"mode": "streams"}, {"mode": "usage"}),
    ("/auth_backends/a", {"allow_tokens": ["t"]}, {"allow_default": True}, {"deny_ips": ["::"]}),
]
ANY_KIND = pytest.mark.parametrize(("path", "body", "one", "two"), KINDS)


@pytest.fixture
def send(central):
    """(status, body, ETag)"""

    async def send(method, path, body=None, **headers):
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        async with central.api.http.request(
            method,
            central.api.base + path,
            json=body,
            headers={"Authorization": "Bearer test-api-key", **headers},
        ) as answer:
            text = await answer.text()
            return answer.status, await answer.json() if text else None, answer.headers.get("ETag")

    return send


@ANY_KIND
async def test_the_second_of_two_editors_gets_412_and_nothing_is_lost(send, path, body, one, two):
    await send("PUT", path, body)
    _, _, tag = await send("GET", path)
    assert (await send("PUT", path, one, If_Match=tag))[0] == 200
    status, error, _ = await send("PUT", path, two, If_Match=tag)
    assert (status, error["error"]) == (412, "precondition_failed")
    assert (await send("DELETE", path, If_Match=tag))[0] == 412
    _, now, tag = await send("GET", path)
    assert now.items() >= one.items()
    assert (await send("PUT", path, two, If_Match=f'"other", {tag}'))[0] == 200
    assert (await send("PUT", path, body, If_None_Match="*"))[0] == 412
    assert (await send("DELETE", path, If_Match="*"))[0] == 204
    assert (await send("PUT", path, one, If_Match="*"))[0] == 412
    assert (await send("GET", path))[0] == 404


async def test_a_tag_survives_what_is_no_change_of_the_configuration(send, eventually):
    _, _, first = await send("PUT", "/streams/a", FAKE)
    await asyncio.sleep(0.1)  # the layouter says that there is no streamer
    _, stream, second = await send("GET", "/streams/a")
    assert first == second
    assert stream["layout"]["message"]


@ANY_KIND
async def test_a_trial_saves_nothing(send, path, body, one, two):
    status, made, _ = await send("PUT", f"{path}?dry_run=true", {**body, **one})
    assert status == 200
    assert made.items() >= one.items()
    assert (await send("GET", path))[0] == 404
    await send("PUT", path, body)
    status, changed, _ = await send("PUT", f"{path}?dry_run=true", one)
    assert (status, changed.items() >= one.items()) == (200, True)
    assert not (await send("GET", path))[1].items() >= one.items()
    assert (await send("DELETE", f"{path}?dry_run=true"))[0] == 204
    assert (await send("GET", path))[0] == 200
    assert (await send("PUT", f"{path}?dry_run=perhaps", one))[0] == 400
    assert (await send("PUT", f"{path}?dry_run=true", {"name": "b c", "hostname": "b c"}))[0] == 400


@pytest.mark.parametrize("match", ["abc", '"'])
async def test_a_condition_that_says_nothing_is_refused(send, match):
    assert (await send("PUT", "/streams/a", FAKE, If_Match=match))[0] == 400
    assert (await send("GET", "/streams/a"))[0] == 404


async def test_the_audit_keeps_who_changed_what(central, send, database):
    secret = {"inputs": [{"url": "rtsp://u:hidden@192.0.2.1/"}]}
    await send("PUT", "/streams/a", secret)
    await send("PUT", "/streams/a", {"title": "T"})
    await send("PUT", "/streams/a", {"title": "T"})  # nothing new
    await send("DELETE", "/streams/a")
    await send("PUT", "/api_tokens/t", {"key": "0123456789abcdef"})
    await central.central.context.history.flush()
    async with database.acquire() as connection:
        rows = await connection.fetch("SELECT * FROM audit ORDER BY at")
    changes = [(row["method"], row["entity_type"], row["entity_id"]) for row in rows]
    assert changes == [
        ("PUT", "stream", "a"), ("PUT", "stream", "a"), ("DELETE", "stream", "a"),
        ("PUT", "api_token", "t"),
    ]  # fmt: skip
    assert (rows[0]["before"], rows[0]["after"]["name"]) == (None, "a")
    assert (rows[1]["before"].get("title"), rows[1]["after"]["title"]) == (None, "T")
    assert rows[2]["after"] is None
    assert {row["originator"] for row in rows} == {"API_KEY"}
    assert {row["ip"] for row in rows} == {"127.0.0.1"}
    assert "hidden" not in str(rows)
    assert "0123456789abcdef" not in str(rows)
