"""Central's part of the statuses: whether frames arrive, where, and whether servers answer.

Written on transitions only, by server-side apply as manager `central`; the operator owns the rest.
Numbers never go into a status. Of pods that Kubernetes calls ready it is said where they are silent
(`heartbeat`), as their nodes may be gone. Of several Centrals the one that holds the Lease writes:
they may see different things, and two would correct each other for ever. Each write is for the
state of the object that its writer saw, so what a former holder still has under way changes
nothing. An API server in trouble is asked less. A Central that lost its watches sees old objects
and writes nothing.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from media_api.timestamps import timestamp
from media_kube import client as kube
from media_kube.client import KubeClient, log_level
from media_kube.election import Election
from media_kube.errors import KubeError
from media_rest.redact import redact_text, redact_url

from media_central.store.kubernetes.credentials import references
from media_central.store.kubernetes.heartbeat import Heartbeats, Key, ReadyPod
from media_central.store.kubernetes.ownership import MANAGER
from media_central.store.kubernetes.store import KubernetesStore
from media_central.store.port import Kind, Record
from media_central.streamers.fleet import Fleet
from media_central.streamers.link import StreamerLink

log = logging.getLogger(__name__)

PARALLEL_WRITES = 8
TROUBLE_IN_A_ROW = 10
"""So many failures without a success between them end a round."""
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Pauses after rounds with failures."""
QUEUE_LIMIT = 100_000
MAX_MESSAGE_CHARS = 512
SWEEP_SECONDS = 5.0
LEASE_NAME = "media-central"
RESTART_SECONDS = 5.0
"""After an error that nobody thought of."""

Body = dict[str, Any]
Target = tuple[kube.Kind, str, str, str]
"""Kind, namespace and name of the object, type of the condition."""
CREDENTIALS = "CredentialsResolved"
RECORDING = "Recording"
OWN_MANAGERS = {CREDENTIALS: "credentials", RECORDING: "recording"}
"""A manager owns what it last applied, and each apply says one condition."""
UNSEEN_REASONS = frozenset({"Disabled", "NotPlaced", "StreamerGone", "StreamerSilent"})
"""Why nobody can know; one may follow another."""


@dataclass(frozen=True, slots=True)
class Saying:
    """What a status shall say, whatever it says now."""

    state: str
    reason: str
    message: str
    rest: Body
    """Fields of the status that belong to the condition; None: not to be there."""

    def stands_in(self, live: Body, type_: str) -> bool:
        """Whether the object says so already; messages alone are no news."""
        status, known = live.get("status") or {}, _condition(live, type_)
        same = all(status.get(key) == value for key, value in self.rest.items())
        return same and (known.get("status"), known.get("reason")) == (self.state, self.reason)

    def applied_to(self, live: Body, type_: str) -> Body:
        """What to apply, valid for this version of the object only."""
        meta, known = live["metadata"], _condition(live, type_)
        since = known.get("lastTransitionTime") if known.get("status") == self.state else None
        condition = {
            "type": type_,
            "status": self.state,
            "reason": self.reason,
            "message": self.message,
            "observedGeneration": meta.get("generation", 0),
            "lastTransitionTime": since or timestamp(datetime.now(UTC)),
        }
        rest = {key: value for key, value in self.rest.items() if value is not None}
        return {
            "metadata": {key: meta[key] for key in ("name", "uid", "resourceVersion")},
            "status": {**rest, "conditions": [condition]},
        }


