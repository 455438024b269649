"""10,000 sessions that all move bytes: the CPU time of counting, telling and tracking them."""

import time
from pathlib import Path

import msgspec
from media_streamer.egress.access import Access
from media_streamer.egress.served_sessions import ServedSessions
from media_streamer.supervisor.sessions import Session, SessionRegistry
from media_streamer.wire.control import AccessRequest, SessionsMoved
from media_streamer.wire.encoding import encode

from tests.bench.figure import Figure
from tests.unit.media_streamer.supervisor.test_pulse import Deaf

SESSIONS = 10_000
STREAMS = 100
SECONDS = 30
BYTES = 250_000
"""Of a second of 2 Mb/s."""


def run() -> list[Figure]:
    """Percent of a core in one egress worker and in the supervisor; reports go each second."""
    registry = SessionRegistry(Deaf())
    served = ServedSessions(lambda _: None)
    decoder = msgspec.msgpack.Decoder(SessionsMoved)
    held = []
    for number in range(SESSIONS):
        name = f"live/{number % STREAMS}"
        one = registry.open(Session("", name, "play", "hls", "192.0.2.1", key=str(number)))
        request = AccessRequest(name, "hls", "play", one.ip)
        held.append(served.open(Access(one.id, name, Path(), 1, request)))
    telling = tracking = 0.0
    for second in range(SECONDS):
        for account in held:
            account.bytes += BYTES
        began = time.process_time()
        message = encode(SessionsMoved(served.changed()))
        told = time.process_time()
        assert registry.update("egress0", decoder.decode(message).sessions) == []
        registry.sample_rates(float(second))
        registry.expire()
        telling += told - began
        tracking += time.process_time() - told
    sent = SESSIONS * BYTES * SECONDS
    assert registry.bytes_sent == sent, f"{registry.bytes_sent} of {sent} bytes are counted"
    title = f"{SESSIONS:,} sessions,"
    return [
        Figure(f"{title} egress worker tells", 100 * telling / SECONDS, "% core"),
        Figure(f"{title} supervisor tracks", 100 * tracking / SECONDS, "% core", goal="< 5"),
    ]
