"""What egress workers and media workers say to each other: formats of streams one way, publishers
the other.

One channel carries everything between two workers; `id` is the number that the egress worker gave
to a subscription, publisher or question. Packets keep their boundaries: a chunk holds the bytes of
each frame in its format, a publisher hands in whole frames. Times are in ms unless said otherwise.
"""

from typing import Literal

import msgspec

from media_streamer.wire.frame import Frame, Track
from media_streamer.wire.side import Side

PublishForm = Literal["frames", "ts"]


class _Message(msgspec.Struct, frozen=True, tag=True, array_like=True):
    pass


# From an egress worker


class Replay(msgspec.Struct, frozen=True, array_like=True):
    """A time of the archive, or of a file, to be played in place of the stream; Unix ms, of a file
    ms from its beginning."""

    places: list[tuple[str, str, str]]
    """Of the stream's archive (`archive.places.ToldPlace`); empty for a file."""
    from_ms: int
    to_ms: int
    """In the future: the recording is followed until then, at a speed of 1."""
    speed: float
    """1: as time passes; 0: what there is now, as fast as it is taken."""
    storages: list[str] = []
    """Of a file: where it is looked for, in this order."""
    file: str = ""
    """Its path below them; empty for an archive."""
    scale: float = 1.0
    """So much faster than it was is what it shows, by its time stamps, without sound."""


class Subscribe(_Message, frozen=True):
    """Send a format of a stream under this number until `Unsubscribe`."""

    id: int
    stream: str
    format: str
    """A name of `media_streamer.media.formats`."""
    tracks: tuple[str, ...] = ()
    """Names of those that are wanted; empty for all."""
    pinned: bool = False
    """Not for viewers (a push): wait for the stream where it does not run, instead of ending."""
    keeps_running: bool = True
    """Start an on-demand stream, and keep it running."""
    interval_ms: int = 0
    """What happens may be gathered for so long; 0: as is right for the format."""
    copies: bool = False
    """For a stream that copies this one (`copy://`), which must be no copy itself."""
    replay: Replay | None = None
    """Play this instead; whether the stream runs does not matter."""


class Taken(_Message, frozen=True):
    """So many bytes of a replay have gone to the viewer in all: there is room for more."""

    id: int
    bytes: int


class Pace(_Message, frozen=True):
    """What happens to this subscription may be gathered for so long from now on."""

    id: int
    interval_ms: int


class Unsubscribe(_Message, frozen=True):
    id: int


class WantKeyFrame(_Message, frozen=True):
    """Whoever takes this subscription needs a key frame soon; ignored where none can be asked."""

    id: int


class Publish(_Message, frozen=True):
    """A publisher asks to feed the stream; answered `Accepted` or `Refused`."""

    id: int
    stream: str
    form: PublishForm
    remote: str
    """Its address."""
    user_agent: str


class TrackSetup(msgspec.Struct, frozen=True, array_like=True):
    """A track of a publisher who hands in frames, as its protocol describes it."""

    number: int
    """`PublishedFrame.track` refers to it."""
    kind: Literal["video", "audio"]
    codec: str
    """FFmpeg's name, also of codecs that cannot be a track here."""
    configuration: bytes
    """Decoder configuration record: avcC, hvcC, av1C, AudioSpecificConfig, OpusHead; may be
    empty where frames describe themselves."""
    ticks: int
    """Ticks of its clock in a second."""
    fps: float = 0.0
    """As the publisher declares it; 0: it does not."""
    bit_rate: int = 0
    """Bits a second, as declared."""


class PublishedFrame(msgspec.Struct, frozen=True, array_like=True):
    """One access unit or audio frame; stamps in ticks of its track, as the publisher counts."""

    track: int
    dts: int
    pts: int
    key: bool
    data: bytes


class PublishedTracks(_Message, frozen=True):
    """All tracks that the publisher has from now on."""

    id: int
    tracks: list[TrackSetup]
    complete: bool
    """No other track is announced; else one may still come and is worth waiting for."""


class PublishedFrames(_Message, frozen=True):
    id: int
    frames: list[PublishedFrame]


class PublishedBytes(_Message, frozen=True):
    """A piece of the publisher's transport stream."""

    id: int
    data: bytes


