"""The configuration in force: reload, write-back, and files that are wrong."""

import asyncio
from pathlib import Path

import pytest
from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_streamer.config import EditError
from media_streamer.supervisor.configuration import Configuration, config_error


class World:
    def __init__(self, path: Path, text: str | None, **environ: str) -> None:
        self.path = path
        if text is not None:
            path.write_text(text)
        self.applied: list[ServerConfig] = []
        self.configuration = Configuration(
            path, environ, lambda _, new: self.applied.append(new), path.parent / "state"
        )

    @property
    def text(self) -> str:
        return self.path.read_text()

    @text.setter
    def text(self, text: str) -> None:
        self.path.write_text(text)

    def make_unwritable(self) -> None:
        """Even root cannot replace a directory by a file."""
        self.path.unlink()
        self.path.mkdir()

    @property
    def names(self) -> list[str]:
        return [stream.name for stream in self.configuration.current.streams]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flussonic.conf"


GOOD = "http 8080;\n# why\nstream a { input fake://fake; }\nstream b { input fake://fake; }\n"


async def test_without_a_file_the_defaults_hold(path: Path) -> None:
    world = World(path, None)
    await world.configuration.start()
    assert not world.configuration.problems
    listeners = world.configuration.current.listeners
    assert listeners is not None
    assert [item.port for item in listeners.http or ()] == [80]
    await world.configuration.save_object("streams", "x", StreamConfig(name="x"))
    assert "stream x" in world.text


async def test_a_broken_file_at_the_start_gives_what_can_be_read(path: Path) -> None:
    world = World(path, GOOD + "stream c { input }\n")
    await world.configuration.start()
    assert {"a", "b"} <= set(world.names)
    error = config_error(world.configuration.problems)
    assert error is not None
    assert error["first_error_line"] == 5


async def test_a_broken_file_at_reload_changes_nothing(path: Path) -> None:
    world = World(path, GOOD)
    await world.configuration.start()
    world.text = "stream z {"
    assert await world.configuration.reload()
    assert world.names == ["a", "b"]
    assert len(world.applied) == 1
    with pytest.raises(EditError):
        await world.configuration.save_object("streams", "x", StreamConfig(name="x"))
    assert world.text == "stream z {"
    world.text = GOOD
    assert not await world.configuration.reload()
    assert config_error(world.configuration.problems) is None


async def test_objects_are_written_where_they_stand(path: Path) -> None:
    world = World(path, GOOD)
    await world.configuration.start()
    versions = [world.configuration.version]
    changed = StreamConfig.model_validate({"name": "a", "title": "A"})
    await world.configuration.save_object("streams", "a", changed)
    renamed = StreamConfig.model_validate({"name": "c", "title": "B"})
    await world.configuration.save_object("streams", "b", renamed)
    versions.append(world.configuration.version)
    assert world.names == ["a", "c"]
    assert "# why" in world.text
    memory = world.configuration.current
    assert not await world.configuration.reload()
    assert world.configuration.current.streams == memory.streams
    assert versions == sorted(versions)
    await world.configuration.save_object("streams", "c", None)
    assert world.names == ["a"]
    assert "stream c" not in world.text


async def test_a_name_that_is_taken(path: Path) -> None:
    world = World(path, GOOD)
    await world.configuration.start()
    with pytest.raises(EditError, match="b exists already"):
        await world.configuration.save_object("streams", "a", StreamConfig(name="b"))
    assert world.text == GOOD


async def test_a_file_that_cannot_be_written(path: Path) -> None:
    world = World(path, GOOD)
    await world.configuration.start()
    world.make_unwritable()
    with pytest.raises(OSError, match="directory"):
        await world.configuration.save_object("streams", "x", StreamConfig(name="x"))
    assert world.names == ["a", "b"]


async def test_values_of_the_environment_stay_out_of_the_file(path: Path) -> None:
    world = World(path, GOOD, STREAMER_EDIT_AUTH="u SECRET")
    configuration = world.configuration
    await configuration.start()
    assert configuration.current.edit_auth is not None
    await configuration.save_globals({"max_sessions": 5})
    assert configuration.current.edit_auth is not None
    assert "SECRET" not in world.text
    assert "max_sessions 5" in world.text


async def test_a_password_is_made_for_what_holds_only(path: Path) -> None:
    """A text that is refused opens nothing to others."""
    world = World(path, "http 127.0.0.1:8080;\n")
    configuration, kept = world.configuration, path.parent / "state" / "first_password"
    await configuration.start()
    world.text = "http 8080;\nno_such_directive 5;\n"
    assert await configuration.reload()
    assert not kept.exists()
    world.text = "http 8080;\n"
    assert not await configuration.reload()
    assert kept.exists()
    assert configuration.current.edit_auth is not None


async def test_what_only_the_files_show_is_refused_and_undone(path: Path) -> None:
    """Certificates and ports: a server that was told 400 must begin again as it is."""
    drop_in = path.with_name(path.name + ".d") / "a.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("max_sessions 5;\n")
    world = World(path, GOOD)
    configuration = world.configuration
    await configuration.start()
    for listeners in (
        {"http": [8080], "rtsp": [8080]},
        {"https": [{"port": 1, "certificate": "x"}]},
    ):
        changes = {"listeners": listeners, "max_sessions": 6}
        [problem, *_] = await configuration.save_globals(changes)
        assert problem.code in ("port_taken", "missing_file")
        assert world.text == GOOD
        assert drop_in.read_text() == "max_sessions 5;\n"
        assert not configuration.problems
    assert await configuration.save_text("http 80;\nrtsp 80;\n")
    assert world.text == GOOD
    assert configuration.current.max_sessions == 5
    assert await configuration.save_globals({"max_sessions": 7}) == []


async def test_after_a_refusal_changes_go_into_the_files_that_hold(path: Path) -> None:
    """A refused text that includes less must not make a stream of an included file a second one."""
    cameras = path.with_name("cameras.conf")
    cameras.write_text("stream cam { input fake://fake; }\n")
    main = f"include cameras.conf;\n{GOOD}"
    world = World(path, main)
    await world.configuration.start()
    assert await world.configuration.save_text("http 80;\nrtsp 80;\n")
    changed = StreamConfig.model_validate({"name": "cam", "title": "Yard"})
    await world.configuration.save_object("streams", "cam", changed)
    assert world.text == main
    assert "Yard" in cameras.read_text()
    assert not await world.configuration.reload()


async def test_of_several_keys_none_is_written_where_one_is_refused(path: Path) -> None:
    given = path.with_name(path.name + ".d") / "00-resource.json"
    given.parent.mkdir()
    given.write_text('{"max_sessions": 5}')
    world = World(path, GOOD)
    await world.configuration.start()
    with pytest.raises(EditError, match="max_sessions stands in"):
        await world.configuration.save_globals({"url_prefix": "http://cdn/", "max_sessions": 6})
    assert world.text == GOOD
    assert not await world.configuration.reload()
    assert world.configuration.current.url_prefix is None


async def test_no_file_is_left_of_what_is_refused(path: Path) -> None:
    world = World(path, None)
    await world.configuration.start()
    assert await world.configuration.save_text("http 80;\nrtsp 80;\n")
    assert not await asyncio.to_thread(path.exists)
