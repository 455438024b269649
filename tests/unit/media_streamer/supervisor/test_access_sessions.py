"""Access decisions: what is one session, and how many there may be."""

import asyncio
import time

import pytest
from media_streamer import budgets
from media_streamer.wire.control import Granted

from .access_world import World


async def test_an_hls_viewer_is_one_session_and_one_question(world: World) -> None:
    world.configure({"on_play": world.url})
    world.backend.delay = 0.05
    answers = await asyncio.gather(*(world.ask(token="t") for _ in range(5)))
    assert len({answer.session_id for answer in answers}) == 1
    assert len(world.backend.questions) == 1
    question = world.backend.questions[0]
    assert question["request_type"] == "new_session"
    assert (question["name"], question["token"], question["ip"]) == ("a", "t", "10.0.0.7")
    assert (await world.ask(token="other")).session_id != answers[0].session_id


async def test_each_connection_of_a_continuous_protocol_is_a_session(world: World) -> None:
    world.configure({})
    first, second = await world.ask(proto="tshttp"), await world.ask(proto="tshttp")
    assert first.session_id != second.session_id
    assert world.sessions.clients == 2


async def test_pictures_are_no_sessions(world: World) -> None:
    world.configure({}, max_sessions=1)
    assert isinstance(await world.ask(proto="jpeg"), Granted)
    assert len(world.sessions) == 0


async def test_a_later_refusal_closes_the_session_and_bans_it(world: World) -> None:
    world.configure({"on_play": world.url})
    world.backend.headers = {"X-AuthDuration": "5", "X-UserId": "u"}
    await world.ask()
    session = next(iter(world.sessions))
    assert session.user_id == "u"
    assert session.recheck_at is not None
    assert 4 < session.recheck_at - time.monotonic() <= 5
    world.backend.status = 403
    await world.control.rechecks.run(session.recheck_at + 1)
    assert world.backend.questions[-1]["request_type"] == "update_session"
    assert world.backend.questions[-1]["session_id"] == session.id
    assert len(world.sessions) == 0
    assert (await world.ask()).status == 403


async def test_limits(world: World) -> None:
    world.configure({"on_play": world.url}, max_sessions=3)
    world.backend.headers = {"X-UserId": "u", "X-Max-Sessions": "2"}
    for port in ("1", "2"):
        assert isinstance(await world.ask(token=port), Granted)
    assert (await world.ask(token="3")).code == "user_sessions_limit"
    world.backend.headers = {"X-UserId": "v"}
    assert isinstance(await world.ask(token="4"), Granted)
    assert (await world.ask(token="5")).code == "too_many_sessions"
    assert isinstance(await world.ask(token="1"), Granted), "an open session is not counted again"


