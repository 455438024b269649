"""Which streamer pods answer: each is asked every second, so that a node that died is noticed soon.

Kubernetes gives up a silent node after a time of its own (40 to 50 s as it is delivered) and calls
its pods ready until then. The Central that writes the statuses asks them itself, and `Silence` says
which have answered nothing for `SILENT_SECONDS`; the operator places their streams elsewhere.

Invariants: a pod that Kubernetes does not call ready is no business of ours; one that has not
answered since we look, or since this process was late itself, is neither silent nor heard for as
long, and where none answers nothing is known of anybody: of what is not known nothing is told, so
that the next one who looks takes nothing back.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
TIMEOUT_SECONDS = 2.0
SILENT_SECONDS = 5.0
"""Longer than a container that ended takes to be there again, and than an overloaded node."""
LATE_SECONDS = 2.0
"""Between two looks: what did not come in meanwhile was not heard for reasons of our own."""
PATH = "/streamer/api/v3/monitoring/liveness"

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ReadyPod:
    """A pod that Kubernetes calls ready and that is to stay."""

    pool: Key
    """Namespace and name of its Streamer."""
    name: str
    node: str
    address: str
    url: str
    """Of its API's port, without a path."""


class Silence:
    """Who was heard when. Pure: times are given, in seconds of one clock."""

    def __init__(self, now: float) -> None:
        self._heard: dict[str, float] = {}
        """When, or since when it is waited for."""
        self._answered: set[str] = set()
        self._looked = now

    def heard(self, address: str, now: float) -> None:
        self._heard[address] = now
        self._answered.add(address)

    def look(self, addresses: Collection[str], now: float) -> frozenset[str] | None:
        """Those of `addresses` that are silent; None where that cannot be known."""
        late = now - self._looked > LATE_SECONDS
        self._looked = now
        self._heard = {one: now if late else self._heard.get(one, now) for one in addresses}
        self._answered = set() if late else self._answered & self._heard.keys()
        silent = frozenset(
            one for one, heard in self._heard.items() if now - heard > SILENT_SECONDS
        )
        return None if silent and len(silent) == len(self._heard) else silent

    @property
    def answered(self) -> frozenset[str]:
        """Those that were heard; who is neither here nor silent may still be either."""
        return frozenset(self._answered)


def by_pool(
    pods: Iterable[ReadyPod], silent: Collection[str], answered: Collection[str]
) -> dict[Key, list[ReadyPod]]:
    """Pool -> its silent pods by name; every pool is there of all pods of which that is known."""
    found: dict[Key, list[ReadyPod]] = {}
    unknown = set()
    for pod in sorted(pods, key=lambda one: one.name):
        mine = found.setdefault(pod.pool, [])
        if pod.address in silent:
            mine.append(pod)
        elif pod.address not in answered:
            unknown.add(pod.pool)
    return {pool: mine for pool, mine in found.items() if pool not in unknown}


class Heartbeats:
    """`run()` until it is cancelled."""

    def __init__(
        self,
        pods: Callable[[], list[ReadyPod]],
        tell: Callable[[Mapping[Key, list[ReadyPod]], Collection[Key]], Any],
    ) -> None:
        """`pods`: those to ask; `tell` is called at each look, with `by_pool` of what is known and
        all pools that have such pods."""
        self._pods = pods
        self._tell = tell
        self._silence = Silence(time.monotonic())
        self._asking: set[str] = set()
        self._logged: dict[str, ReadyPod] = {}
        """Silent pods by their address, of which a line was logged."""

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http,
            asyncio.TaskGroup() as tasks,
        ):
            while True:
                pods = self._pods()
                silent = self._silence.look([pod.address for pod in pods], time.monotonic())
                if silent is not None:
                    self._log(pods, silent)
                    known = by_pool(pods, silent, self._silence.answered)
                    self._tell(known, {pod.pool for pod in pods})
                for pod in pods:
                    if pod.address not in self._asking:
                        self._asking.add(pod.address)
                        tasks.create_task(self._ask(http, pod), name=f"heartbeat {pod.name}")
                await asyncio.sleep(BEAT_SECONDS)

    def _log(self, pods: Iterable[ReadyPod], silent: Collection[str]) -> None:
        """A line for each pod that falls silent, and one when that is over."""
        now = {pod.address: pod for pod in pods if pod.address in silent}
        for address, pod in now.items():
            if address not in self._logged:
                log.warning(
                    "pod %s of %s/%s (node %s, %s) has not answered for %g s though Kubernetes"
                    " calls it ready: its streams go elsewhere; look at the node",
                    pod.name, *pod.pool, pod.node, address, SILENT_SECONDS,
                )  # fmt: skip
        for address, pod in self._logged.items():
            if address not in now:
                log.info("pod %s of %s/%s answers again, or is gone", pod.name, *pod.pool)
        self._logged = now

    async def _ask(self, http: aiohttp.ClientSession, pod: ReadyPod) -> None:
        try:
            async with http.get(pod.url + PATH, allow_redirects=False):
                self._silence.heard(pod.address, time.monotonic())  # whatever it answers
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.debug("pod %s: %s", pod.name, error)
        finally:
            self._asking.discard(pod.address)
