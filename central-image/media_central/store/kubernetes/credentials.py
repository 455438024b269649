"""Credentials that a Stream's spec only names: Secrets, read by name, and by Central alone.

`credentialsSecretRef` stands in an input, a push, `on_play` or `on_publish`. Its Secret, in the
namespace of the Stream, has `username` and `password` (type kubernetes.io/basic-auth), or the whole
`url`. They go into what a streamer is told to run, and nowhere else: no status, no log, no
ConfigMap, no answer to people. Central asks by name, so its rights can name what it may read.

Invariants: what is known stays known while the API server is away, and is forgotten when the Secret
is gone; an input whose credentials cannot be had is left out, so that no camera sees attempts
without them. A Secret that was not read yet is neither: who is to be told of it waits, because a
streamer that is told less stops what runs.
"""

import asyncio
import base64
import binascii
import logging
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from media_api.base import JsonObject
from media_kube import client as kube
from media_kube.client import KubeClient
from media_kube.errors import KubeError
from media_rest.redact import redact_push, redact_url

from media_central.store.port import UnreadError

log = logging.getLogger(__name__)

REFERENCE = "credentialsSecretRef"
REFRESH_SECONDS = 30.0
"""A rotated Secret is known everywhere after that long, and the streamers' next question."""
REFUSED_SECONDS = 5.0
"""One that is missing or forbidden is looked at again so soon: somebody is about to mend it."""
FIRST_READ_SECONDS = 5.0
"""Who needs a Secret that was not read yet waits for it so long."""
GIVE_UP_SECONDS = 60.0
"""A Secret that cannot be read for so long is done without: the rest of a streamer goes on."""
RETRY_SECONDS = 0.2
PARALLEL_READS = 8
RULES = ("on_play", "on_publish")
LISTS = ("inputs", "pushes")
UNNAMED_URL = "(a URL that no Stream names)"
OF_VIEWERS = frozenset({"referer", "user_agent"})

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>\\^`{}|]+")
_ENDS = ":,.;)"
"""What follows a URL within words."""

Key = tuple[str, str]
"""Namespace and name of a Secret."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a Secret says."""

    username: str = ""
    password: str = ""
    url: str = ""

    def __repr__(self) -> str:
        return "Login(…)"

    def put_into(self, url: str) -> str:
        """The URL with the credentials (RFC 3986 section 3.2.1); those that it has give way."""
        if self.url:
            return self.url
        scheme, separator, rest = url.partition("://")
        authority, slash, path = rest.partition("/")
        login = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}"
        return f"{scheme}{separator}{login}@{authority.rpartition('@')[2]}{slash}{path}"


def login_of(secret: Mapping[str, Any]) -> Login:
    """Raises ValueError with what is missing."""
    data = secret.get("data") or {}
    try:
        words = {
            key: base64.b64decode(data[key], validate=True).decode()
            for key in ("username", "password", "url")
            if key in data
        }
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("its values are no text") from None
    if "url" not in words and not {"username", "password"} <= words.keys():
        raise ValueError("it has neither username and password nor url")
    return Login(**words)


def references(config: Mapping[str, Any]) -> Iterator[str]:
    """Names of the Secrets that a stream's configuration names."""
    for part in _parts(config):
        name = (part.get(REFERENCE) or {}).get("name")
        if name:
            yield name


def _parts(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in LISTS:
        yield from (item for item in config.get(key) or [] if isinstance(item, Mapping))
    for key in RULES:
        if isinstance(config.get(key), Mapping):
            yield config[key]


def resolved(config: JsonObject, find: Callable[[str], Login | None]) -> JsonObject:
    """The configuration with the credentials in its URLs, and without references.

    What `find` does not know is left out of the lists; a rule keeps its URL without credentials, so
    that its backend refuses and nobody gets in for the lack of a Secret.
    """
    if not any(references(config)):
        return config
    told = dict(config)
    for key in LISTS:
        if config.get(key):
            items = [_resolved_item(item, find) for item in config[key]]
            told[key] = [item for item in items if item is not None]
    for key in RULES:
        rule = config.get(key)
        if isinstance(rule, Mapping) and REFERENCE in rule:
            plain = {name: value for name, value in rule.items() if name != REFERENCE}
            told[key] = _resolved_item(rule, find) or plain or {"url": False}
    return told


def _resolved_item(
    item: Mapping[str, Any], find: Callable[[str], Login | None]
) -> JsonObject | None:
    name = (item.get(REFERENCE) or {}).get("name")
    if not name:
        return dict(item)
    login = find(name)
    if login is None:
        return None
    plain = {key: value for key, value in item.items() if key != REFERENCE}
    return {**plain, "url": login.put_into(str(item.get("url") or ""))}


def without_secrets(
    value: Any,
    config: Mapping[str, Any],
    find: Callable[[str], Login | None],
    *,
    did_name_one: bool = False,
) -> Any:
    """What a streamer tells of a stream, in JSON, with the URLs of the spec where it names others:
    not only a login is secret in a URL that is whole in a Secret (`rtmp://host/app/KEY`).

    Decided by the spec: a streamer goes on for a while with what a Secret said that is another one
    now, is gone, or was not read by this process. What `find` knows makes texts exact.
    `did_name_one`: the spec of before named a Secret, which may be told of yet.
    """
    if not any(references(config)) and not did_name_one:
        return value
    hidden: dict[str, str] = {}
    is_whole = did_name_one
    for part in _parts(config):
        name = (part.get(REFERENCE) or {}).get("name")
        login = find(name) if name else None
        is_whole = is_whole or bool(name and (login is None or login.url or not part.get("url")))
        if login is not None and login.url:
            for url in (login.url, redact_url(login.url), redact_push(login.url)):
                hidden[url] = _shown(part)
    known = _replaced(value, hidden) if hidden else value
    return _Hiding(config, UNNAMED_URL if did_name_one else "").of(known, texts_too=is_whole)


def without_urls(value: Any) -> Any:
    """What is told of something that is no Stream, or none any more, in JSON: without URLs, for
    each may be one that was whole in a Secret. What viewers said of themselves stays."""
    if isinstance(value, str):
        return _URL.sub(_without_url, value) if "://" in value else value
    if isinstance(value, Mapping):
        return {
            key: item if key in OF_VIEWERS else without_urls(item) for key, item in value.items()
        }
    return [without_urls(item) for item in value] if isinstance(value, list) else value


def _without_url(match: re.Match[str]) -> str:
    return UNNAMED_URL + match[0][len(match[0].rstrip(_ENDS)) :]


def _shown(part: Mapping[str, Any]) -> str:
    """The URL of an item of the spec, for people."""
    if part.get("url"):
        return redact_url(str(part["url"]))
    return f"as the Secret {part[REFERENCE].get('name')} says"


class _Hiding:
    """URLs that a stream's inputs and pushes do not say, in what is told of it."""

    def __init__(self, config: Mapping[str, Any], first: str = "") -> None:
        """`first` is shown where the spec names no Secret, empty: nothing is hidden then."""
        self._items = {
            key: [item for item in config.get(key) or [] if isinstance(item, Mapping)]
            for key in LISTS
        }
        named = [
            item for key in LISTS for item in self._items[key] if any(references({key: [item]}))
        ]
        self._first = _shown(named[0]) if named else first
        self._said = {
            form
            for items in self._items.values()
            for item in items
            if item.get("url")
            for form in _forms(str(item["url"]))
        }

    def of(self, told: Any, *, texts_too: bool) -> Any:
        """`texts_too`: also URLs within words, which may be made from one that is hidden."""
        if not self._first or not isinstance(told, Mapping):
            return told
        found = self._item(told, self._first)
        for key in LISTS:
            if isinstance(told.get(key), list):
                found[key] = [
                    self._item(item, self._at(key, n)) for n, item in enumerate(told[key])
                ]
        if isinstance(told.get("stats"), Mapping):
            found["stats"] = self._item(told["stats"], self._first)
        if texts_too or found != told:
            found = self._texts(found)
        return told if found == told else found

    def _at(self, key: str, place: int) -> str:
        items = self._items[key]
        item = items[place] if place < len(items) else {}
        return _shown(item) if item.get("url") or item.get(REFERENCE) else self._first

    def _item(self, item: Any, shown: str) -> Any:
        """With another URL, where it is none of the spec."""
        if not isinstance(item, Mapping):
            return item
        url = item.get("url")
        is_said = not isinstance(url, str) or "://" not in url or self._is_said(url)
        return dict(item) if is_said else {**item, "url": shown}

    def _texts(self, value: Any) -> Any:
        if isinstance(value, str):
            return _URL.sub(self._word, value) if "://" in value else value
        if isinstance(value, Mapping):  # where it is recorded is no source of it
            return {
                key: item if str(key).startswith("dvr") else self._texts(item)
                for key, item in value.items()
            }
        return [self._texts(item) for item in value] if isinstance(value, list) else value

    def _word(self, match: re.Match[str]) -> str:
        url = match[0].rstrip(_ENDS)
        return match[0] if self._is_said(url) else self._first + match[0][len(url) :]

    def _is_said(self, url: str) -> bool:
        return not self._said.isdisjoint(_forms(url))


