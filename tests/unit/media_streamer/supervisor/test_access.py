"""Access decisions: what is played, published and passed on at all."""

import time
from pathlib import Path

from media_rest.credentials import cluster_header
from media_streamer.supervisor.tickets import read_ticket
from media_streamer.wire.control import Granted, PublisherTerms, RateTerms
from msgspec.structs import replace

from .access_world import PLAY, PUBLISH, World


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
    # In segments too, by a request that says it is of a server: no viewer shares such a session.
    mine = await world.ask(proto="hls", authorization=good, own_archive=True)
    assert isinstance(mine, Granted)
    assert mine.relay
    assert (await world.ask(proto="hls", own_archive=True)).status == 403
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
    await world.control.rechecks.of_stream("a")
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


async def test_a_stream_with_drm_is_not_served_in_clear(world: World) -> None:
    world.configure({"drm": {"vendor": "widevine"}})
    assert (await world.ask()).code == "drm_not_supported"


SEALED = {"drm": {"vendor": "aes128", "keyserver": "http://keys/cas"}}


async def test_an_encrypted_stream_is_played_by_hls_alone(world: World) -> None:
    world.configure(SEALED)
    assert (await world.ask()).config.encryption.resource == "a"
    for proto in ("tshttp", "dash", "rtmp", "mseld", "webrtc", "m4f", "jpeg"):
        assert (await world.ask(proto=proto)).code == "drm_hls_only", proto


async def test_sessions_end_with_the_keys_that_they_began_with(world: World) -> None:
    """Also those that an earlier supervisor opened."""
    world.configure({})
    clear = await world.ask()
    world.configure(SEALED)
    world.news.allowed("a")
    assert world.sessions.get(clear.session_id) is None
    sealed = await world.ask()
    adopted = read_ticket(sealed.ticket)
    assert adopted.sealed == world.sessions.get(sealed.session_id).sealed != ""
    world.configure({**SEALED, "title": "new"})
    world.news.allowed("a")
    assert world.sessions.get(sealed.session_id) is not None
    world.configure({})
    world.news.allowed("a")
    assert world.sessions.get(sealed.session_id) is None


async def test_a_configuration_that_comes_while_a_backend_is_asked_holds(world: World) -> None:
    asked = {"on_play": {"url": world.url}}
    world.configure(asked)
    world.backend.on_question = lambda: world.configure({**asked, **SEALED})
    assert (await world.ask(proto="tshttp")).code == "drm_hls_only"


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