class Reception(msgspec.Struct, frozen=True, array_like=True):
    """How the packets of a source arrived since it began, where its protocol tells."""

    packets: int
    lost: int
    """Never came, or too late to be of use."""
    retransmitted: int = 0
    late: int = 0
    """Of the lost ones: those that came too late."""
    rtt: int | None = None
    """Round trip in ms."""
    latency: int | None = None
    """What both sides agreed on, in ms; SRT only."""


class PublishedReception(_Message, frozen=True):
    """How the publisher's packets arrive."""

    id: int
    reception: Reception


class PublishEnd(_Message, frozen=True):
    """The publisher has finished."""

    id: int


PictureForm = Literal["jpeg", "mp4"]
"""As a picture, or as a film of one frame, which costs no decoder here."""


class Strip(msgspec.Struct, frozen=True, array_like=True):
    """Pictures of a time in place of one."""

    to_ms: int
    """End of the time, Unix ms."""
    count: int
    columns: int
    width: int
    """Of each picture in pixels."""


class AskPreview(_Message, frozen=True):
    """Answered `Preview`."""

    id: int
    stream: str
    form: PictureForm = "jpeg"
    places: list[tuple[str, str, str]] = []
    """Of the stream's archive, for a picture of the past; empty: its last picture."""
    at_ms: int = 0
    """Unix ms of that moment."""
    strip: Strip | None = None
    """Pictures from that moment on."""
    storages: list[str] = []
    """Of a file, whose moments are ms from its beginning."""
    file: str = ""
    """Its path below them; empty for a stream."""
    track: str = ""
    """Name of the video of a stream whose last picture is meant; empty for the best."""
    size: tuple[int, int] | None = None
    """Pixels, -1 by the other one; None: at most 640 wide."""


class Seek(_Message, frozen=True):
    """Go on with a replay elsewhere, or otherwise."""

    id: int
    number: int
    """What comes from then on follows the event `Sought` of this number."""
    from_ms: int
    """As in `Replay`; -1: from where it is, without the event."""
    to_ms: int
    """-1: until the end that it had."""
    speed: float
    scale: float


FromEgress = (
    Subscribe
    | Taken
    | Seek
    | Pace
    | Unsubscribe
    | WantKeyFrame
    | Publish
    | PublishedTracks
    | PublishedFrames
    | PublishedBytes
    | PublishedReception
    | PublishEnd
    | AskPreview
)


# From a media worker: events of a subscription


class Header(_Message, frozen=True):
    """What a viewer of an endless format gets first; again when the tracks change."""

    data: bytes


class Chunk(_Message, frozen=True):
    """What an endless format has since the last chunk, the bytes of a frame each."""

    key: bool
    """A decoder can start with it."""
    packets: list[bytes]


class Tracks(_Message, frozen=True):
    """What the frames that follow belong to."""

    tracks: list[Track]


class Frames(_Message, frozen=True):
    """Canonical frames, none across a key frame but the first."""

    key: bool
    """A decoder can start with the first one."""
    frames: list[Frame]


class Gap(_Message, frozen=True):
    """What follows does not continue what came before."""


class InitSection(_Message, frozen=True):
    """What segments of an HLS track with `init` = `number` begin with (RFC 8216 4.3.2.5)."""

    track: str
    number: int
    kind: Literal["video", "audio", "subtitles", "data", "multiplex"]
    path: str
    """File of the section; empty for MPEG-TS."""
    codecs: str
    width: int
    height: int
    fps: float
    bandwidth: int
    """bit/s as the source declares it."""
    channels: int
    sample_rate: int
    language: str
    group: str
    """Rendition group; see `Track.group`."""
    rank: int
    timescale: int
    """Ticks a second of `SegmentReady.time`; 0 for MPEG-TS."""
    former: list[str]
    """Names that the multiplex (MPEG-TS) had when it had other tracks."""
    alone: bool = False
    """There is nothing beside this multiplex: what went by another name goes on as this."""