def _forms(url: str) -> set[str]:
    """A URL without its login, as it is shown of an input and of a push."""
    scheme, separator, rest = url.partition("://")
    end = next((n for n, letter in enumerate(rest) if letter in "/?#"), len(rest))
    plain = f"{scheme}{separator}{rest[:end].rpartition('@')[2]}{rest[end:]}"
    return {redact_url(plain), redact_push(plain)}


def _replaced(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for word, other in words.items():
            value = value.replace(word, other)
        return value
    if isinstance(value, Mapping):
        return {key: _replaced(item, words) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, words) for item in value]
    return value


def with_references(spec: JsonObject, before: Mapping[str, Any]) -> JsonObject:
    """A spec from the REST API, which knows no references, with those that it had.

    An input or push keeps its reference while its URL is the same, a rule while it is there.
    """
    kept = dict(spec)
    for key in LISTS:
        known = {
            item.get("url"): item[REFERENCE]
            for item in before.get(key) or []
            if isinstance(item, Mapping) and item.get(REFERENCE)
        }
        if known and kept.get(key):
            kept[key] = [
                {**item, REFERENCE: known[item["url"]]} if item.get("url") in known else item
                for item in kept[key]
            ]
    for key in RULES:
        reference = (before.get(key) or {}).get(REFERENCE)
        if reference and isinstance(kept.get(key), Mapping):
            kept[key] = {**kept[key], REFERENCE: reference}
    return kept


