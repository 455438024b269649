"""Which streams show the archive of another one."""

from pathlib import Path

from media_api.server import ServerConfig
from media_streamer.archive.declared import Declared, declared
from media_streamer.supervisor.catalog import Catalog
from media_streamer.supervisor.shown_archives import ShownArchives

LATE = [{"url": "publish://"}, {"url": "timeshift://a/channel/3600"}, {"url": "timeshift://b/60"}]


def test_a_stream_hears_of_the_archives_it_shows() -> None:
    recorded = {"inputs": [{"url": "publish://"}], "dvr": {"root": "/dvr"}}
    streams = [{"name": "late", "inputs": LATE}, {"name": "a/channel", **recorded}]
    config = ServerConfig.model_validate({"streams": streams})
    catalog, archives = Catalog(), dict[str, Declared]()
    shown = ShownArchives(archives.get)
    shown.streams_changed(catalog.set_config(config), catalog)
    assert shown.places("late") == {}, "nobody has recorded anything"
    assert shown.shown_by(["a/channel"]) == shown.shown_by(["b", "c"]) == {"late"}
    assert shown.shown_by(["late", "c"]) == set()

    found = declared(catalog.streams["a/channel"].config, config)
    assert found is not None
    archives["a/channel"] = found
    assert shown.places("late") == {"a/channel": [("/dvr", "/dvr/a/channel", "")]}
    assert shown.folders("late") == {Path("/dvr")}
    assert shown.places("a/channel") == {}

    shown.streams_changed(catalog.set_config(ServerConfig()), catalog)
    assert shown.shown_by(["a/channel"]) == set()
    assert shown.folders("late") == frozenset()
