"""The configuration as it lies on disk: file, drop-ins, includes, environment, certificates.

Role: what `streamer -c FILE`, `--check` and reload read. Invariant: always gives a configuration:
what cannot be read or understood is a problem in the list, never an exception, because a server
with a broken file still starts and says so.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from media_api.server import ServerConfig
from media_rest.errors import in_words
from media_rest.unknown import unknown_fields
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from media_streamer.config.binder import ParsedConfig, bind
from media_streamer.config.environment import apply_environment, egress_workers
from media_streamer.config.grammar import Directive, Tree, Word, parse_tree
from media_streamer.config.log_files import check_log_files, log_directory
from media_streamer.config.ports import check_ports
from media_streamer.config.problems import ConfigProblem
from media_streamer.config.scope import Path as ConfigPath
from media_streamer.config.tls import check_tls
from media_streamer.config.writer import write

DEFAULT_PATH = Path("/etc/flussonic/flussonic.conf")
MAX_FILE_BYTES = 64 * 1024 * 1024
"""Room for 100,000 streams; a bound against reading a device or a video by mistake."""
MAX_INCLUDE_DEPTH = 8


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """The configuration, its problems, and the files it came from (main file first)."""

    config: ServerConfig
    errors: list[ConfigProblem]
    warnings: list[ConfigProblem]
    files: list[Path]
    locate: Callable[[ConfigPath], Word | None] = field(repr=False, compare=False)
    """The word that gave the value at a path, or what is around it."""
    directives: list[Directive] = field(default_factory=list, repr=False, compare=False)
    """Those of all files, as they were read."""


class _Reader:
    """Reads files once each and expands `include`."""

    def __init__(self) -> None:
        self.files: list[Path] = []

    def read(self, path: Path, at: Word | None = None, depth: int = 0) -> Tree:
        """Tree of `path` with what it includes. `at` is the word that named the file."""
        at = at or Word("", "", 0, 0, str(path))
        if path.resolve() in {file.resolve() for file in self.files}:
            return _failed(at, "included_twice", f"{path} is read already")
        self.files.append(path)
        try:
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return _failed(at, "missing_file", f"{path} does not exist")
        except OSError as error:
            return _failed(at, "unreadable_file", f"{path} cannot be read: {error.strerror}")
        if len(data) > MAX_FILE_BYTES:
            detail = f"{path} has more than {MAX_FILE_BYTES} bytes: is it a configuration?"
            return _failed(at, "unreadable_file", detail)
        text, problems = _decode(data, str(path))
        if path.suffix == ".json":
            text, refused = _text_of_json(text, str(path))
            problems += refused
        tree = parse_tree(text, str(path))
        tree.problems.extend(problems)
        return self._expand(tree, path.parent, depth)

    def _expand(self, tree: Tree, directory: Path, depth: int) -> Tree:
        directives: list[Directive] = []
        for node in tree.directives:
            if node.name.value != "include":
                directives.append(node)
                continue
            for included in self._include(node, directory, depth):
                directives.extend(included.directives)
                tree.problems.extend(included.problems)
        return Tree(directives, tree.problems)

    def _include(self, node: Directive, directory: Path, depth: int) -> list[Tree]:
        if len(node.args) != 1 or node.children is not None:
            return [_failed(node.name, "missing_value", "include takes one file or pattern")]
        word = node.args[0]
        if depth >= MAX_INCLUDE_DEPTH:
            detail = f"include goes deeper than {MAX_INCLUDE_DEPTH} files"
            return [_failed(word, "included_twice", detail)]
        paths = _glob(directory, word.value)
        if not paths and not any(sign in word.value for sign in "*?["):
            return [_failed(word, "missing_file", f"{directory / word.value} does not exist")]
        return [self.read(path, word, depth + 1) for path in paths]


def _glob(directory: Path, pattern: str) -> list[Path]:
    """Files that match, sorted by name; relative patterns start at `directory`."""
    path = Path(pattern)
    base, relative = (
        (Path(path.anchor), path.relative_to(path.anchor))
        if path.anchor
        else (
            directory,
            path,
        )
    )
    try:
        return sorted(file for file in base.glob(str(relative)) if file.is_file())
    except (ValueError, NotImplementedError, OSError):
        return []


def _failed(at: Word, code: str, detail: str) -> Tree:
    return Tree([], [ConfigProblem(at.line, at.col, (), code, detail, at.file)])


def _text_of_json(text: str, filename: str) -> tuple[str, list[ConfigProblem]]:
    """The directives that say what a JSON object says under the names of the REST API.

    So the operator hands over `spec.config` of a Streamer without knowing the file's grammar.
    An object with an error is left out whole.
    """
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        problem = ConfigProblem(error.lineno, error.colno, (), "syntax_error", error.msg, filename)
        return "", [problem]
    unknown = [
        ConfigProblem(0, 0, (), "unknown_option", sentence, filename, severity="warning")
        for sentence in unknown_fields(body, ServerConfig)
    ]
    try:
        return write(ServerConfig.model_validate(body)), unknown
    except ValidationError as invalid:
        return "", [
            *unknown,
            *(
                ConfigProblem(0, 0, error["loc"], "bad_value", _named(error), filename)
                for error in invalid.errors(include_url=False, include_input=False)
            ),
        ]


def _named(error: ErrorDetails) -> str:
    """What is wrong, behind its place in the object: `streams.0.segment_count must be …`."""
    place = ".".join(map(str, error["loc"]))[:200] or "the file"
    told = in_words(error["type"], error["msg"])
    return f"{place} {told}" if told.startswith("must ") else f"{place}: {told}"


def _decode(data: bytes, filename: str) -> tuple[str, list[ConfigProblem]]:
    """Text without byte order mark; bytes that are no UTF-8 are replaced and told."""
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        col = len(before) - (before.rfind(b"\n") + 1) + 1
        problem = ConfigProblem(
            line, col, (), "bad_encoding", "this is no UTF-8 text", filename, "save as UTF-8"
        )
        return data.decode("utf-8-sig", errors="replace"), [problem]


def load(path: Path | str, environ: Mapping[str, str] | None = None) -> LoadedConfig:
    """Configuration of `path`, its `PATH.d/*.conf` and `*.json`, their includes, the environment.

    The drop-ins hold in the order of their names, whichever of the two they are.
    """
    main = Path(path)
    reader = _Reader()
    trees = [reader.read(main)]
    drop_ins = main.with_name(main.name + ".d")
    added = sorted(_glob(drop_ins, "*.conf") + _glob(drop_ins, "*.json"))
    trees += [reader.read(file) for file in added]
    parsed: ParsedConfig = bind(trees)
    environ = os.environ if environ is None else environ
    environment = apply_environment(parsed.config, environ)
    sinks = check_log_files(parsed, parsed.config, log_directory(environ))
    certificates = check_tls(parsed, parsed.config, main.absolute().parent)
    ports = check_ports(parsed, parsed.config, main.absolute().parent, egress_workers(environ))
    bad = [one for one in (*certificates, *ports) if one.severity == "error"]
    doubtful = [one for one in (*certificates, *ports) if one.severity != "error"]
    order = {str(file): index for index, file in enumerate(reader.files)}
    errors = sorted(
        [*parsed.errors, *bad, *sinks, *environment],
        key=lambda item: (order.get(item.filename, len(order)), item.line, item.col),
    )
    directives = [node for tree in trees for node in tree.directives]
    return LoadedConfig(
        parsed.config,
        errors,
        [*parsed.warnings, *doubtful],
        reader.files,
        parsed.locate,
        directives,
    )
