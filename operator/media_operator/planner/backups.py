"""Further streamers that keep a copy of an archive. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random

from media_operator.planner.encoding import NOTHING
from media_operator.planner.placement import (
    ChangeReason,
    Load,
    StreamDemand,
    StreamerOffer,
    misfit,
)


def choose_backups(
    wanted: Mapping[str, int],
    streams: Mapping[str, StreamDemand],
    streamers: Sequence[StreamerOffer],
    ingests: Mapping[str, str],
    current: Mapping[str, Sequence[str]],
    random: Random,
) -> dict[str, list[str]]:
    """Further streamers that keep a copy of a stream's archive, for those where that changes.

    `wanted`: copies by stream. A copy stays where it is while that streamer fits and does not run
    the stream itself; there are fewer copies than wanted where not enough streamers fit.
    """
    offers = {offer.hostname: offer for offer in streamers}
    load = Load(offers)
    for name, hostname in ingests.items():
        if hostname in offers and name in streams:
            load.add(streams[name], hostname)
    # A copy is made of what was encoded already.
    streams = {
        name: replace(stream, encoding=NOTHING, encoding_by_gpu=None)
        for name, stream in streams.items()
    }
    for name, hostnames in current.items():
        for hostname in hostnames:
            if hostname in offers and name in streams:
                load.add(streams[name], hostname)
    changed: dict[str, list[str]] = {}
    for name in sorted(wanted.keys() | current.keys()):
        before = list(current.get(name, ()))
        stream = streams.get(name)
        count = wanted.get(name, 0) if stream is not None and not stream.disabled else 0
        kept = [
            hostname
            for hostname in before
            if stream is not None
            and hostname != ingests.get(name)
            and hostname in offers
            and misfit(stream, offers[hostname]) in (None, ChangeReason.PINNED)
        ][:count]
        if stream is not None and len(kept) < count:
            kept += _least_loaded(
                stream, offers.values(), load, {*kept, ingests.get(name)}, count - len(kept), random
            )
        if kept != before:
            changed[name] = kept
    return changed


def _least_loaded(
    stream: StreamDemand,
    offers: Iterable[StreamerOffer],
    load: Load,
    taken: set[str | None],
    count: int,
    random: Random,
) -> list[str]:
    # A copy is for the case that the streamer that the stream names is gone.
    fitting = [
        offer.hostname
        for offer in offers
        if offer.hostname not in taken
        and misfit(stream, offer) in (None, ChangeReason.PINNED)
        and load.refuses(stream, offer) is None
    ]
    chosen = sorted(fitting, key=lambda hostname: (load.share(hostname), random.random()))[:count]
    for hostname in chosen:
        load.add(stream, hostname)
    return chosen
