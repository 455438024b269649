"""Files and folders that a configuration names and that are not there, for `streamer --check`.

A warning each, as they may come later: a running server looks at them again and says itself what it
misses.
"""

from collections.abc import Iterator
from os.path import exists, isdir, isfile, join
from pathlib import Path

from media_api.auth import AuthSpec
from media_api.scripts import script_path
from media_api.server import ServerConfig
from media_api.unsupported import vod_directories
from media_auth.countries import BUILTIN, open_countries

from media_streamer.config.load import LoadedConfig
from media_streamer.config.problems import ConfigProblem, PathPart

Place = tuple[PathPart, ...]


def missing_files(loaded: LoadedConfig) -> list[ConfigProblem]:
    """In the order of the configuration's fields."""
    found = []
    for path, text in _missing(loaded.config):
        at = loaded.locate(path)
        line, col, file = (at.line, at.col, at.file) if at else (0, 0, str(loaded.files[0]))
        found.append(ConfigProblem(line, col, path, "missing_file", text, file, severity="warning"))
    return found


def _missing(config: ServerConfig) -> Iterator[tuple[Place, str]]:
    if config.geoip and config.geoip != BUILTIN:
        try:
            open_countries(config.geoip).close()
        except (OSError, ValueError) as error:
            text = f"geoip: {config.geoip} cannot be read, rules on countries do not hold: {error}"
            yield ("geoip",), text
    for path, url in _scripts(config):
        script = script_path(url)
        if script is not None and not isfile(script):
            yield path, f"the script {script} does not exist"
    for index, vod in enumerate(config.vods):
        for number, storage in enumerate(vod.storages):
            folder = Path(storage.url.removeprefix("file://"))
            if folder.is_absolute() and not isdir(folder):
                text = f"vod {vod.prefix}: there is no directory {folder}"
                yield ("vods", index, "storages", number), text
    yield from _films(config)
    for path, name in _folders(config):
        folder = Path(name)
        if not folder.is_absolute():
            yield path, f"{path[0]}: {name} begins where the server is started: write /…/{name}"
        # One that is not there is made; below a file none can be.
        if folder.is_absolute() and any(isfile(one) for one in (folder, *folder.parents)):
            yield path, f"{path[0]}: {folder} cannot be a directory: a file is there"


def _films(config: ServerConfig) -> Iterator[tuple[Place, str]]:
    """Films of streams, in locations whose directories are all of this machine."""
    directories = vod_directories(config)
    # The longest location wins, as where they are played (`protocols/file/pull.py`).
    vods = sorted(config.vods, key=lambda one: len(one.prefix), reverse=True)
    for key in ("streams", "templates"):
        for index, item in enumerate(getattr(config, key)):
            files: list[tuple[Place, str]] = [
                (("inputs", number, "url"), one.url.removeprefix("file://"))
                for number, one in enumerate(item.inputs or ())
                if one.url.startswith("file://")
            ]
            if item.backup is not None and item.backup.file:
                files.append((("backup", "file"), item.backup.file))
            for path, name in files:
                vod = next((one for one in vods if name.startswith(f"{one.prefix}/")), None)
                roots = directories.get(vod.prefix, ()) if vod is not None else ()
                if vod is None or len(roots) < len(vod.storages) or not roots:
                    continue
                film = name[len(vod.prefix) + 1 :].lstrip("/")
                below = film.partition("?")[0]
                if not any(exists(join(root, below)) for root in roots):
                    text = f"vod {vod.prefix} has no file {film[:80]}"
                    yield (key, index, *path), text


def _folders(config: ServerConfig) -> Iterator[tuple[Place, str]]:
    """Where something is written."""
    for key in ("pulsedb", "session_log"):
        if name := getattr(config, key):
            yield (key,), name
    for index, cache in enumerate(config.caches):
        yield ("caches", index), cache.path


def _scripts(config: ServerConfig) -> Iterator[tuple[Place, str]]:
    """Whatever may be a script."""
    if config.init_script:
        yield ("init_script",), config.init_script
    for index, sink in enumerate(config.event_sinks):
        yield ("event_sinks", index, "url"), sink.url
    for index, rules in enumerate(config.auth_backends):
        for number, backend in enumerate(rules.backends or ()):
            yield ("auth_backends", index, "backends", number), backend.url
    for index, vod in enumerate(config.vods):
        yield from _rules(("vods", index, "on_play"), vod.on_play)
    for key in ("streams", "templates", "sources"):
        for index, item in enumerate(getattr(config, key)):
            yield from _rules((key, index, "on_play"), item.on_play)
            yield from _rules((key, index, "on_publish"), item.on_publish)


def _rules(path: Place, spec: AuthSpec | None) -> Iterator[tuple[Place, str]]:
    if spec is not None and isinstance(spec.url, str):
        yield (*path, "url"), spec.url