class Credentials:
    """The Secrets that Streams name. `start()` before use, `close()` after."""

    def __init__(self, client: KubeClient, wanted: Callable[[], Iterable[Key]]) -> None:
        """`wanted`: all that Streams name now."""
        self._client = client
        self._wanted = wanted
        self._known: dict[Key, Login] = {}
        self._problems: dict[Key, tuple[str, str]] = {}
        self._unread: dict[Key, float] = {}
        """Asked for and not read yet, with the moment of that."""
        self._new = asyncio.Event()
        self._round = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.version = 0
        """Grows with each change of what `find` answers."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="credentials")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def find(self, namespace: str, name: str) -> Login | None:
        """None where it cannot be had. Raises UnreadError before it was read; it is read then."""
        key = namespace, name
        if key in self._known:
            return self._known[key]
        if key in self._problems:
            return None
        self._unread.setdefault(key, time.monotonic())
        self._new.set()
        raise UnreadError(f"the Secret {name} was not read yet")

    def known(self, namespace: str, name: str) -> Login | None:
        """What was read of it; None also before that."""
        return self._known.get((namespace, name))

    def is_read(self, namespace: str, name: str) -> bool:
        """Whether anything is known of it: what it says, or what is wrong with it."""
        key = namespace, name
        return key in self._known or key in self._problems

    def problem(self, namespace: str, name: str) -> tuple[str, str] | None:
        """(reason, message) of a Secret that cannot be used; None while nothing is wrong."""
        return self._problems.get((namespace, name))

    async def read(self) -> None:
        """Wait until what `find` could not answer has been read, or has failed to be."""
        try:
            async with asyncio.timeout(FIRST_READ_SECONDS):
                while self._unread:
                    self._round.clear()
                    self._new.set()
                    await self._round.wait()
                    if self._unread:
                        await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            pass

    async def _run(self) -> None:
        due = 0.0
        while True:
            whole = time.monotonic() >= due
            if whole:
                due = time.monotonic() + REFRESH_SECONDS
            try:
                await self.refresh(whole=whole)
            except Exception:
                log.exception("reading the Secrets of inputs failed; the next round tries again")
            self._round.set()
            try:
                pause = max(0.0, due - time.monotonic())
                if self._problems:
                    pause = min(pause, REFUSED_SECONDS)
                async with asyncio.timeout(pause):
                    await self._new.wait()
            except TimeoutError:
                pass

    async def refresh(self, *, whole: bool = True) -> None:
        """Read all that Streams name, or those that could not be had; forget what none names."""
        self._new.clear()
        wanted = set(self._wanted())
        for key in (self._known.keys() | self._problems.keys() | self._unread.keys()) - wanted:
            self._known.pop(key, None)
            self._problems.pop(key, None)
            self._unread.pop(key, None)
        slots = asyncio.Semaphore(PARALLEL_READS)

        async def one(key: Key) -> None:
            async with slots:
                await self._read(key)

        await asyncio.gather(*map(one, wanted if whole else [*self._unread, *self._problems]))

    async def _read(self, key: Key) -> None:
        namespace, name = key
        try:
            login = login_of(await self._client.get(kube.SECRET, namespace, name))
        except ValueError as error:
            self._refused(key, "SecretInvalid", f"Secret {name}: {error}")
        except (KubeError, TimeoutError) as error:
            status = error.status if isinstance(error, KubeError) else 0
            if status == 404:
                self._refused(key, "SecretNotFound", f"there is no Secret {name} in {namespace}")
            elif status == 403:
                # Known before: the right was taken away, and that is meant.
                self._refused(
                    key,
                    "SecretForbidden",
                    f"Central may not read the Secret {name}: bind its service account to a Role"
                    f" with get on secrets and resourceNames [{name}]",
                )
            else:
                cause = str(error) or "no answer in time"
                log.warning("Secret %s/%s was not read: %s", namespace, name, cause)
                if time.monotonic() - self._unread.get(key, math.inf) > GIVE_UP_SECONDS:
                    text = f"the Secret {name} cannot be read: {cause}"
                    self._refused(key, "SecretUnreadable", text)
        else:
            self._unread.pop(key, None)
            self._problems.pop(key, None)
            if self._known.get(key) != login:
                self._known[key] = login
                self.version += 1

    def _refused(self, key: Key, reason: str, message: str) -> None:
        self._unread.pop(key, None)
        if self._known.pop(key, None) is not None:
            self.version += 1
        if self._problems.get(key) != (reason, message):
            log.warning("%s/%s: %s", *key, message)
        self._problems[key] = reason, message
