"""SRT to 50 and 100 viewers of one stream: CPU, not counting the readers."""

from tests.bench import _fan_out
from tests.bench.figure import Figure

AUDIENCES = 50, 100


def run() -> list[Figure]:
    """Percent of a core per 100 viewers of 2.1 Mb/s over 10 s."""
    return _fan_out.measure(("srt",), AUDIENCES)
