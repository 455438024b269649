"""Events that streamers deliver, the audit, episodes, and who may watch."""

import time

import pytest
from media_central.access import streamer_key

from tests.support.country_database import write_country_database

FAKE = {"inputs": [{"url": "fake://fake"}]}
NOW = round(time.time() * 1000)


def own(name):
    return {"Authorization": f"Bearer {streamer_key('test-api-key', name)}"}


@pytest.fixture
async def known(central):
    for name in ("s1", "s2"):
        await central.api("PUT", f"/streamers/{name}", {"api_url": "http://127.0.0.1:1"})
    return central


def batch(*numbers, **fields):
    return [
        {"event": "source_lost", "event_id": n, "utc_ms": NOW + n, "media": "a", **fields}
        for n in numbers
    ]


async def test_a_streamer_delivers_its_events_and_no_others(known):
    path = "/events/collector?server=s1"
    for _ in range(2):  # the answer was lost
        status, answer = await known.api("POST", path, batch(1, 2, server="s2"), headers=own("s1"))
        assert (status, answer) == (200, {"received": 2, "refused": 0})
    status, _ = await known.api("POST", path, batch(3), headers=own("s2"))
    assert status == 403
    assert (await known.api("POST", "/events/collector", batch(4), headers=own("s1")))[0] == 403
    _, listed = await known.api("GET", "/events?media=a")
    assert [(item["event_id"], item["server"]) for item in listed["events"]] == [
        (2, "s1"), (1, "s1"),
    ]  # fmt: skip
    assert listed["estimated_count"] == 2


async def test_what_is_no_event_does_not_block_the_others(known):
    odd = [None, 1, "x", [], {}, {"event": 1}, {"event": ""}, {"event": "\0"}, {"event": "\ud800"}]
    odd += [{"event": "big", "event_id": 2**70, "utc_ms": -1, "media": 5, "deep": {"a": [{}]}}]
    status, answer = await known.api("POST", "/events/collector?server=s1", [*odd, *batch(1)])
    assert (status, answer) == (200, {"received": 2, "refused": 9})
    _, listed = await known.api("GET", "/events?server=s1")
    assert {item["event"] for item in listed["events"]} == {"big", "source_lost"}
    for body in ({}, {"events": 1}, 5, "x", None):
        status, _ = await known.api("POST", "/events/collector?server=s1", data=str(body))
        assert status == 400


async def test_the_events_of_a_stream_and_their_secrets(known):
    await known.api("PUT", "/streams/a", FAKE)
    secrets = {"url": "rtsp://u:hidden@h/1", "token": "hidden"}
    await known.api("POST", "/events/collector", batch(1, **secrets))
    status, listed = await known.api("GET", "/streams/a/events")
    assert status == 200, listed
    assert listed["events"][0]["event"] == "source_lost"
    assert "hidden" not in str(listed)


async def test_the_audit_is_for_administrators(central):
    _, token = await central.api("PUT", "/api_tokens/ed", {"role": "editor"})
    editor = {"Authorization": f"Bearer {token['key']}"}
    await central.api("PUT", "/streams/a", FAKE, headers=editor)
    assert (await central.api("GET", "/audit", headers=editor))[0] == 403
    _, listed = await central.api("GET", "/audit?entity_type=stream")
    (entry,) = listed["audit"]
    assert (entry["originator"], entry["role"], entry["entity_id"]) == ("ed", "editor", "a")
    assert entry["after"]["name"] == "a"


def episode(**fields):
    return {"media": "a", "opened_at": NOW - 5000, "updated_at": NOW - 1000, **fields}


async def test_episodes_are_merged_closed_once_and_listed(central):
    assert (await central.api("PUT", "/episodes/7", episode(preview="AAAA")))[0] == 200
    status, changed = await central.api("PUT", "/episodes/7", {"closed_at": NOW})
    assert (status, changed["preview"], changed["closed_at"]) == (200, "AAAA", NOW)
    status, error = await central.api("PUT", "/episodes/7", {"closed_at": NOW + 1})
    assert (status, error["error"]) == (409, "episode_closed")
    await central.api("PUT", "/episodes/9", episode(media="b", updated_at=NOW))
    _, listed = await central.api("GET", "/episodes")
    assert [item["episode_id"] for item in listed["episodes"]] == [9, 7]
    _, listed = await central.api("GET", f"/episodes?updated_at_gt={NOW - 500}")
    assert [item["episode_id"] for item in listed["episodes"]] == [9]
    _, one = await central.api("GET", "/episodes/7?dvr_presence_check=true")
    assert one["dvr_presence"] == "unknown"
    assert (await central.api("DELETE", "/episodes/7"))[0] == 204
    assert (await central.api("GET", "/episodes/7"))[0] == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/episodes/x", {}, 404), ("/episodes/0", {}, 404), (f"/episodes/{2**63}", {}, 404),
        ("/episodes/1", {}, 400), ("/episodes/1", episode(media="\0"), 400),
        ("/episodes/1", episode(payload="\0"), 400), ("/episodes/1", episode(opened_at=-1), 400),
        ("/episodes/1", episode(opened_at=10**14), 400), ("/episodes/1", [], 400),
    ],
)  # fmt: skip
async def test_odd_episodes_are_refused(central, path, body, status):
    found, _ = await central.api("PUT", path, body)
    assert found == status
    assert (await central.api("GET", "/episodes"))[1]["episodes"] == []


