"""When a stream is alive. Apart from the models of statuses: media workers begin without those."""

ALIVE_TS_DELAY = 12_000
"""Milliseconds since the last frame up to which a stream is alive."""


def is_alive(ts_delay: float | None) -> bool:
    """True if the last frame came at most 12 s ago. `ts_delay` in ms, None without any frame."""
    return ts_delay is not None and ts_delay <= ALIVE_TS_DELAY
