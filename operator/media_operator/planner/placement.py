"""Which stream runs on which streamer: a pure function over a snapshot.

Rules, in their order:

1. A stream stays where it is while that streamer is online, is not draining, still satisfies what
   the stream demands and is within its limits. Nothing else moves a stream: a streamer that
   returns, or a better balance, is no reason (minimal movement, no flapping).
2. A stream whose preference was edited since it was placed is placed again, and stays where it is
   if the newly preferred streamer has no room.
3. A stream that must be placed goes to its preferred streamer, if that one fits and has room, else
   to the fitting streamer with the lowest share of its limits in use (channels, and what ladders
   take of its CPU and GPUs); equals are drawn at random. A streamer with a GPU is taken for a
   stream that needs none only when no other has room. A stream that has an archive goes to a
   streamer that keeps a part of it, before others.
4. A stream that waits for the streamer with its archive is moved neither off a dead one nor off a
   draining one; how long it waits the caller says.
5. If nothing fits, a stream on a dead streamer keeps that assignment (it resumes there when the
   streamer returns), and the decision says why nothing else would do.

Central and the operator call the same function, so a stream is placed alike with and without
Kubernetes. The cost is O((streams + moves) log streamers).
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from media_operator.planner.archives import ArchiveWish, Storages
from media_operator.planner.encoding import NOTHING, Encoding, lacks, share

DEFAULT_CHANNEL_LIMIT = 6000
"""Streams a streamer takes when it states no limit (the vendor's default)."""


class ChangeReason(StrEnum):
    """Why an assignment was changed or could not be made, in Central's vocabulary."""

    NEW = "stream_created"
    NAMESPACE = "namespace_mismatch"
    CPU = "node_cpu_pressure"
    DVR = "streamer_dvr_size_exceeded"
    DISABLED = "stream_disabled"
    DELETED = "node_deleted"
    OFFLINE = "node_become_offline"
    DRAINING = "node_draining"
    LABELS = "node_misses_stream_required_labels"
    GPU = "node_not_available_for_transcoding"
    PINNED = "relayout_by_api"
    PREFERRED = "preferred_labels_better_match"
    CHANNELS = "node_channel_limit_exceeded"
    BANDWIDTH = "streamer_total_bandwidth_exceeded"
    BALANCE = "not_distributed"
    TEMPLATE = "node_misses_template"
    ARCHIVE = "node_misses_archive"
    CORES = "node_cpu_claimed"
    ENCODERS = "node_gpu_claimed"
    SESSIONS = "node_gpu_sessions_claimed"
    GPU_MEMORY = "node_gpu_memory_claimed"


_TAKEN = dict(
    zip(
        Encoding._fields,
        (ChangeReason.CORES, ChangeReason.ENCODERS, ChangeReason.SESSIONS, ChangeReason.GPU_MEMORY),
        strict=True,
    )
)
"""Why a ladder is not added, by what there is too little of."""


@dataclass(frozen=True, slots=True)
class StreamDemand:
    """What one stream asks of the streamer that runs it."""

    name: str
    disabled: bool = False
    streamer: str | None = None
    """The only streamer (or pool of streamers) that may run it; None for any."""
    preferred: str | None = None
    """The streamer (or pool) to take while it has room."""
    required_labels: Mapping[str, str] = field(default_factory=dict)
    needs_gpu: bool = False
    template: str = ""
    """The streamer must know this template."""
    bandwidth_kbit: int = 0
    """Claimed input bit rate in kbit/s; 0 claims nothing."""
    namespace: str = ""
    """Only streamers of the same namespace run it."""
    records: bool = False
    """It has an archive."""
    archive: ArchiveWish | None = None
    """Where, if it says so; only a streamer with that place runs it."""
    homes: tuple[str, ...] = ()
    """Streamers whose volumes hold parts of its archive, the latest first."""
    waits: str = ""
    """Why it waits for the streamer that it is assigned to, while that is away or drains; empty:
    it does not."""
    encoding: Encoding = NOTHING
    """What its ladder takes of a streamer without a GPU, or of all."""
    encoding_by_gpu: Encoding | None = None
    """What it takes of one with a GPU, where its transcoder uses what there is."""

    def takes_of(self, offer: "StreamerOffer") -> Encoding:
        """What its ladder takes of that streamer."""
        by_gpu = self.encoding_by_gpu if offer.has_gpu else None
        return self.encoding if by_gpu is None else by_gpu


@dataclass(frozen=True, slots=True)
class StreamerOffer:
    """What one streamer can take."""

    hostname: str
    pool: str = ""
    """The pool it belongs to; streams may name the pool in place of the streamer."""
    pod: str = ""
    """Its name within its namespace, where that is not `hostname`; streams may name it too."""
    online: bool = True
    draining: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    has_gpu: bool = False
    spare: bool = False
    """It will not stay: taken only when no other has room."""
    templates: frozenset[str] | None = None
    """Those that it knows; None where nobody can say."""
    channel_limit: int = DEFAULT_CHANNEL_LIMIT
    bandwidth_kbit: int = 0
    """Capacity in kbit/s; 0 for no limit."""
    namespace: str = ""
    takes_none: ChangeReason | None = None
    """Why it gets nothing more, whatever its limits; what it runs stays."""
    dvr_full: bool = False
    """It gets no more streams that are recorded."""
    storages: Storages | None = None
    """What it can record to; None where nobody can say."""
    encoding: Encoding = NOTHING
    """What it has for ladders."""

    def answers_to(self, name: str) -> bool:
        return name in (self.hostname, self.pool, self.pod)


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where a stream runs now, and what it preferred when it was placed there."""

    streamer: str
    preferred: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A change of one stream's assignment, or the statement that none is possible.

    `streamer` None: the stream runs nowhere now. `streamer == previous`: nothing fits, it stays
    assigned to a streamer that does not run it.
    """

    stream: str
    streamer: str | None
    previous: str | None
    reason: ChangeReason
    message: str = ""


class Load:
    """What is taken of each streamer while a plan is being made."""

    def __init__(self, streamers: Mapping[str, StreamerOffer]) -> None:
        self._streamers = streamers
        self._streams: Counter[str] = Counter()
        self._kbit: Counter[str] = Counter()
        self._encoding: dict[str, Encoding] = {}

    def add(self, stream: StreamDemand, hostname: str) -> None:
        self._streams[hostname] += 1
        self._kbit[hostname] += stream.bandwidth_kbit
        ladder = stream.takes_of(self._streamers[hostname])
        if ladder is not NOTHING:
            self._encoding[hostname] = self.encoding(hostname).plus(ladder)

    def remove(self, stream: StreamDemand, hostname: str) -> None:
        self._streams[hostname] -= 1
        self._kbit[hostname] -= stream.bandwidth_kbit
        ladder = stream.takes_of(self._streamers[hostname])
        if ladder is not NOTHING:
            self._encoding[hostname] = self.encoding(hostname).minus(ladder)

    def encoding(self, hostname: str) -> Encoding:
        """What ladders take there."""
        return self._encoding.get(hostname, NOTHING)

    def share(self, hostname: str, more: int = 0, ladder: Encoding = NOTHING) -> float:
        """The largest share of a limit in use, with so many streams more and a ladder more (fewer:
        less than nothing)."""
        offer = self._streamers[hostname]
        channels = (self._streams[hostname] + more) / max(1, offer.channel_limit)
        taken = self.encoding(hostname)
        taken = taken if ladder is NOTHING else taken.plus(ladder)
        return max(channels, share(offer.encoding, taken))

    def lacks(self, stream: StreamDemand, offer: StreamerOffer) -> ChangeReason | None:
        """What keeps one more stream from being added; None if there is room."""
        if self._streams[offer.hostname] >= offer.channel_limit:
            return ChangeReason.CHANNELS
        taken = self._kbit[offer.hostname] + stream.bandwidth_kbit
        if offer.bandwidth_kbit and stream.bandwidth_kbit and taken > offer.bandwidth_kbit:
            return ChangeReason.BANDWIDTH
        return None

    def refuses(self, stream: StreamDemand, offer: StreamerOffer) -> ChangeReason | None:
        """What keeps a stream that is not there yet from being added."""
        if offer.takes_none is not None:
            return offer.takes_none
        if stream.records and offer.dvr_full:
            return ChangeReason.DVR
        lacking = lacks(offer.encoding, self.encoding(offer.hostname), stream.takes_of(offer))
        return self.lacks(stream, offer) or (_TAKEN[lacking] if lacking else None)


_Candidate = tuple[bool, float, float, str]
"""Better spared, share of the limit, tie, host name: the lowest is taken."""


class _Queues:
    """Fitting streamers by load: one heap for each distinct set of demands, corrected lazily."""

    def __init__(self, streamers: Iterable[StreamerOffer], load: Load, random: Random) -> None:
        self._streamers = {offer.hostname: offer for offer in streamers}
        self._load = load
        self._random = random
        self._heaps: dict[object, list[_Candidate]] = {}
        self.nowhere: dict[object, str] = {}
        """What fits nowhere, by its likeness, and why. Streamers only fill up while a plan is made,
        but for who leaves for a preferred one: then it is to be cleared."""

    def least_loaded(self, stream: StreamDemand, within: str | None = None) -> str | None:
        """The fitting streamer with room, of all or of those that answer to the name `within`."""
        heap = self._heap(stream, within)
        full: list[_Candidate] = []
        found = None
        while heap:
            spared, share, tie, hostname = heapq.heappop(heap)
            actual = self._load.share(hostname)
            if actual != share:
                heapq.heappush(heap, (spared, actual, tie, hostname))
                continue
            if self._load.refuses(stream, self._streamers[hostname]) is None:
                found = hostname
                heapq.heappush(heap, (spared, share, self._random.random(), hostname))
                break
            full.append((spared, share, tie, hostname))
        for entry in full:
            heapq.heappush(heap, entry)
        return found

    def _heap(self, stream: StreamDemand, within: str | None) -> list[_Candidate]:
        demands = (
            within,
            stream.streamer,
            stream.needs_gpu,
            stream.namespace,
            stream.template,
            stream.archive,
            tuple(sorted(stream.required_labels.items())),
        )
        if demands not in self._heaps:
            self._heaps[demands] = [
                (
                    offer.spare or (offer.has_gpu and not stream.needs_gpu),
                    self._load.share(offer.hostname),
                    self._random.random(),
                    offer.hostname,
                )
                for offer in self._streamers.values()
                if misfit(stream, offer) is None and (within is None or offer.answers_to(within))
            ]
            heapq.heapify(self._heaps[demands])
        return self._heaps[demands]


def misfit(stream: StreamDemand, offer: StreamerOffer) -> ChangeReason | None:
    """Why this streamer cannot run this stream, whatever its load; None if it can."""
    if stream.streamer is not None and not offer.answers_to(stream.streamer):
        return ChangeReason.PINNED
    if not offer.online:
        return ChangeReason.OFFLINE
    if offer.draining:
        return ChangeReason.DRAINING
    if stream.needs_gpu and not offer.has_gpu:
        return ChangeReason.GPU
    if stream.namespace != offer.namespace:
        return ChangeReason.NAMESPACE
    if stream.template and offer.templates is not None and stream.template not in offer.templates:
        return ChangeReason.TEMPLATE
    if offer.storages is not None and offer.storages.refuse(stream.archive, stream.template):
        return ChangeReason.ARCHIVE
    if any(offer.labels.get(key) != value for key, value in stream.required_labels.items()):
        return ChangeReason.LABELS
    return None


def place(
    streams: Iterable[StreamDemand],
    streamers: Iterable[StreamerOffer],
    current: Mapping[str, Assignment],
    random: Random,
) -> list[Decision]:
    """Decide what must change. An unchanged stream gives no decision.

    `current` may name streamers that are gone and streams that are gone; the latter are ignored
    (who deletes a stream ends it). Applying the decisions and calling again gives none but those
    of streams that fit nowhere.
    """
    offers = {offer.hostname: offer for offer in streamers}
    load = Load(offers)
    homeless: list[tuple[StreamDemand, ChangeReason]] = []
    decisions: list[Decision] = []
    for stream in sorted(streams, key=lambda demand: demand.name):
        assignment = current.get(stream.name)
        if stream.disabled:
            if assignment is not None:
                decisions.append(
                    Decision(stream.name, None, assignment.streamer, ChangeReason.DISABLED)
                )
            continue
        reason = _reason_to_move(stream, assignment, offers, load)
        if assignment is not None and reason is ChangeReason.OFFLINE and stream.waits:
            load.add(stream, assignment.streamer)
            here = assignment.streamer
            decisions.append(Decision(stream.name, here, here, reason, stream.waits))
            continue
        if assignment is not None and reason in (None, ChangeReason.PREFERRED):
            # Who would rather be elsewhere keeps its room until it is there.
            load.add(stream, assignment.streamer)
        if reason is not None:
            homeless.append((stream, reason))
    queues = _Queues(offers.values(), load, random)
    for stream, reason in homeless:
        decision = _settle(stream, reason, current.get(stream.name), offers, load, queues)
        if decision is not None:
            decisions.append(decision)
    return decisions


def _reason_to_move(
    stream: StreamDemand,
    assignment: Assignment | None,
    offers: Mapping[str, StreamerOffer],
    load: Load,
) -> ChangeReason | None:
    if assignment is None:
        return ChangeReason.NEW
    offer = offers.get(assignment.streamer)
    if offer is None:
        return ChangeReason.DELETED
    problem = misfit(stream, offer) or load.lacks(stream, offer)
    if problem is not None and not (problem is ChangeReason.DRAINING and stream.waits):
        return problem
    wanted = stream.preferred
    if wanted is None or wanted == assignment.preferred or offer.answers_to(wanted):
        return None
    return ChangeReason.PREFERRED


def _settle(
    stream: StreamDemand,
    reason: ChangeReason,
    assignment: Assignment | None,
    offers: Mapping[str, StreamerOffer],
    load: Load,
    queues: _Queues,
) -> Decision | None:
    previous = assignment.streamer if assignment else None
    keep = previous if reason in (ChangeReason.OFFLINE, ChangeReason.DRAINING) else None
    known = queues.nowhere.get(_likeness(stream)) if reason is not ChangeReason.PREFERRED else None
    if known is not None:
        return Decision(stream.name, keep, previous, reason, known)
    target = queues.least_loaded(stream, within=stream.preferred) if stream.preferred else None
    if reason is ChangeReason.PREFERRED and previous is not None:
        if target is None:
            return None
        load.remove(stream, previous)
        queues.nowhere.clear()
    elif target is None:
        target = _home(stream, offers, load) or queues.least_loaded(stream)
    if target is not None:
        load.add(stream, target)
        if target == previous:
            return None
        return Decision(stream.name, target, previous, reason)
    message = _why_nowhere(stream, offers.values(), load)
    queues.nowhere[_likeness(stream)] = message
    return Decision(stream.name, keep, previous, reason, message)


def _likeness(stream: StreamDemand) -> object:
    """The same for streams that fit the same streamers."""
    return (
        stream.streamer,
        stream.preferred,
        tuple(sorted(stream.required_labels.items())),
        stream.needs_gpu,
        stream.template,
        stream.bandwidth_kbit,
        stream.namespace,
        stream.records,
        stream.archive,
        stream.homes,
        stream.encoding,
        stream.encoding_by_gpu,
    )


def _home(stream: StreamDemand, offers: Mapping[str, StreamerOffer], load: Load) -> str | None:
    """The streamer with the latest part of its archive that can run it."""
    for hostname in stream.homes:
        offer = offers.get(hostname)
        if offer is not None and not (misfit(stream, offer) or load.refuses(stream, offer)):
            return hostname
    return None


WORDS = {
    ChangeReason.DELETED: "gone",
    ChangeReason.BALANCE: "fuller than others",
    ChangeReason.PREFERRED: "not the preferred one",
    ChangeReason.PINNED: "not the streamer that the stream names",
    ChangeReason.OFFLINE: "offline",
    ChangeReason.DRAINING: "draining",
    ChangeReason.GPU: "without a GPU",
    ChangeReason.NAMESPACE: "in another namespace",
    ChangeReason.CPU: "above their CPU limit",
    ChangeReason.DVR: "without room for archives",
    ChangeReason.TEMPLATE: "without the template",
    ChangeReason.ARCHIVE: "without a volume for its archive",
    ChangeReason.LABELS: "without the required labels",
    ChangeReason.CHANNELS: "at their channel limit",
    ChangeReason.BANDWIDTH: "at their bandwidth limit",
    ChangeReason.CORES: "without CPU left for its transcoder",
    ChangeReason.ENCODERS: "without GPU left for its transcoder",
    ChangeReason.SESSIONS: "without GPU sessions left for its transcoder",
    ChangeReason.GPU_MEMORY: "without GPU memory left for its transcoder",
}


def _why_nowhere(stream: StreamDemand, offers: Iterable[StreamerOffer], load: Load) -> str:
    """In one line, as `kubectl describe pod` says it: `0/3 streamers available: 2 offline, …`."""
    reasons = Counter(misfit(stream, offer) or load.refuses(stream, offer) for offer in offers)
    total = sum(reasons.values())
    if not total:
        return "there is no streamer"
    parts = [f"{count} {WORDS[reason]}" for reason, count in reasons.most_common() if reason]
    return f"0/{total} streamers available: " + ", ".join(parts)


def verdicts(
    stream: StreamDemand, streamers: Iterable[StreamerOffer], load: "Load"
) -> list[tuple[str, ChangeReason | None]]:
    """What each streamer says to a stream that is not on it: (hostname, why not, None for yes)."""
    return [
        (offer.hostname, misfit(stream, offer) or load.refuses(stream, offer))
        for offer in streamers
    ]
