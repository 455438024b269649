"""WebRTC to 100 and 400 viewers of one stream: CPU, not counting the readers."""

from tests.bench import _fan_out
from tests.bench.figure import Figure


def run() -> list[Figure]:
    """Percent of a core per 100 viewers of 2.1 Mb/s over 10 s."""
    print("  MediaMTX: some 50 viewers a core by a user's report (its issue 4963)")
    return _fan_out.measure(("webrtc",))
