"""Where event sinks may write: files of one directory, whoever asks for them.

Role: an event sink can be configured by the API and by a configuration backend, and a line of an
event holds text of strangers. So `log:///etc/cron.d/x` is refused wherever it is read, and what a
link inside the directory leads to is not followed out of it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from media_api.events import EventSinkConfig
from media_api.server import ServerConfig

from media_streamer.config.binder import ParsedConfig
from media_streamer.config.grammar import Word
from media_streamer.config.problems import ConfigProblem

DEFAULT_DIRECTORY = Path("/var/log/flussonic")
VARIABLE = "STREAMER_LOG_DIR"
SCHEMES = frozenset({"log", "jsonlog"})


def log_directory(environ: Mapping[str, str]) -> Path:
    return Path(environ.get(VARIABLE) or DEFAULT_DIRECTORY).absolute()


def log_file(url: str, directory: Path) -> Path:
    """The file of a `log://` or `jsonlog://` URL; a relative one starts at `directory`.

    Raises ValueError for a file that lies elsewhere; the message names the way out.
    """
    path = directory / url.partition("://")[2]
    parts = path.relative_to(directory).parts if path.is_relative_to(directory) else ()
    if not parts or ".." in parts or "\0" in str(path):
        raise ValueError(
            f"log files of events lie below {directory}: name one there, or set {VARIABLE}"
        )
    return path


def refused_sinks(sinks: Iterable[EventSinkConfig], directory: Path) -> dict[int, str]:
    """Index and reason of each sink whose file lies elsewhere."""
    refused = {}
    for index, sink in enumerate(sinks):
        if sink.url.partition("://")[0] in SCHEMES:
            try:
                log_file(sink.url, directory)
            except ValueError as error:
                refused[index] = str(error)
    return refused


def check_log_files(
    parsed: ParsedConfig, config: ServerConfig, directory: Path
) -> list[ConfigProblem]:
    """A problem at the line of each sink whose file lies elsewhere."""
    problems = []
    for index, detail in refused_sinks(config.event_sinks, directory).items():
        path = ("event_sinks", index, "url")
        at = parsed.locate(path) or parsed.locate(path[:2]) or Word("", "", 0, 0)
        problems.append(ConfigProblem(at.line, at.col, path, "bad_url", detail, at.file))
    return problems