async def test_an_address_opens_so_many_sessions_and_others_are_let_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each token is a session; a backend is not asked about more than are let in."""
    monkeypatch.setattr(budgets, "ADDRESS_SESSIONS", 3)
    monkeypatch.setattr(budgets, "ADDRESS_SESSIONS_PER_SECOND", 0)
    world.configure({"on_play": world.url})
    answers = [await world.ask(token=str(number), ip="192.0.2.1") for number in range(6)]
    assert sum(isinstance(one, Granted) for one in answers) == 3
    assert {one.code for one in answers[3:]} == {"address_sessions_limit"}
    assert len(world.backend.questions) == 3
    assert isinstance(await world.ask(token="1", ip="192.0.2.1"), Granted), "it is open"
    assert isinstance(await world.ask(token="x", ip="192.0.2.2"), Granted)


async def test_a_soft_limit_cuts_the_latest_after_a_while(world: World) -> None:
    """Who changes channels leaves sessions behind for a moment."""
    world.configure({"on_play": {"max_sessions": 1, "soft_limitation": True}})
    first, second = [await world.ask(token="t", proto=proto) for proto in ("hls", "dash")]
    third = await world.ask(token="t", proto="flv")
    assert {one.session_id for one in (first, second, third)} == {s.id for s in world.sessions}
    for _ in range(3):
        assert isinstance(await world.ask(token="t", proto="flv"), Granted)
    assert (await world.ask(token="t", proto="flv")).code == "user_sessions_limit"
    now = time.monotonic()
    await world.control.rechecks.run(now + 25)
    assert len(world.sessions) == 6
    world.sessions.close(first.session_id, "left")
    await world.control.rechecks.run(now + 95)
    assert [one.id for one in world.sessions] == [second.session_id]
    assert isinstance(await world.ask(token="t", proto="dash"), Granted)


async def test_fewer_sessions_are_allowed_than_a_user_has(world: World) -> None:
    world.configure({})
    protocols = ("hls", "dash", "flv")
    mine = [await world.ask(token="mine", proto=proto) for proto in protocols]
    others = await world.ask(token="other")
    world.configure({"on_play": {"max_sessions": 2}})
    world.news.changed("a")
    await world.control.rechecks.run(time.monotonic() + 1)
    left = {one.id for one in world.sessions}
    assert left == {mine[0].session_id, mine[1].session_id, others.session_id}


async def test_many_at_once_do_not_get_past_the_limits(world: World) -> None:
    world.configure({}, max_sessions=2)
    world.streams.delay = 0.05
    asked = [world.ask(proto="flv", ip=f"10.0.1.{n}") for n in range(50)]
    answers = await asyncio.gather(*asked)
    assert sum(isinstance(answer, Granted) for answer in answers) == 2
    assert {a.code for a in answers if not isinstance(a, Granted)} == {"too_many_sessions"}
    assert world.sessions.clients == 2
    world.configure({"on_play": {"url": world.url, "max_sessions": 3}})
    world.backend.headers = {"X-UserId": "u"}
    asked = [world.ask(proto="tshttp", token="t", ip=f"10.0.2.{n}") for n in range(50)]
    answers = await asyncio.gather(*asked)
    assert sum(isinstance(answer, Granted) for answer in answers) == 3
    assert {a.code for a in answers if not isinstance(a, Granted)} == {"user_sessions_limit"}


async def test_requests_of_one_viewer_that_come_together_take_one_place(world: World) -> None:
    world.configure({}, max_sessions=1)
    world.streams.delay = 0.05
    answers = await asyncio.gather(*(world.ask(token="t") for _ in range(10)))
    assert len({answer.session_id for answer in answers}) == 1


async def test_a_session_hint_cannot_be_stolen(world: World) -> None:
    world.configure({"on_play": world.url}, auto_token="uuid")
    mine = (await world.ask()).session_id
    assert (await world.ask(session_hint=mine)).session_id == mine
    world.backend.status = 403
    assert not isinstance(await world.ask(session_hint=mine, ip="10.9.9.9"), Granted)


async def test_session_keys(world: World) -> None:
    world.configure({"on_play": {"url": world.url, "session_keys": ["name", "device"]}})
    first = await world.ask(qs="device=1", token="x")
    assert (await world.ask(qs="device=1", token="y")).session_id == first.session_id
    assert (await world.ask(qs="device=2", token="x")).session_id != first.session_id


async def test_a_question_names_the_session_that_follows(world: World) -> None:
    world.configure({"on_play": world.url})
    granted = await world.ask()
    assert [one["session_id"] for one in world.backend.questions] == [granted.session_id]
    other = await world.ask(proto="rtmp")
    another = await world.ask(proto="rtmp")
    assert world.backend.questions[1]["session_id"] == other.session_id
    assert len({granted.session_id, other.session_id, another.session_id}) == 3
    world.backend.status = 403
    await world.ask(ip="10.0.0.8")
    refused = world.backend.questions[-1]["session_id"]
    assert refused
    world.backend.status = 200
    world.control.forget()
    assert (await world.ask(ip="10.0.0.8")).session_id == refused, "the same client again"


async def test_an_operator_watches_past_the_rules_for_viewers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.backend.status = 403
    on_play = {"url": world.url, "max_sessions": 1, "session_keys": ["name", "ip", "proto"]}
    world.configure({"on_play": on_play, "protocols": {"dash": False}}, max_sessions=1)
    token = world.control.play_token("a")
    assert (await world.ask()).status == 403
    opened = [await world.ask(token=token, proto=proto) for proto in ("hls", "webrtc", "jpeg")]
    assert all(isinstance(one, Granted) for one in opened)
    assert [one.token for one in opened] == [token] * 3  # what segments are asked for with
    assert len(world.backend.questions) == 1
    assert [one.info()["user_id"] for one in world.sessions] == ["operator"] * 2
    assert not any(token in str(one.info()) for one in world.sessions)
    assert (await world.ask()).status == 403, "a viewer shares his session"
    # What holds for all holds for him.
    assert (await world.ask(token=token, proto="dash")).code == "protocol_denied"
    assert (await world.ask(token=token, kind="publish", proto="rtmp")).status == 403
    world.streams.running = False
    assert (await world.ask(token=token)).status == 503
    world.streams.running = True
    # Later it opens nothing, and what is open goes on.
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    assert (await world.ask(token=token)).session_id == opened[0].session_id
    for changes in ({"ip": "10.0.0.8"}, {"proto": "webrtc"}, {"proto": "jpeg"}):
        assert (await world.ask(token=token, **changes)).code == "token_expired"
    world.sessions.close(opened[0].session_id, "closed by API")
    assert (await world.ask(token=token)).code == "token_expired"


async def test_a_play_token_is_of_one_stream_and_nobody_makes_one(world: World) -> None:
    world.backend.status = 403
    world.configure({"on_play": {"url": world.url}})
    for token in (world.control.play_token("b"), world.control.play_token("a")[:-1] + "!"):
        assert (await world.ask(token=token)).status == 403
    assert len(world.backend.questions) == 2


async def test_an_operator_is_not_asked_about_again(world: World) -> None:
    world.configure({"on_play": {"url": world.url}})
    granted = await world.ask(token=world.control.play_token("a"))
    world.backend.status = 403
    world.configure({"on_play": {"url": f"{world.url}?other"}}, auto_token=False)
    world.news.changed("a")
    world.control.rechecks.countries_changed()
    world.control.rechecks.rule_sets_changed()
    await world.control.rechecks.run(time.monotonic() + 1)
    await world.control.rechecks.of_stream("a")
    assert world.sessions.get(granted.session_id) is not None
    assert world.backend.questions == []
