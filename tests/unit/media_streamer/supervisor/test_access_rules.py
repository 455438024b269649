"""Access decisions: backends, tokens, countries, domains, rule sets, scripts."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from media_auth import authorize as securetoken_caller
from media_auth.securetoken import make_token
from media_auth.verdict import Question, Verdict, allow, undecided
from media_streamer import budgets
from media_streamer.supervisor.verdicts import LATE_SECONDS
from media_streamer.wire.control import Granted

from tests.support.country_database import write_country_database

from .access_world import PLAY, PUBLISH, World


async def test_refusals_of_the_backend(world: World) -> None:
    world.configure({"on_play": world.url})
    world.backend.status, world.backend.headers = 403, {"X-AuthDuration": "60"}
    assert (await world.ask()).status == 403
    world.backend.status = 200
    assert (await world.ask()).status == 403, "the ban lasts X-AuthDuration"
    assert len(world.backend.questions) == 1
    world.backend.status, world.backend.headers = 302, {"Location": "http://else.example/x"}
    answer = await world.ask(ip="10.0.0.8")
    assert (answer.status, answer.location) == (302, "http://else.example/x")


async def test_a_backend_that_is_down_refuses_new_sessions_only(world: World) -> None:
    world.configure({"on_play": world.url})
    assert isinstance(await world.ask(), Granted)
    session = next(iter(world.sessions))
    world.backend.status = 500
    session.recheck_at = 0.0
    await world.control.rechecks.run(time.monotonic())
    assert len(world.sessions) == 1
    assert isinstance(await world.ask(), Granted)
    assert (await world.ask(ip="10.0.0.9")).status == 503
    world.configure({"on_play": "http://127.0.0.1:1/auth"})
    assert (await world.ask(ip="10.0.0.10")).code == "auth_backend_unavailable"


async def test_rules_that_are_given_anew_hold_for_who_is_in_already(world: World) -> None:
    world.configure({})
    viewer, flv = await world.ask(), await world.ask(proto="flv")
    world.backend.status = 403
    world.configure({"title": "New"})
    world.news.changed("a")
    await world.control.rechecks.run(time.monotonic() + 1)
    assert world.backend.questions == []
    world.configure({"on_play": world.url})
    world.news.changed("a")
    await world.control.rechecks.run(time.monotonic() + 1)
    assert {one["request_type"] for one in world.backend.questions} == {"update_session"}
    assert len(world.backend.questions) == 2
    for granted in (viewer, flv):
        assert world.sessions.get(granted.session_id) is None
    assert (await world.ask()).status == 403


async def test_restrictions_and_rule_sets_that_change_hold_for_who_is_in(world: World) -> None:
    def rule_set(allowed: str) -> dict[str, Any]:
        rules = {"name": "team", "allow_ips": [allowed], "allow_default": False}
        return {"auth_backends": [rules]}

    world.configure({"on_play": "auth://team"}, **rule_set("10.0.0.7"))
    granted = await world.ask()
    world.configure({"on_play": "auth://team"}, **rule_set("10.0.0.8"))
    world.control.forget()
    world.control.rechecks.rule_sets_changed()
    await world.control.rechecks.run(time.monotonic() + 1)
    assert world.sessions.get(granted.session_id) is None
    world.configure({})
    granted = await world.ask()
    world.configure({"on_play": {"domains": ["example.com"]}})
    world.news.changed("a")
    await world.control.rechecks.run(time.monotonic() + 1)
    assert world.sessions.get(granted.session_id) is None


async def test_a_backend_is_not_asked_without_a_bound_by_whom_it_refuses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one after the other nor all at once."""
    monkeypatch.setattr(budgets, "ADDRESS_SESSIONS", 3)
    monkeypatch.setattr(budgets, "ADDRESS_SESSIONS_PER_SECOND", 0)
    world.configure({"on_play": world.url})
    world.backend.status = 403
    asked = [await world.ask(token=str(number), ip="192.0.2.1") for number in range(4)]
    asked += await asyncio.gather(
        *(world.ask(token=str(number), ip="192.0.2.2") for number in range(6))
    )
    assert sum(one.code == "address_sessions_limit" for one in asked) == 1 + 3
    assert len(world.backend.questions) == 3 + 3
    burst = await asyncio.gather(*(world.ask(token="x", ip="192.0.2.3") for _ in range(6)))
    assert "address_sessions_limit" not in {one.code for one in burst}, "one player"


async def test_countries_that_become_known_hold_for_who_is_in(world: World, tmp_path: Path) -> None:
    write_country_database(tmp_path / "nl.mmdb", {"10.0.0.0/8": "NL"})
    write_country_database(tmp_path / "de.mmdb", {"10.0.0.0/8": "DE"})
    world.geoip.on_change = world.control.rechecks.countries_changed
    await world.geoip.use(str(tmp_path / "nl.mmdb"))
    world.configure({"on_play": {"allowed_countries": ["NL"]}})
    granted = await world.ask()
    await world.geoip.use(str(tmp_path / "de.mmdb"))
    await world.control.rechecks.run(time.monotonic() + 1)
    assert world.sessions.get(granted.session_id) is None
    assert (await world.ask()).code == "wrong_country"
    await world.geoip.use(None)


