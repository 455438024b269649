"""RTSP to 100 and 400 viewers of one stream, within the connection: CPU, not counting the readers.

RTMP beside it: both are the same writes to each viewer.
"""

from tests.bench import _fan_out
from tests.bench.figure import Figure


def run() -> list[Figure]:
    """Percent of a core per 100 viewers of 2.1 Mb/s over 10 s."""
    return _fan_out.measure(("rtsp", "rtmp"))