class PartReady(_Message, frozen=True):
    """A part of the running segment can be read (rfc8216bis 4.4.4.9)."""

    track: str
    msn: int
    index: int
    """Place in its segment, from 0."""
    seq: int
    """Number in its track over all segments, so that the next one is known in advance."""
    duration: float
    """Seconds."""
    independent: bool
    path: str
    offset: int
    size: int
    init: int
    discontinuity: bool
    discontinuities: int
    target_ms: int = 0
    """How long segments are to be at least; 0: as the stream's configuration says."""
    captions: bool | None = None
    """Whether its track has had closed captions so far; None: nobody looks."""


class SegmentReady(_Message, frozen=True):
    """A segment is complete."""

    track: str
    msn: int
    path: str
    init: int
    start_utc_ms: int
    time: int
    """Decode time of its first sample (`tfdt`) in ticks of the track; 0 for MPEG-TS."""
    duration: float
    """Seconds."""
    size: int
    discontinuity: bool
    """It does not continue the segment before."""
    discontinuities: int
    """How many there were up to its start."""
    period_utc_ms: int
    """When the first segment since the last discontinuity was presented: periods of one stream
    never overlap, so it may be a little later than that segment's `start_utc_ms`."""
    period_time: int
    """The same on the stream's clock: the first PTS of that segment in ticks of 90 kHz."""
    bandwidth: int
    """bit/s of this segment."""
    independent: bool = True
    """It begins with a key frame."""
    target_ms: int = 0
    """As of its parts."""
    late_ms: int = 0
    """How long after its moment what it holds has come here, where that is much: the source tells
    when its pictures were made, and they have been on their way since."""
    captions: bool | None = None
    """As of its parts."""


class SegmentDropped(_Message, frozen=True):
    """The segment left the window; its file goes soon."""

    track: str
    msn: int


class TracksReset(_Message, frozen=True):
    """All that was said of tracks and segments is void; the whole new state follows."""


TOO_MANY_PLAYBACKS = "too_many_playbacks"
"""Reason of an `End`: the worker plays as much that is recorded as it may."""


class End(_Message, frozen=True):
    """The subscription or the publisher is over."""

    reason: str


class Sought(_Message, frozen=True):
    """What follows is from where `Seek` of this number wanted it."""

    number: int


class NoSuchTracks(_Message, frozen=True):
    """The subscription names a track that the stream has not: nothing comes of it."""

    tracks: list[str]
    """Names of those that there are."""


class NothingCarried(_Message, frozen=True):
    """The format can hold no track of the stream, or of the selection: nothing comes of it."""

    tracks: list[str]
    """Name and codec of those that there are."""


class Outage(_Message, frozen=True):
    """Why the stream gives nothing now; again whenever that changes, empty when it is over."""

    reason: str = ""
    """For viewers: without addresses."""
    lasting: bool = False
    """It will hardly be over soon: who comes need not wait."""


FormatEvent = Header | Chunk | Tracks | Frames | Gap
SegmentEvent = InitSection | PartReady | SegmentReady | SegmentDropped | TracksReset
Event = FormatEvent | SegmentEvent | NoSuchTracks | NothingCarried | Outage | Sought | End


class Events(_Message, frozen=True):
    """What happened to a subscription or publisher since the last time, in order."""

    id: int
    events: list[Event]


class Accepted(_Message, frozen=True):
    """The publisher may begin."""

    id: int


class Refused(_Message, frozen=True):
    """The publisher may not; `code` says why."""

    id: int
    code: str


class ReadPace(_Message, frozen=True):
    """What this publisher sends may be gathered for so long: those who take the stream can wait."""

    id: int
    interval_ms: int


class KeyFrameWanted(_Message, frozen=True):
    """Somebody who takes the stream of this publisher needs a key frame soon."""

    id: int


class Preview(_Message, frozen=True):
    """A picture in the form that was asked for, None if there is none."""

    id: int
    picture: bytes | None
    busy: bool = False
    """There is none because too many are asked for."""


FromMedia = Events | Accepted | Refused | ReadPace | KeyFrameWanted | Preview

EGRESS_SIDE: Side[FromEgress, FromMedia] = Side("media channel", FromEgress, FromMedia)
MEDIA_SIDE: Side[FromMedia, FromEgress] = Side("media channel", FromMedia, FromEgress)