async def test_token_rules(world: World) -> None:
    world.configure({"on_play": world.url}, auto_token=False)
    assert (await world.ask()).code == "no_token"
    assert not world.backend.questions
    world.configure({"on_play": world.url}, auto_token="uuid")
    made = (await world.ask()).token
    assert len(made) == 36
    assert world.backend.questions[0]["token"] == made
    world.configure({"inputs": [{"url": "publish://"}]}, auto_token="uuid")
    assert len((await world.ask()).token) == 36, "also where nobody is asked"
    assert (await world.ask(kind="publish")).token == ""


async def test_without_automatic_tokens_nobody_comes_in_without_one(world: World) -> None:
    """On every stream, by every protocol, to play and to publish; and no backend is asked."""
    world.configure({"inputs": [{"url": "publish://"}]}, auto_token=False)
    for proto in ("hls", "rtmp", "jpeg", "player", "srt"):
        assert (await world.ask(proto=proto)).code == "no_token"
        assert isinstance(await world.ask(proto=proto, token="t"), Granted)
    assert (await world.ask(PUBLISH)).code == "no_token"
    assert (await world.ask(name="nothing")).code == "no_token"


@pytest.mark.parametrize(
    "referer", ["", "http://evil.com/", "http://example.com.evil.com/", "nonsense", "http://[x"]
)
async def test_domains(world: World, referer: str) -> None:
    world.configure({"on_play": {"domains": ["example.com", "*.good.org"]}})
    assert (await world.ask(referer=referer)).code == "wrong_domain"
    assert isinstance(await world.ask(referer="https://EXAMPLE.com/page"), Granted)
    assert isinstance(await world.ask(referer="https://a.good.org/", ip="10.0.0.8"), Granted)


@pytest.mark.parametrize(
    ("on_play", "code"),
    [
        (False, "authorization_failed"),
        ("/etc/script.lua", "auth_not_supported"),
        ("auth://missing", "auth_not_supported"),
        ("securetoken://", "bad_token"),
        ({"allowed_countries": ["DE"]}, "geoip_not_supported"),
    ],
)
async def test_what_is_not_supported_is_closed(world: World, on_play: Any, code: str) -> None:
    world.configure({"on_play": on_play})
    assert (await world.ask()).code == code


async def test_countries(world: World, tmp_path: Path) -> None:
    path = write_country_database(tmp_path / "c.mmdb", {"10.0.0.0/8": "DE", "192.0.2.0/24": "FR"})
    world.configure({"on_play": {"allowed_countries": ["DE"]}})
    await world.geoip.use(str(path))
    granted = await world.ask(ip="10.0.0.8")
    assert granted.country == "DE"
    assert world.sessions.get(granted.session_id).info()["country"] == "DE"
    assert (await world.ask(ip="192.0.2.1")).code == "wrong_country"
    assert (await world.ask(ip="198.51.100.1")).code == "wrong_country"


async def test_rules_on_countries(world: World, tmp_path: Path) -> None:
    rules = {"name": "r", "deny_countries": ["FR"], "allow_default": True}
    world.configure({"on_play": "auth://r"}, auth_backends=[rules])
    assert isinstance(await world.ask(ip="192.0.2.9"), Granted), "nobody knows where that is"
    await world.geoip.use(str(write_country_database(tmp_path / "c", {"192.0.2.0/24": "FR"})))
    world.control.forget()
    assert not isinstance(await world.ask(ip="192.0.2.1"), Granted)
    assert isinstance(await world.ask(ip="192.0.3.1"), Granted)


async def test_securetoken(world: World) -> None:
    world.configure({"on_play": "securetoken://KEY"})
    now = int(time.time())
    good = make_token("a", PLAY.ip, now - 10, now + 60, "KEY", "salt")
    assert isinstance(await world.ask(token=good), Granted)
    assert (await world.ask(token=good, ip="10.0.0.8")).code == "bad_token"
    anywhere = make_token("a", "", now - 10, now + 60, "KEY", "salt")
    assert isinstance(await world.ask(token=anywhere, qs="no_check_ip=true"), Granted)
    old = make_token("a", PLAY.ip, now - 60, now - 10, "KEY", "salt")
    assert (await world.ask(token=old)).code == "token_expired"
    forged = make_token("a", PLAY.ip, now - 10, now + 60, "OTHER", "salt")
    assert (await world.ask(token=forged)).code == "bad_token"


