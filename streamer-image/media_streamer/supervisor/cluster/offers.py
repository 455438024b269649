"""From what another server lists to streams of this one. Pure.

A name is taken if the rules of the source let it, and if it does not come from here: each server
tells through which others it has a stream, so two that take from each other never take back what
is their own, and a longer ring is broken the same way. A stream that a server has from another one
without telling from where is left to that one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from media_api.cluster import PeerConfig, SourceConfig, SourceGroup
from media_api.stream import StreamMedia, StreamOnPremises

from media_streamer.supervisor.catalog import Elsewhere, RemoteStream
from media_streamer.supervisor.cluster.listing import Address, Listed, Listing

JsonObject = dict[str, Any]

MAX_INPUTS = 8
"""Servers that one stream is taken from, one after another."""
_OPTIONS = frozenset(StreamMedia.model_fields) | frozenset(StreamOnPremises.model_fields)
_GROUP_OPTIONS = tuple(key for key in SourceGroup.model_fields if key != "name")


@dataclass(frozen=True, slots=True)
class Offer:
    """A stream that one other server offers."""

    name: str
    """Here."""
    inputs: list[JsonObject]
    options: JsonObject
    elsewhere: Elsewhere


class Names:
    """`only` and `except`: names, or patterns in which `*` is any text; `except` wins. An empty
    `only` takes none, one that is not said takes all."""

    def __init__(self, only: Sequence[str] | None, except_: Sequence[str] | None) -> None:
        self._only = _pattern(only) if only is not None else None
        self._except = _pattern(except_ or ())

    def take(self, name: str) -> bool:
        if self._except.fullmatch(name):
            return False
        return self._only is None or self._only.fullmatch(name) is not None


def _pattern(names: Sequence[str]) -> re.Pattern[str]:
    """Matches nothing without names."""
    if not names:
        return re.compile(r"(?!)")
    return re.compile("|".join(".*".join(map(re.escape, name.split("*"))) for name in names))


def split_source(url: str) -> tuple[str, str]:
    """`HOST[:PORT][/PREFIX]` or a URL: where the server is, and the prefix of local names."""
    scheme, separator, rest = url.rpartition("://")
    host, _, prefix = rest.partition("/")
    return f"{scheme}{separator}{host}", prefix.strip("/")


class SourceOffers:
    """What a source offers, by its rules."""

    def __init__(self, config: SourceConfig, address: Address, own_instance: str) -> None:
        self._address = address
        self._own = own_instance
        prefix = config.prefix or split_source(config.url)[1]
        self._prefix = f"{prefix}/" if prefix else ""
        self._names = Names(config.only, config.except_)
        explicit = config.explicit()
        self._options = {key: value for key, value in explicit.items() if key in _OPTIONS}
        self._groups = {
            name: {k: v for k, v in group.items() if k in _GROUP_OPTIONS}
            for name, group in explicit.get("group_config", {}).items()
        }

    def of(self, listing: Listing, known: Iterable[str]) -> dict[str, Offer]:
        """By local name. `known`: what it offered before, which stays while it does not run."""
        before = set(known)
        found = {}
        for listed in listing.streams.values():
            name = self._prefix + listed.name
            if (listed.runs or name in before) and self._takes(listed):
                found[name] = self._offer(name, listed, listing.instance)
        return found

    def _takes(self, listed: Listed) -> bool:
        if listed.is_remote and not listed.via:
            return False
        return self._own not in listed.via and self._names.take(listed.name)

    def _offer(self, name: str, listed: Listed, instance: str) -> Offer:
        options = dict(self._options)
        for group in listed.groups:
            options |= self._groups.get(group, {})
        if listed.title:
            options["title"] = listed.title
        via = (instance, *listed.via) if instance else listed.via
        elsewhere = Elsewhere(self._address.host, via=via)
        inputs = self._address.inputs(listed.name, ours=bool(instance))
        return Offer(name, inputs, options, elsewhere)


class PeerOffers:
    """What a peer offers: its own streams, to whose viewers it is named."""

    def __init__(self, config: PeerConfig, address: Address) -> None:
        self._hostname = config.hostname
        payload = config.private_payload_url
        self._address = Address.of(payload, address.cluster_key) if payload else address
        self.public_url = (config.public_payload_url or address.url).rstrip("/")

    def of(self, listing: Listing) -> dict[str, Offer]:
        found = {}
        for listed in listing.streams.values():
            # What it has from others, those say themselves.
            if not listed.runs or listed.is_remote or listed.via:
                continue
            options = {"title": listed.title} if listed.title else {}
            elsewhere = Elsewhere(self._hostname, self.public_url, via=(listing.instance,))
            inputs = self.inputs(listed.name, listing)
            found[listed.name] = Offer(listed.name, inputs, options, elsewhere)
        return found

    def inputs(self, name: str, listing: Listing) -> list[JsonObject]:
        """How a stream is pulled from the peer."""
        return self._address.inputs(name, ours=bool(listing.instance))


class Offers:
    """Who offers which name. Several servers that have a stream are its inputs, in their order."""

    def __init__(self) -> None:
        self._by_server: dict[str, dict[str, Offer]] = {}

    def names(self, server: str) -> Iterable[str]:
        """What the server offers now."""
        return self._by_server.get(server, {}).keys()

    def order(self, servers: Iterable[str]) -> set[str]:
        """These are all servers, the best first; returns the names that this concerns."""
        wanted = list(servers)
        changed: set[str] = set()
        for gone in self._by_server.keys() - set(wanted):
            changed.update(self._by_server.pop(gone))
        before = list(self._by_server)
        self._by_server = {one: self._by_server.get(one, {}) for one in wanted}
        if before != [one for one in wanted if one in before]:
            changed.update(name for one in before for name in self._by_server[one])
        return changed

    def put(self, server: str, offers: Mapping[str, Offer]) -> set[str]:
        """All that the server offers from now on; returns the names for which that is new."""
        before = self._by_server.get(server)
        if before is None:
            return set()  # it was taken from the configuration meanwhile
        self._by_server[server] = dict(offers)
        names = before.keys() | offers.keys()
        return {name for name in names if before.get(name) != offers.get(name)}

    def stream(self, name: str) -> RemoteStream | None:
        """What all offers of the name make; None: nobody has it."""
        found = [by[name] for by in self._by_server.values() if name in by][:MAX_INPUTS]
        if not found:
            return None
        saved = {
            **found[0].options,
            "name": name,
            "static": False,
            "inputs": [item for one in found for item in one.inputs],
        }
        via = tuple(dict.fromkeys(one for offer in found for one in offer.elsewhere.via))
        return RemoteStream(saved, replace(found[0].elsewhere, via=via))