class StatusWriter:
    """Listens to the polls of the fleet; `start(fleet)`, `close()`."""

    def __init__(self, client: KubeClient, store: KubernetesStore, election: Election) -> None:
        self._client = client
        self._store = store
        self._election = election
        self._wanted: dict[Target, Saying] = {}
        self._in_a_row = 0
        self._problems: Counter[str] = Counter()
        """Failures of this round by their cause."""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.leads = False
        """Whether it is this one's to say."""

    def start(self, fleet: Fleet) -> None:
        fleet.on_poll(self._on_poll)
        self._task = asyncio.create_task(self._stand_for_ever(fleet), name="status-writer")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._election.release()

    async def _stand_for_ever(self, fleet: Fleet) -> None:
        while True:
            try:
                await self._election.run(lambda: self._lead(fleet))
            except Exception:
                # One odd object must not end it: the statuses would be old from then on.
                log.exception("the writer of statuses failed and begins anew")
            await asyncio.sleep(RESTART_SECONDS)

    async def _lead(self, fleet: Fleet) -> None:
        self.leads = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write_for_ever())
                tasks.create_task(self._sweep_for_ever(fleet))
                beats = Heartbeats(self._store.ready_pods, self._judge_pods)
                tasks.create_task(beats.run())
        finally:
            self.leads = False
            self._wanted.clear()

    async def _sweep_for_ever(self, fleet: Fleet) -> None:
        """No poll tells of streams that run nowhere, or on a streamer that is gone."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            if self._store.available:
                for record in self._store.all(Kind.STREAM):
                    self._judge_silent(record, fleet)
                    self._judge_credentials(record)

    def _judge_silent(self, record: Record, fleet: Fleet) -> None:
        """A stream of which something is said that nobody can know any more."""
        live = self._store.stream_object(record.key)
        said = [
            type_ for type_ in ("InputActive", RECORDING) if _tells(_condition(live or {}, type_))
        ]
        if live is None or not said:
            return
        ingest = (record.layout or {}).get("ingest")
        streamer = self._store.get(Kind.STREAMER, ingest) if ingest else None
        if record.config.get("disabled"):
            condition = ("Unknown", "Disabled", "disabled: it runs nowhere")
        elif ingest is None:
            condition = ("Unknown", "NotPlaced", "it runs nowhere now")
        elif streamer is None:
            condition = ("Unknown", "StreamerGone", f"{ingest} is gone")
        elif not fleet.is_alive(streamer) and fleet.link(ingest) is not None:
            condition = ("Unknown", "StreamerSilent", f"{ingest} does not answer")
        else:
            return
        for type_ in said:
            self._want(kube.STREAM, live, type_, condition, {})

    def _judge_credentials(self, record: Record) -> None:
        """Whether Central could read the Secrets that a stream names."""
        names = set(references(record.config))
        live = self._store.stream_object(record.key)
        if live is None:
            return
        known = _condition(live, CREDENTIALS)
        if not names and known.get("status") in (None, "True"):
            return
        namespace = live["metadata"]["namespace"]
        if not all(self._store.credentials.is_read(namespace, name) for name in names):
            return
        found = [self._store.credentials.problem(namespace, name) for name in sorted(names)]
        problem = next((one for one in found if one is not None), None)
        condition = ("True", "Resolved", "") if problem is None else ("False", *problem)
        if problem is None and known.get("status") is None:
            return  # nothing was ever wrong
        self._want(kube.STREAM, live, CREDENTIALS, condition, {})

    def _on_poll(self, link: StreamerLink) -> None:
        if not self.leads or not self._store.available:
            return
        self._reachable(link)
        if link.observed is None:
            return
        for name, running in link.observed.streams.items():
            record = self._store.get(Kind.STREAM, name)
            if record is not None and (record.layout or {}).get("ingest") == link.hostname:
                told = self._store.shown(record, running)
                names_secrets = any(references(record.config))
                self._input_active(name, link, told, names_secrets=names_secrets)
                self._recording(name, link.hostname, record, told)

    def _input_active(
        self, name: str, link: StreamerLink, running: Body, *, names_secrets: bool
    ) -> None:
        live = self._store.stream_object(name)
        if live is None:
            return
        stats = running.get("stats") or {}
        status: Body = {}
        if stats.get("alive"):
            condition = ("True", "FramesArrive", f"frames arrive on {link.hostname}")
            status["activeStreamer"] = link.hostname
        elif not running.get("inputs"):
            condition = without_inputs(live)
        elif stats.get("status") == "waiting":
            condition = ("Unknown", "Waiting", "nothing asks for it yet, or nobody publishes")
        else:
            problem = redact_text(str(stats.get("source_error") or "no frames arrive"))
            condition = ("False", "NoFrames", problem[:MAX_MESSAGE_CHARS])
        if stats.get("url"):
            status["input"] = redact_url(str(stats["url"]))
        elif names_secrets:  # what was said of it may be a Secret's
            status["input"] = None
        self._want(kube.STREAM, live, "InputActive", condition, status)

    def _recording(self, name: str, hostname: str, record: Record, running: Body) -> None:
        """Whether a stream that shall be recorded is."""
        live = self._store.stream_object(name)
        if live is None:
            return
        known = _condition(live, RECORDING)
        condition = recording_condition(record.config, running.get("stats") or {}, hostname)
        if condition is None or (known.get("status") is None and condition[0] == "Unknown"):
            return
        self._want(kube.STREAM, live, RECORDING, condition, {})

    def _reachable(self, link: StreamerLink) -> None:
        """Only of external servers: the kubelet judges the pods."""
        live = self._store.external_object(link.hostname)
        if live is None:
            return
        if link.observed is not None:
            condition = ("True", "Answers", "its API answers")
        else:
            problem = redact_text(link.error or "it does not answer")
            condition = ("False", "DoesNotAnswer", problem[:MAX_MESSAGE_CHARS])
        self._want(kube.STREAMER, live, "Reachable", condition, {})

    def _judge_pods(self, silent: Mapping[Key, list[ReadyPod]], ready: Collection[Key]) -> None:
        """Pool -> its silent pods. Nothing is said of a pool that never had one.

        `ready`: all pools with pods that Kubernetes calls ready.
        """
        if not self._store.available:
            return
        for pool in self._store.pool_objects():
            key = pool["metadata"]["namespace"], pool["metadata"]["name"]
            if key not in ready and (pool.get("status") or {}).get("silentAddresses"):
                condition = ("Unknown", "NoPodReady", "no pod is ready: there is nobody to ask")
                self._want(kube.STREAMER, pool, "Reachable", condition, {"silentAddresses": []})
        for key, pods in silent.items():
            live = self._store.object_at(kube.STREAMER, *key)
            if live is None or (not pods and not _condition(live, "Reachable")):
                continue
            rest: Body = {"silentAddresses": [pod.address for pod in pods]}
            if not pods:
                condition = ("True", "Answers", "all pods that are ready answer")
            else:
                named = ", ".join(f"{pod.name} ({pod.node})" for pod in pods)
                text = f"ready for Kubernetes, but without an answer for Central: {named}"
                condition = ("False", "PodsSilent", text[:MAX_MESSAGE_CHARS])
            self._want(kube.STREAMER, live, "Reachable", condition, rest)

    def _want(
        self, kind: kube.Kind, live: Body, type_: str, condition: tuple[str, str, str], rest: Body
    ) -> None:
        """Queue what is to be said, unless the object says so already."""
        meta = live["metadata"]
        target = kind, meta["namespace"], meta["name"], type_
        saying = Saying(*condition, rest)
        if saying.stands_in(live, type_):
            self._wanted.pop(target, None)
        elif target in self._wanted or len(self._wanted) < QUEUE_LIMIT:
            self._wanted[target] = saying
            self._wake.set()

    async def _write_for_ever(self) -> None:
        slots = asyncio.Semaphore(PARALLEL_WRITES)
        failures = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            wanted, self._wanted = self._wanted, {}
            self._in_a_row, self._problems = 0, Counter()
            await asyncio.gather(
                *(self._write(slots, target, saying) for target, saying in wanted.items())
            )
            failures = failures + 1 if self._problems else 0
            if failures:
                pause = RETRY_SECONDS[min(failures, len(RETRY_SECONDS)) - 1]
                for problem, count in self._problems.items():
                    text = "%d statuses were not written: %s; attempt %d, again in %s s"
                    log.log(log_level(failures), text, count, problem, failures, pause)
                await asyncio.sleep(pause)

    async def _write(self, slots: asyncio.Semaphore, target: Target, saying: Saying) -> None:
        kind, namespace, name, type_ = target
        own = OWN_MANAGERS.get(type_)
        manager = f"{MANAGER}-{own}" if own else MANAGER
        async with slots:
            if self._in_a_row >= TROUBLE_IN_A_ROW:
                return  # what is left would fail too; the next poll asks for it again
            live = self._store.object_at(kind, namespace, name)
            if live is None or saying.stands_in(live, type_):
                return  # as of now: much may have come in while the last round was under way
            body = saying.applied_to(live, type_)
            try:
                written = await self._client.apply(
                    kind, namespace, body, manager=manager, force=True, subresource="status"
                )
            except (KubeError, TimeoutError) as error:
                # The next poll asks for it again, if it is still to be said.
                if isinstance(error, KubeError) and (error.is_conflict or error.is_gone):
                    log.debug("status of %s %s/%s: %s", kind.kind, namespace, name, error)
                else:
                    self._in_a_row += 1
                    self._problems[str(error) or "no answer in time"] += 1
                return
        self._in_a_row = 0
        self._store.saw(kind, written)


def recording_condition(
    config: Mapping[str, Any], stats: Mapping[str, Any], hostname: str
) -> tuple[str, str, str] | None:
    """What the figures of a stream say of its archive; None: nothing new."""
    dvr = config.get("dvr") or {}
    if not dvr.get("root") and not dvr.get("reference"):
        return "Unknown", "NotAsked", "it has no archive"
    problem = (stats.get("dvr_write") or {}).get("error")
    if problem:
        return "False", "NotRecorded", redact_text(str(problem))[:MAX_MESSAGE_CHARS]
    if stats.get("dvr_enabled"):
        return "True", "Recorded", f"{hostname} records it"
    if not stats.get("alive"):
        return "Unknown", "NoFrames", "no frames arrive that could be recorded"
    return None  # it begins, or its schedule says that it is not the time


def without_inputs(live: Body) -> tuple[str, str, str]:
    """Of a stream that has none, or none whose credentials are known."""
    known = _condition(live, CREDENTIALS)
    if known.get("status") == "False":
        return ("False", "CredentialsMissing", f"its input is not opened: {known.get('message')}")
    return ("False", "NoInput", "it has no inputs: nothing can come")


def _condition(live: Body, type_: str) -> Body:
    """Of an object; empty if it has none of that type."""
    conditions: list[Body] = (live.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c.get("type") == type_), {})


def _tells(condition: Body) -> bool:
    """Whether it says something that may no more hold: what is seen, or why nothing is."""
    state = condition.get("status")
    return state in ("True", "False") or condition.get("reason") in UNSEEN_REASONS