async def test_tokens_follow_a_clock_that_jumps_and_sessions_do_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure({"on_play": "securetoken://KEY"})
    now, off = int(time.time()), 0
    monkeypatch.setattr(securetoken_caller, "time", SimpleNamespace(time=lambda: now + off))
    token = make_token("a", "", now - 10, now + 60, "KEY", "salt")
    asked = {"token": token, "qs": "no_check_ip=true"}
    granted = await world.ask(**asked)
    assert isinstance(granted, Granted)
    for off, code in ((3600, "token_expired"), (-3600, "token_not_yet_valid")):
        again = await world.ask(**asked)
        assert isinstance(again, Granted)
        assert again.session_id == granted.session_id, "who watches goes on"
        assert (await world.ask(**asked, ip="10.0.0.9")).code == code
        off = 0
        assert isinstance(await world.ask(**asked, ip="10.0.0.9"), Granted), "at once"
        for session in list(world.sessions):
            if session.ip == "10.0.0.9":
                world.sessions.close(session.id, "test")
    off = 3600
    assert await world.control.rechecks.of_stream("a") == 1
    assert granted.session_id not in {one.id for one in world.sessions}
    off = 0
    assert isinstance(await world.ask(**asked), Granted), "the refusal is not kept"


async def test_rule_sets(world: World) -> None:
    rules = {
        "name": "r",
        "allow_tokens": ["good"],
        "deny_tokens": ["bad"],
        "allow_ips": ["172.16/12"],
        "deny_uas": ["Evil"],
        "backends": [{"url": world.url}],
        "allow_default": True,
    }
    world.configure({"on_play": "auth://r"}, auth_backends=[rules])
    world.backend.status = 500
    assert isinstance(await world.ask(token="good"), Granted)
    assert not isinstance(await world.ask(token="bad"), Granted)
    assert not isinstance(await world.ask(token="bad", ip="172.16.1.1"), Granted), (
        "tokens come first"
    )
    assert isinstance(await world.ask(user_agent="Evil", ip="172.16.1.1"), Granted)
    assert not isinstance(await world.ask(user_agent="Evil/1", ip="10.1.1.1"), Granted)
    assert isinstance(await world.ask(ip="10.1.1.2"), Granted), "nobody decided: allow_default"
    world.backend.status = 403
    assert not isinstance(await world.ask(ip="10.1.1.3"), Granted)


async def test_publishing_asks_by_post(world: World) -> None:
    world.configure({"inputs": [{"url": "publish://"}], "on_publish": world.url})
    assert isinstance(await world.ask(PUBLISH), Granted)
    assert world.backend.questions[0]["method"] == "POST"
    world.backend.status = 403
    assert not isinstance(await world.ask(PUBLISH, token="x"), Granted)


async def test_a_backend_is_asked_with_further_options(world: World) -> None:
    world.configure({"on_play": {"url": world.url, "extra": {"colour": "red"}}})
    await world.ask()
    assert world.backend.questions[0]["colour"] == "red"


class Scripts:
    """A script's decision, and what it was asked."""

    def __init__(self) -> None:
        self.verdict = allow(kept=True, user_id="anna")
        self.asked: list[tuple[Path, Question]] = []

    async def ask(self, path: Path, question: Question, extra: Mapping[str, str]) -> Verdict:
        self.asked.append((path, question))
        return self.verdict


async def test_a_script_decides(world: World) -> None:
    scripts = Scripts()
    world.control._verdicts._scripts = scripts
    world.configure({"on_play": "/etc/auth.lua"})
    granted = await world.ask()
    session = world.sessions.get(granted.session_id)
    assert session is not None
    assert session.user_id == "anna"
    [(path, question)] = scripts.asked
    assert (str(path), question.session_id) == ("/etc/auth.lua", session.id)
    scripts.verdict = undecided("it failed")
    world.control.forget()
    assert (await world.ask(ip="10.0.0.8")).status == 503


async def test_what_ran_out_long_ago_lets_nobody_in_and_is_forgotten(world: World) -> None:
    """While the backend is away the last word holds for an hour, which bounds memory as well."""
    world.configure({"on_play": world.url})
    world.backend.headers = {"X-AuthDuration": "5"}
    now = time.monotonic()
    for token in ("early", "late"):
        assert isinstance(await world.ask(token=token), Granted)
    for session in list(world.sessions):
        world.sessions.close(session.id, "left")
    world.configure({"on_play": "http://127.0.0.1:1/auth"})
    held = world.control._verdicts._verdicts
    for key, (end, verdict) in list(held.items()):
        held[key] = (end - 5, verdict)  # it has just run out
    await world.control.rechecks.run(now + LATE_SECONDS - 60)
    assert isinstance(await world.ask(token="early"), Granted), "the backend is away"
    await world.control.rechecks.run(now + LATE_SECONDS + 60)
    assert not held
    assert (await world.ask(token="late")).code == "auth_backend_unavailable"
