"""Rules that need no network: pages that may embed, countries, and named rule sets.

The order within a rule set is fixed: tokens, addresses, countries, user agents, each first allow
and then deny; then all its backends at once, then `allow_default`.
"""

import asyncio
import ipaddress
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from media_api.auth import AuthBackendConfig, AuthSpec, named
from media_api.networks import parse_cidr
from media_api.scripts import script_path

from media_auth.countries import CountrySource
from media_auth.http_backend import HttpBackend
from media_auth.verdict import Question, Verdict, allow, deny, undecided


class Scripts(Protocol):
    """Lua scripts that decide; who has none refuses."""

    async def ask(self, path: Path, question: Question, extra: Mapping[str, str]) -> Verdict:
        """Never raises: a script that fails is an undecided verdict."""
        ...


def check_restrictions(
    spec: AuthSpec, question: Question, countries: CountrySource | None = None
) -> Verdict | None:
    """A refusal by `domains` or by countries, None if they let the session pass."""
    if spec.domains and not domain_allowed(question.referer, spec.domains):
        return deny("wrong_domain", "This page may not embed the stream")
    if not spec.allowed_countries and not spec.disallowed_countries:
        return None
    if countries is None:
        return deny(
            "geoip_not_supported",
            "The stream is limited to countries, which this server cannot tell: it has no GeoIP",
        )
    country = countries.of(question.ip)
    if spec.allowed_countries and not named(country, spec.allowed_countries):
        return deny("wrong_country", "The stream may not be played in your country")
    if named(country, spec.disallowed_countries or ()):
        return deny("wrong_country", "The stream may not be played in your country")
    return None


def domain_allowed(referer: str, domains: Iterable[str]) -> bool:
    """True if the host of `referer` is one of `domains` (`*.example.com` takes all below)."""
    try:
        host = (urlsplit(referer).hostname or "").lower()
    except ValueError:
        return False
    if not host:
        return False
    for domain in domains:
        wanted = domain.lower().rstrip(".")
        if host == wanted or (wanted.startswith("*.") and host.endswith(wanted[1:])):
            return True
    return False


def address_in(ip: str, networks: Iterable[str]) -> bool:
    """True if `ip` lies in one of the networks; malformed ones match nothing."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    for network in networks:
        try:
            if address in ipaddress.ip_network(parse_cidr(network)):
                return True
        except (ValueError, TypeError):
            continue
    return False


async def check_rules(
    rules: AuthBackendConfig,
    question: Question,
    backend: HttpBackend,
    countries: CountrySource | None = None,
    scripts: Scripts | None = None,
) -> Verdict:
    """The decision of a named rule set; without `countries` its rules on them decide nothing, and
    without `scripts` those of its backends that are scripts.
    """
    denied = deny("authorization_failed", f"Refused by auth_backend {rules.name}")
    if question.token and question.token in (rules.allow_tokens or ()):
        return allow()
    if question.token and question.token in (rules.deny_tokens or ()):
        return denied
    if address_in(question.ip, rules.allow_ips or ()):
        return allow()
    if address_in(question.ip, rules.deny_ips or ()):
        return denied
    if countries is not None:  # what cannot be told decides nothing
        country = countries.of(question.ip)
        if named(country, rules.allow_countries or ()):
            return allow()
        if named(country, rules.deny_countries or ()):
            return denied
    if any(part in question.user_agent for part in rules.allow_uas or ()):
        return allow()
    if any(part in question.user_agent for part in rules.deny_uas or ()):
        return denied
    asked = await _ask_all(rules, question, backend, scripts)
    return asked or (allow() if rules.allow_default else denied)


async def _ask_all(
    rules: AuthBackendConfig, question: Question, backend: HttpBackend, scripts: Scripts | None
) -> Verdict | None:
    """Any backend that allows is enough; None if none decided."""

    async def ask(url: str) -> Verdict:
        path = script_path(url)
        if path is None:
            return await backend.ask(url, question)
        if scripts is None:
            return undecided("This server runs no authorisation scripts")
        return await scripts.ask(path, question, {})

    verdicts = await asyncio.gather(*(ask(item.url) for item in rules.backends or ()))
    decided = [verdict for verdict in verdicts if verdict.decided]
    for verdict in decided:
        if verdict.allowed:
            return verdict
    return decided[0] if decided else None
