"""One question, one verdict, whatever the stream's `on_play` or `on_publish` names."""

import time
from collections.abc import Mapping

from media_api.auth import AuthBackendConfig, AuthSpec
from media_api.scripts import script_path

from media_auth import securetoken
from media_auth.countries import CountrySource
from media_auth.http_backend import HttpBackend
from media_auth.rules import Scripts, check_rules
from media_auth.verdict import Question, Verdict, allow, deny


async def authorize(
    spec: AuthSpec | None,
    question: Question,
    backend: HttpBackend,
    rule_sets: Mapping[str, AuthBackendConfig],
    countries: CountrySource | None = None,
    scripts: Scripts | None = None,
) -> Verdict:
    """`rule_sets` are the server's `auth_backends` by name; `countries` of addresses, if known.

    `scripts`: who runs them, where there is one.

    `rules.check_restrictions` comes before this, and its refusals are never remembered.
    """
    if spec is None:
        return allow()
    url = spec.url
    if url is None or url is True:
        return allow()
    if url is False:
        return deny("authorization_failed", "The stream is closed for everybody")
    scheme, _, rest = url.partition("://")
    if scheme in {"http", "https"}:
        return await backend.ask(url, question, spec.extra)
    if scheme == "securetoken":
        return securetoken.check(question, rest, time.time())
    if scheme == "auth":
        rules = rule_sets.get(rest)
        if rules is None:
            return deny("auth_not_supported", f"There is no auth_backend {rest!r}: declare it")
        return await check_rules(rules, question, backend, countries, scripts)
    path = script_path(url)
    if path is not None and scripts is not None:
        return await scripts.ask(path, question, spec.extra or {})
    return deny(
        "auth_not_supported",
        f"This server cannot ask {scheme or 'that'} for authorisation: use an HTTP URL,"
        " securetoken:// or auth://",
    )


def asks_backend(spec: AuthSpec | None) -> bool:
    """True if a decision is taken elsewhere, so that the token rules of the server apply."""
    return spec is not None and isinstance(spec.url, str)
