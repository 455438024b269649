"""The configuration file: parse, check, load, write back, compare. See README.md."""

from media_streamer.config.binder import ParsedConfig, parse
from media_streamer.config.problems import ConfigProblem
from media_streamer.config.writer import write

__all__ = ["ConfigProblem", "ParsedConfig", "parse", "write"]
