"""Access decisions, with a real HTTP backend behind on_play."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from media_api.balancing import Candidate
from media_api.server import ServerConfig
from media_auth import authorize as securetoken_caller
from media_auth.http_backend import HttpBackend
from media_auth.securetoken import make_token
from media_auth.verdict import Question, Verdict, allow, undecided
from media_rest.credentials import cluster_header
from media_rest.guessing import GuessLimiter
from media_streamer import budgets
from media_streamer.supervisor.access import AccessControl
from media_streamer.supervisor.alerts import Alerts
from media_streamer.supervisor.archives import Archives
from media_streamer.supervisor.catalog import Catalog, Changes, Stream
from media_streamer.supervisor.cluster.directing import Director
from media_streamer.supervisor.cluster.servers import OtherServers
from media_streamer.supervisor.egress_workers import EgressWorkers
from media_streamer.supervisor.events.bus import EventBus
from media_streamer.supervisor.geoip import GeoIp
from media_streamer.supervisor.jobs import JobPlacement
from media_streamer.supervisor.locations import file_stream, location_of
from media_streamer.supervisor.name_quota import NameQuota
from media_streamer.supervisor.news import JobNews, SessionNews, StreamNews
from media_streamer.supervisor.ports import Ports
from media_streamer.supervisor.readable import WorkerFolders
from media_streamer.supervisor.sessions import SessionRegistry
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.tasks import Tasks
from media_streamer.wire.control import AccessRequest, Granted, PublisherTerms, RateTerms
from msgspec.structs import replace

from tests.support.country_database import write_country_database

PLAY = AccessRequest(name="a", proto="hls", kind="play", ip="10.0.0.7")
PUBLISH = replace(PLAY, kind="publish", proto="rtmp")


class Streams:
    """What access needs of the supervisor, without processes."""

    def __init__(self) -> None:
        self.catalog = Catalog()
        self.running = True
        self.delay = 0.0

    @property
    def config(self) -> ServerConfig:
        return self.catalog.config

    async def find(self, name: str, kind: str) -> Stream | None:
        if (vod := location_of(self.config, name)) is not None:
            return file_stream(vod, name)
        known = self.catalog.streams.get(name)
        if known is None and self.catalog.find_template(name) is not None:
            return self.catalog.draft_user(name)
        return known

    def keep(self, stream: Stream, ip: str) -> Stream | None:
        if stream.location is not None:
            return stream
        if stream.name not in self.catalog.streams:
            self.catalog.add_user(stream.name)
        return self.catalog.streams[stream.name]

    async def where(self, stream: Stream) -> tuple[str, int] | None:
        await asyncio.sleep(self.delay)
        return ("/run/media-0.sock", 1) if self.running else None

    async def reader(self, stream: Stream, folders: frozenset[Path]) -> str:
        return f"/run/reader-of-{','.join(sorted(map(str, folders)))}.sock"


class NoWorkers:
    """Takes changes of the catalog for those who are not there."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def apply(self, changes: Changes) -> None:
        pass


