"""The configuration file: parse, check, load, write back. See README.md."""

from media_streamer.config.binder import ParsedConfig, parse
from media_streamer.config.edit import EditError, save_global, save_objects
from media_streamer.config.load import LoadedConfig, load
from media_streamer.config.problems import ConfigProblem
from media_streamer.config.writer import write, write_object

__all__ = [
    "ConfigProblem",
    "EditError",
    "LoadedConfig",
    "ParsedConfig",
    "load",
    "parse",
    "save_global",
    "save_objects",
    "write",
    "write_object",
]
