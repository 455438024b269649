"""Keeps the picture like the API server: kopf's lives, one after the other, and what they tell.

The plan goes on from the picture while kopf is started again; nobody else notices. A life that says
nothing of a kind although nothing is known to be wrong, or does not even list it, is ended too.
"""

import asyncio
import logging
import time

from media_kube.client import KubeClient, log_level

from media_operator.picture import ClusterPicture, Listing
from media_operator.watch.flow import Change
from media_operator.watch.kinds import SELECTORS
from media_operator.watch.session import RETRY_SECONDS
from media_operator.watch.shell import Life

log = logging.getLogger(__name__)

CHECK_SECONDS = 5.0
SILENT_SECONDS = 90.0
"""Each watch tells of itself about once a minute, or is opened anew."""
LISTED_SECONDS = 30.0
"""A kind that is not listed by then, with an API server that answers, is not served there."""
END_SECONDS = 5.0
SOUND_SECONDS = 60.0
"""A life that lasted so long is no part of a row of failures."""
MAX_LOST = 3
"""Threads that did not end: more of them, and the program ends to get rid of them."""


class Follower:
    """Owns kopf; `run` until cancelled. `synced` is set once every kind was listed whole."""

    def __init__(self, client: KubeClient, namespace: str | None, picture: ClusterPicture) -> None:
        self._client = client
        self._namespace = namespace
        self._picture = picture
        self._listings: dict[str, Listing] = {}
        self._unlisted = {kind.kind for kind in SELECTORS}
        self._listed_in_life: set[str] = set()
        self._troubled = 0.0
        self._lost = 0
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Raises RuntimeError when only an end of the program helps."""
        failures = 0
        while True:
            began = time.monotonic()
            cause = await self._live()
            if self._lost > MAX_LOST:
                raise RuntimeError(f"kopf's threads do not end; the last one: {cause}")
            sound = time.monotonic() - began > SOUND_SECONDS
            failures = 1 if sound else failures + 1
            delay = RETRY_SECONDS[min(failures, len(RETRY_SECONDS)) - 1]
            text = "the watch ended (%s) and is started again, %d times now, in %s s"
            log.log(log_level(failures), text, cause, failures, delay)
            await asyncio.sleep(delay)

    def alive(self) -> None:
        """Called from kopf's thread."""
        self._picture.touch()

    def away(self) -> None:
        """Called from kopf's thread: a restart of the program would not help."""
        self._troubled = time.monotonic()
        self._picture.excuse_silence()

    async def _live(self) -> str:
        """One life; what ended it."""
        self._listings.clear()
        self._listed_in_life.clear()
        life = Life(self._client, self._namespace, self._take, self)
        began = time.monotonic()
        try:
            while not life.ended.done():
                await asyncio.wait([life.ended], timeout=CHECK_SECONDS)
                stuck = self._stuck(life, began)
                if stuck and not life.ended.done():
                    return stuck
            error = life.ended.result()
            return repr(error) if error is not None else "kopf gave up on what is said above"
        finally:
            self._lost += not await life.end(END_SECONDS)

    def _stuck(self, life: Life, began: float) -> str:
        """Why this life must end; empty if it need not."""
        now = time.monotonic()
        # One by one: kopf does not notice the end of a watcher that was cancelled.
        if silent := life.silent(now - SILENT_SECONDS):
            return f"silent of {', '.join(silent)} for {SILENT_SECONDS:.0f} s"
        missing = {kind.kind for kind in SELECTORS} - self._listed_in_life - set(self._listings)
        if missing and now - max(began, self._troubled) > LISTED_SECONDS:
            names = ", ".join(sorted(missing))
            return f"the API server does not serve {names}; are the definitions applied?"
        return ""

    def _take(self, change: Change) -> None:
        kind, body = change.kind, change.object
        listing = self._listings.get(kind)
        match change.type:
            case "begin":
                self._listings[kind] = self._picture.begin_list(kind)
            case "put" if body is not None:
                self._picture.put(body)
                if listing is not None:
                    listing.saw(body)
            case "remove" if body is not None:
                self._picture.remove(body)
            case "end" if listing is not None:
                listing.end()
                del self._listings[kind]
                self._listed_in_life.add(kind)
                self._unlisted.discard(kind)
                if not self._unlisted:
                    self.synced.set()