class Backend:
    """A backend whose answer the test sets; counts the questions."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.questions: list[dict[str, str]] = []
        self.delay = 0.0

    async def answer(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.delay)
        body = await request.json() if request.method == "POST" else dict(request.query)
        self.questions.append({**body, "method": request.method})
        return web.Response(status=self.status, headers=self.headers)


class World:
    """Access control over a configuration."""

    def __init__(self, http: aiohttp.ClientSession, backend: Backend, url: str) -> None:
        self.backend, self.url = backend, url
        self.streams = Streams()
        bus = EventBus(lambda: "host1", Path())
        egress = EgressWorkers()
        self.sessions = SessionRegistry(SessionNews(bus, egress))
        jobs = JobPlacement("0", JobNews(bus))
        catalog = self.streams.catalog
        alerts = Alerts(catalog)
        nowhere = Path("/nowhere")
        settings = Settings(nowhere, nowhere, nowhere, nowhere, 1, 1, "host1")
        ports = Ports(settings, egress, alerts, catalog, Tasks())
        archives = Archives(catalog, Tasks(), lambda: "host1", WorkerFolders(Path(), catalog))
        self.news = StreamNews(
            bus, catalog, self.sessions, jobs, NameQuota(), alerts, ports, archives
        )
        self.geoip = GeoIp(alerts)
        others = OtherServers(
            http, NoWorkers(catalog), lambda key, text: None, Tasks(), lambda: "host1"
        )
        self.control = AccessControl(
            self.streams,
            self.sessions,
            HttpBackend(http),
            "host1",
            GuessLimiter(),
            self.geoip,
            Director(others, catalog, lambda: Candidate("host1")),
        )

    def configure(self, stream: dict[str, Any], **server: Any) -> None:
        config = {"streams": [{"name": "a", **stream}], **server}
        self.streams.catalog.set_config(ServerConfig.model_validate(config))

    async def ask(self, request: AccessRequest = PLAY, **changes: str) -> Any:
        """Granted or Refusal."""
        return await self.control.decide(replace(request, **changes))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    backend = Backend()
    app = web.Application()
    app.router.add_route("*", "/auth", backend.answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        yield World(http, backend, str(server.make_url("/auth")))


async def test_what_does_not_exist_or_run(world: World) -> None:
    world.configure({"disabled": True})
    assert (await world.ask(name="nope")).code == "stream_not_found"
    assert (await world.ask(name="")).status == 404
    assert (await world.ask(name="x" * 300)).status == 404
    assert (await world.ask()).code == "stream_disabled"
    world.configure({})
    world.streams.running = False
    assert (await world.ask()).status == 503
    assert len(world.sessions) == 0


async def test_who_is_refused_makes_no_stream_of_a_template(world: World) -> None:
    template = {
        "name": "any",
        "prefixes": ["any"],
        "inputs": [{"url": "publish://"}],
        "on_play": {"url": world.url},
        "password": "secret",
    }
    world.configure({}, templates=[template])
    publish = replace(PLAY, kind="publish", proto="rtmp", name="any/x")
    world.backend.status = 403
    assert (await world.ask(name="any/x")).status == 403
    assert len(world.backend.questions) == 1
    assert (await world.ask(publish)).code == "wrong_password"
    assert "any/x" not in world.streams.catalog.streams
    assert isinstance(await world.ask(publish, password="secret"), Granted)
    assert "any/x" in world.streams.catalog.streams
    world.backend.status = 200
    assert isinstance(await world.ask(name="any/y"), Granted)
    assert "any/y" in world.streams.catalog.streams


async def test_protocol_switches(world: World) -> None:
    world.configure({"protocols": {"hls": False}})
    assert (await world.ask()).code == "protocol_denied"
    assert isinstance(await world.ask(proto="llhls"), Granted)
    world.configure({"protocols": {"whitelist": True, "rtmp": True}})
    assert isinstance(await world.ask(proto="rtmp"), Granted)
    for denied in ("hls", "llhls", "tshttp", "jpeg", "player"):
        assert (await world.ask(proto=denied)).status == 403
    assert (await world.ask(proto="gopher")).code == "protocol_unknown"


async def test_a_streamer_of_the_cluster_passes_it_on_past_the_rules_for_viewers(
    world: World,
) -> None:
    world.backend.status = 403
    world.configure(
        {"on_play": {"url": world.url}, "protocols": {"tshttp": False}},
        cluster_key="together",
        max_sessions=1,
        auto_token=False,
    )
    good = cluster_header("together", time.time())
    for authorization in ("Bearer together", good):
        relay = await world.ask(proto="tshttp", authorization=authorization)
        assert isinstance(relay, Granted)
        assert relay.relay
    assert world.backend.questions == []
    for changes in (
        {"authorization": cluster_header("apart", time.time())},
        {"authorization": cluster_header("together", time.time() - 3600)},
        {"authorization": "Cluster nonsense"},
        {"authorization": "Bearer apart"},
        {"authorization": ""},
        {"authorization": good, "proto": "hls"},  # others would share its session
        {"authorization": good, "kind": "publish"},
    ):
        assert (await world.ask(**{"proto": "tshttp", **changes})).status == 403, changes
    # Neither a changed configuration nor an operator who asks anew cuts it off.
    world.news.changed("a")
    await world.control.reauthorize("a")
    assert world.sessions.get(relay.session_id) is not None


async def test_without_a_cluster_key_nobody_is_of_the_cluster(world: World) -> None:
    world.configure({"protocols": {"tshttp": False}})
    header = cluster_header("", time.time())
    assert (await world.ask(proto="tshttp", authorization=header)).status == 403


async def test_protocol_switched_off_ends_its_sessions(world: World) -> None:
    world.configure({})
    hls, flv = await world.ask(), await world.ask(proto="flv")
    world.configure({"protocols": {"hls": False}})
    world.news.changed("a")
    assert world.sessions.get(hls.session_id) is None
    assert world.sessions.get(flv.session_id) is not None
    world.news.changed("unknown")


async def test_publishers(world: World) -> None:
    world.configure({"inputs": [{"url": "fake://fake"}]})
    assert (await world.ask(PUBLISH)).code == "publish_not_allowed"
    world.configure({"inputs": [{"url": "publish://"}], "password": "s3cret"})
    assert (await world.ask(PUBLISH)).code == "wrong_password"
    assert (await world.ask(PUBLISH, password="S3cret")).code == "wrong_password"
    assert isinstance(await world.ask(PUBLISH, password="s3cret"), Granted)


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
    await world.control.recheck(time.monotonic())
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
    await world.control.recheck(time.monotonic() + 1)
    assert world.backend.questions == []
    world.configure({"on_play": world.url})
    world.news.changed("a")
    await world.control.recheck(time.monotonic() + 1)
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
    world.control.rule_sets_changed()
    await world.control.recheck(time.monotonic() + 1)
    assert world.sessions.get(granted.session_id) is None
    world.configure({})
    granted = await world.ask()
    world.configure({"on_play": {"domains": ["example.com"]}})
    world.news.changed("a")
    await world.control.recheck(time.monotonic() + 1)
    assert world.sessions.get(granted.session_id) is None


async def test_a_later_refusal_closes_the_session_and_bans_it(world: World) -> None:
    world.configure({"on_play": world.url})
    world.backend.headers = {"X-AuthDuration": "5", "X-UserId": "u"}
    await world.ask()
    session = next(iter(world.sessions))
    assert session.user_id == "u"
    assert session.recheck_at is not None
    assert 4 < session.recheck_at - time.monotonic() <= 5
    world.backend.status = 403
    await world.control.recheck(session.recheck_at + 1)
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
    await world.control.recheck(now + 25)
    assert len(world.sessions) == 6
    world.sessions.close(first.session_id, "left")
    await world.control.recheck(now + 95)
    assert [one.id for one in world.sessions] == [second.session_id]
    assert isinstance(await world.ask(token="t", proto="dash"), Granted)


async def test_fewer_sessions_are_allowed_than_a_user_has(world: World) -> None:
    world.configure({})
    protocols = ("hls", "dash", "flv")
    mine = [await world.ask(token="mine", proto=proto) for proto in protocols]
    others = await world.ask(token="other")
    world.configure({"on_play": {"max_sessions": 2}})
    world.news.changed("a")
    await world.control.recheck(time.monotonic() + 1)
    left = {one.id for one in world.sessions}
    assert left == {mine[0].session_id, mine[1].session_id, others.session_id}


async def test_countries_that_become_known_hold_for_who_is_in(world: World, tmp_path: Path) -> None:
    write_country_database(tmp_path / "nl.mmdb", {"10.0.0.0/8": "NL"})
    write_country_database(tmp_path / "de.mmdb", {"10.0.0.0/8": "DE"})
    world.geoip.on_change = world.control.countries_changed
    await world.geoip.use(str(tmp_path / "nl.mmdb"))
    world.configure({"on_play": {"allowed_countries": ["NL"]}})
    granted = await world.ask()
    await world.geoip.use(str(tmp_path / "de.mmdb"))
    await world.control.recheck(time.monotonic() + 1)
    assert world.sessions.get(granted.session_id) is None
    assert (await world.ask()).code == "wrong_country"
    await world.geoip.use(None)


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


async def test_a_session_hint_cannot_be_stolen(world: World) -> None:
    world.configure({"on_play": world.url}, auto_token="uuid")
    mine = (await world.ask()).session_id
    assert (await world.ask(session_hint=mine)).session_id == mine
    world.backend.status = 403
    assert not isinstance(await world.ask(session_hint=mine, ip="10.9.9.9"), Granted)


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


async def test_files_are_played_by_a_worker_that_may_read_them(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"film")
    storages = [{"url": f"file://{tmp_path}"}]
    vods = [{"prefix": "films", "storages": storages, "download": True}]
    world.configure({}, vods=vods)
    for proto, reader in (("tshttp", f"/run/reader-of-{tmp_path}.sock"), ("hls", ""), ("mp4", "")):
        granted = await world.ask(name="films/a.mp4", proto=proto)
        assert isinstance(granted, Granted), proto
        assert granted.reader == reader


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
    assert await world.control.reauthorize("a") == 1
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


async def test_session_keys(world: World) -> None:
    world.configure({"on_play": {"url": world.url, "session_keys": ["name", "device"]}})
    first = await world.ask(qs="device=1", token="x")
    assert (await world.ask(qs="device=1", token="y")).session_id == first.session_id
    assert (await world.ask(qs="device=2", token="x")).session_id != first.session_id


async def test_a_stream_with_drm_is_not_served_in_clear(world: World) -> None:
    world.configure({"drm": {"vendor": "widevine"}})
    assert (await world.ask()).code == "drm_not_supported"


async def test_delivery_settings(world: World) -> None:
    world.configure({"segment_duration": 2000}, url_prefix="http://cdn/")
    config = (await world.ask()).config
    assert (config.segment_duration, config.url_prefix) == (2000, "http://cdn/")
    assert config.pictures
    world.configure({"url_prefix": False}, url_prefix="http://cdn/")
    assert (await world.ask()).config.url_prefix == ""
    options = {"chunk_duration": 500, "add_audio_only": True, "dash_update_period": 7}
    world.configure({**options, "provider": "Works", "thumbnails": {"enabled": False}})
    config = (await world.ask()).config
    for option, value in {**options, "provider": "Works", "pictures": False}.items():
        assert getattr(config, option) == value
    publish = {"url": "publish://", "webrtc_abr": False}
    world.configure({"inputs": [publish], "webrtc_abr": {"start_track": "v2"}})
    config = (await world.ask()).config
    assert (config.start_track, config.publisher.adapts) == ("v2", False)
    world.configure({"inputs": [{"url": "publish://"}]})
    config = (await world.ask()).config
    assert (config.start_track, config.publisher) == ("", PublisherTerms())
    publish = {"url": "publish://", "prefer_codec": "av1", "transport": "tcp", "min_bitrate": 150}
    world.configure({"inputs": [publish]})
    terms = (await world.ask()).config.publisher
    assert (terms.codec, terms.transport, terms.least_bit_rate) == ("av1", "tcp", 150_000)
    assert terms.rate is None
    steps = {"abr_stepup": 20, "abr_stepdown": 40, "abr_correction": 200, "abr_loss_lower": 1}
    more = {"abr_loss_upper": 5.5, "abr_mode": 1, "abr_cycles": 0, "abr_debug": 1}
    world.configure({"inputs": [{"url": "publish://", **steps, **more}]})
    terms = (await world.ask()).config.publisher
    assert terms.rate == RateTerms(20.0, 40.0, 1.0, 5.5, 200_000, 0, True, True)


async def test_a_backend_is_asked_with_further_options(world: World) -> None:
    world.configure({"on_play": {"url": world.url, "extra": {"colour": "red"}}})
    await world.ask()
    assert world.backend.questions[0]["colour"] == "red"


async def test_nobody_waits_long_for_a_publisher_who_is_not_there(world: World) -> None:
    world.configure({"inputs": [{"url": "fake://fake"}]})
    usual = (await world.ask()).config.start_seconds
    world.configure({"inputs": [{"url": "publish://"}]})
    short = (await world.ask()).config.start_seconds
    assert short < 5 < usual
    assert (await world.ask(kind="publish")).config
    assert (await world.ask()).config.start_seconds == usual
    world.configure({"inputs": [{"url": "publish://"}], "backup": {"file": "vod/a.mp4"}})
    assert (await world.ask()).config.start_seconds == usual


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
    world.control.countries_changed()
    world.control.rule_sets_changed()
    await world.control.recheck(time.monotonic() + 1)
    await world.control.reauthorize("a")
    assert world.sessions.get(granted.session_id) is not None
    assert world.backend.questions == []
