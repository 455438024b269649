"""Which of the streamers that can serve a viewer gets him. Pure.

A balancer names servers with rules: a server with `countries` takes viewers of these; one that says
`countries_default` also those whom no server names, and those whose country is not known. A server
at its `max_bitrate` gets nobody. Of the rest the least used one is chosen, by the balancer's mode.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from media_api.auth import named
from media_api.cluster import BalancerConfig, BalancerServer

BITS_PER_KBIT = 1000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A streamer that serves the stream now. `capacity_kbit` 0: not known."""

    hostname: str
    output_kbit: int = 0
    clients: int = 0
    streams: int = 0
    capacity_kbit: int = 0


def choose(
    candidates: Iterable[Candidate], balancer: BalancerConfig | None = None, country: str = ""
) -> Candidate | None:
    """The one to send a viewer to; None if the rules leave nobody.

    Without a balancer all candidates are equal and the one that sends least is chosen.
    """
    found = list(candidates)
    if balancer is None:
        return min(found, key=lambda one: (one.output_kbit, one.hostname), default=None)
    rules = {server.name: server for server in balancer.servers}
    fitting = [
        one
        for one in found
        if one.hostname in rules
        and _takes(rules[one.hostname], balancer.servers, country)
        and not _is_full(one, rules[one.hostname])
    ]
    return min(fitting, key=lambda one: _use(one, rules[one.hostname], balancer.mode), default=None)


def _takes(server: BalancerServer, servers: Sequence[BalancerServer], country: str) -> bool:
    if not server.countries and not server.countries_default:
        return True
    if named(country, server.countries or ()):
        return True
    elsewhere = any(named(country, other.countries or ()) for other in servers)
    return bool(server.countries_default) and not elsewhere


def _is_full(one: Candidate, server: BalancerServer) -> bool:
    limit = server.max_bitrate
    return limit is not None and one.output_kbit * BITS_PER_KBIT >= limit


def _use(one: Candidate, server: BalancerServer, mode: str) -> tuple[float, int, str]:
    if mode == "clients":
        use = float(one.clients)
    elif mode == "streams":
        use = float(one.streams)
    elif mode == "usage":
        limit = server.max_bitrate
        capacity = limit / BITS_PER_KBIT if limit else one.capacity_kbit
        # Of one whose capacity nobody knows only its output can be compared.
        use = one.output_kbit / capacity if capacity else float(one.output_kbit)
    else:
        use = float(one.output_kbit)
    return use, one.output_kbit, one.hostname
