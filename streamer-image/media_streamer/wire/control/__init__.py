"""What the supervisor and its workers say to each other.

A worker says `Hello` first and gets its settings; then the supervisor tells it what to run. Texts
may come from anybody: see `wire/encoding.py`. Times are in ms unless said otherwise.
"""

from media_streamer.wire.control.access import (
    AccessRequest,
    CacheTerms,
    DeliveryConfig,
    DigestAnswer,
    Encryption,
    Granted,
    Passage,
    PlaybackHeaders,
    PublisherTerms,
    RateTerms,
    Refusal,
    SrtQuestion,
    SrtTerms,
)
from media_streamer.wire.control.jobs import Job, JobReport, Jobs, JobsChanged, JobsReport
from media_streamer.wire.control.listeners import (
    Directory,
    DirectoryChanged,
    Listen,
    ListenerSpec,
    Place,
)
from media_streamer.wire.control.sessions import (
    AnswersSent,
    CloseSession,
    DatagramsDropped,
    HeldSession,
    PathReport,
    SessionLeft,
    SessionReport,
    SessionsHeld,
    SessionsMoved,
)
from media_streamer.wire.control.streams import (
    ApplyStream,
    ArchivePlace,
    RemoveStream,
    RestartStream,
    SelectInput,
    SourceInfo,
    StartStream,
    StreamEvent,
    StreamsStats,
    TranscodersWanted,
)
from media_streamer.wire.control.values import AccessKind, JsonObject, LogLevel, WorkerKind
from media_streamer.wire.control.workers import (
    EgressSettings,
    Heartbeat,
    Hello,
    IceServer,
    Leaving,
    MediaSettings,
    Recycle,
    SettingsChanged,
)
from media_streamer.wire.peer import Answer, Call, Failure, Said, Tell
from media_streamer.wire.side import Side

__all__ = [
    "AccessKind",
    "AccessRequest",
    "AnswersSent",
    "ApplyStream",
    "ArchivePlace",
    "CacheTerms",
    "CloseSession",
    "DatagramsDropped",
    "DeliveryConfig",
    "DigestAnswer",
    "Directory",
    "DirectoryChanged",
    "EgressSettings",
    "Encryption",
    "FromWorker",
    "FromWorkerNotice",
    "FromWorkerRequest",
    "Granted",
    "Heartbeat",
    "HeldSession",
    "Hello",
    "IceServer",
    "Job",
    "JobReport",
    "Jobs",
    "JobsChanged",
    "JobsReport",
    "JsonObject",
    "Leaving",
    "Listen",
    "ListenerSpec",
    "LogLevel",
    "MediaSettings",
    "Passage",
    "PathReport",
    "Place",
    "PlaybackHeaders",
    "PublisherTerms",
    "RateTerms",
    "Recycle",
    "Refusal",
    "RemoveStream",
    "RestartStream",
    "SelectInput",
    "SessionLeft",
    "SessionReport",
    "SessionsHeld",
    "SessionsMoved",
    "SettingsChanged",
    "SourceInfo",
    "SrtQuestion",
    "SrtTerms",
    "StartStream",
    "StreamEvent",
    "StreamsStats",
    "ToEgressNotice",
    "ToMediaRequest",
    "ToWorker",
    "TranscodersWanted",
    "WorkerKind",
]

ToMediaRequest = ApplyStream | StartStream | RemoveStream | RestartStream | SelectInput
ToEgressNotice = (
    SettingsChanged | Leaving | Directory | DirectoryChanged | CloseSession | Jobs | JobsChanged
)
FromWorkerRequest = Hello | AccessRequest | SrtQuestion
FromWorkerNotice = (
    Heartbeat
    | Recycle
    | StreamEvent
    | StreamsStats
    | TranscodersWanted
    | SessionsHeld
    | SessionsMoved
    | SessionLeft
    | AnswersSent
    | DatagramsDropped
    | JobsReport
)

FromWorker = Call[FromWorkerRequest] | Tell[FromWorkerNotice] | Answer | Failure
ToWorker = Call[ToMediaRequest | Listen] | Tell[ToEgressNotice] | Answer | Failure

SUPERVISOR_SIDE: Side[Said, Said] = Side("control channel", ToWorker, FromWorker)
WORKER_SIDE: Side[Said, Said] = Side("control channel", FromWorker, ToWorker)