async def test_a_streamer_is_told_what_to_keep(known):
    for number, begin in ((1, NOW - 90_000), (2, NOW - 50_000), (3, NOW - 10_000)):
        body = episode(opened_at=begin, updated_at=begin + 5000)
        await known.api("PUT", f"/episodes/{number}", body)
    path = "/streamers/s1/episodes?host=s1&media=a,none"

    async def ids(query=""):
        status, answer = await known.api("GET", path + query, headers=own("s1"))
        assert status == 200
        return [item["episode_id"] for item in answer["episodes"]]

    assert await ids() == [1, 2, 3]
    assert await ids(f"&opened_at_lt={NOW - 20_000}") == [1, 2]
    assert await ids(f"&closed_at_gt={NOW - 60_000}") == [2, 3]
    assert (await known.api("GET", "/streamers/s1/episodes", headers=own("s1")))[0] == 400
    assert (await known.api("GET", path, headers=own("s2")))[0] == 403
    _, answer = await known.api("GET", "/streamers/s1/streams?host=s1", headers=own("s1"))
    assert answer["streams"] == []


QUESTION = "/auth?name=a&proto=hls&request_type=new_session&request_number=0&ip="


@pytest.mark.parametrize(
    ("rules", "query", "status"),
    [
        ({"allow_tokens": ["t"]}, "10.0.0.1&token=t", 200),
        ({"allow_tokens": ["t"]}, "10.0.0.1&token=u", 403),
        ({"deny_ips": ["10.0.0.0/8"], "allow_default": True}, "10.0.0.1", 403),
        ({"deny_ips": ["10.0.0.0/8"], "allow_default": True}, "192.0.2.1", 200),
        ({"allow_countries": ["DE"]}, "10.0.0.1", 200),
        ({"allow_countries": ["DE"]}, "192.0.2.1", 403),
        ({"allow_uas": ["MAG"]}, "10.0.0.1&user_agent=MAG250", 200),
        ({"backends": [{"url": "http://127.0.0.1:1/"}], "allow_default": True}, "10.0.0.1", 200),
        ({"backends": [{"url": "http://127.0.0.1:1/"}]}, "10.0.0.1", 403),
    ],
)
async def test_central_says_who_may_watch(start_central, tmp_path, rules, query, status):
    path = write_country_database(tmp_path / "c.mmdb", {"10.0.0.0/8": "DE", "192.0.2.0/24": "FR"})
    central = await start_central(geoip=path)
    await central.api("PUT", "/auth_backends/r", rules)
    await central.api("PUT", "/streams/a", {**FAKE, "on_play": "auth://r"})
    found, answer = await central.api("GET", QUESTION + query)
    assert found == status, answer


async def test_odd_questions_about_viewers(central):
    await central.api("PUT", "/streams/a", FAKE)
    assert (await central.api("GET", QUESTION + "10.0.0.1"))[0] == 200, "nothing restricts it"
    assert (await central.api("GET", QUESTION + "10.0.0.1&backend=none"))[0] == 403
    assert (await central.api("GET", QUESTION.replace("name=a", "name=b") + "::1"))[0] == 403
    for query in ("/auth", "/auth?name=a&proto=hls", QUESTION + "::1&bytes=-1"):
        assert (await central.api("GET", query))[0] == 400
    assert (await central.api("GET", QUESTION + "10.0.0.1", headers={}))[0] == 401


async def test_balancers_send_by_country_and_by_protocol(
    start_central, start_streamer, eventually, tmp_path
):
    path = write_country_database(tmp_path / "c.mmdb", {"10.0.0.0/8": "DE"})
    import ipaddress

    central = await start_central(
        geoip=path, trusted_proxies=(ipaddress.ip_network("127.0.0.0/8"),)
    )
    for name in ("origin", "german"):
        streamer = await start_streamer(name)
        await central.api(
            "PUT", f"/streamers/{name}",
            {"api_url": streamer.url, "cluster_key": streamer.cluster_key,
             "public_payload_url": f"https://{name}.example.com", "is_restreamer": True},
        )  # fmt: skip
    body = {**FAKE, "streamer": "origin", "protocols": {"rtmp": False}}
    await central.api("PUT", "/streams/a", body)
    servers = [
        {"name": "german", "countries": ["DE"]}, {"name": "origin", "countries_default": True},
    ]  # fmt: skip
    await central.api("PUT", "/load-balancers/lb", {"servers": servers})

    async def sent(rest, ip, method="GET"):
        async with central.api.http.request(
            method, f"{central.api.base}/lb/lb/a/{rest}", allow_redirects=False,
            headers={"X-Forwarded-For": ip},
        ) as answer:  # fmt: skip
            return answer.status, answer.headers.get("Location")

    async def ready():
        return (await sent("index.m3u8", "10.0.0.1"))[0] == 302 and (
            await sent("index.m3u8", "192.0.2.1")
        )[0] == 302

    await eventually(ready)
    assert await sent("index.m3u8", "10.0.0.1") == (302, "https://german.example.com/a/index.m3u8")
    assert await sent("index.mpd", "192.0.2.1") == (302, "https://origin.example.com/a/index.mpd")
    assert await sent("whip", "10.0.0.1", "POST") == (307, "https://origin.example.com/a/whip")
    assert (await sent("rtmp", "10.0.0.1"))[0] == 403, "switched off for this stream"
    await central.api("PUT", "/streams/a", {"protocols": None})
    status, location = await sent("rtmp", "10.0.0.1")
    assert (status, location) == (302, "rtmp://german.example.com/static/a")
