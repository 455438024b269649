"""What a media worker and the transcoder of one of its streams say to each other.

A transcoder introduces itself and then gets one `Begin` after another: each says what is to be made
of the frames that follow it, and ends what was made before (its last frames still come). `number`
tells them apart, so that what belongs to an ended one is never taken for the present one. Stamps
are those of the stream (`wire/frame.py`), which a transcoder keeps.
"""

from typing import Literal

import msgspec

from media_streamer.wire.frame import Frame, Track
from media_streamer.wire.side import Side

Hardware = Literal["cpu", "nvenc", "auto"]
Corner = Literal["tl", "tr", "bl", "br", "c"]
Position = Literal["tl", "bl", "tr", "br", "c", "ct", "cb"]
"""Corners, the middle, and the middles of the upper and the lower edge."""


class _Value(msgspec.Struct, frozen=True, array_like=True):
    """Part of a message."""


class SizeWish(_Value, frozen=True):
    """Size of a picture in pixels; -1 follows from the other one and the aspect ratio."""

    width: int = -1
    height: int = -1
    strategy: Literal["crop", "scale", "fit"] = "fit"
    background: str = "black"
    """FFmpeg's colour of the bars, or `blur`."""


class Rectangle(_Value, frozen=True):
    """Part of a decoded picture, in pixels."""

    left: int
    top: int
    width: int
    height: int


class Overlay(_Value, frozen=True):
    """A picture from a file; `x` and `y` in pixels from the corner."""

    path: str
    corner: Corner = "tl"
    x: int = 0
    y: int = 0


class Box(_Value, frozen=True):
    """What is laid behind a text."""

    color: str = "black"
    alpha: float = 1.0
    border: int | None = None
    """Pixels around the text; None: a few."""


class LabelWish(_Value, frozen=True):
    """A text that is burnt in."""

    text: str
    """As it is shown, or strftime's format of the time."""
    is_time: bool = False
    position: Position = "tl"
    x: int = 0
    y: int = 0
    font: str = ""
    """A file; empty: one without serifs."""
    size: int = 0
    """Height in pixels; 0: a share of the picture's."""
    color: str = "white"
    alpha: float = 1.0
    box: Box | None = None


class Decoding(_Value, frozen=True):
    """How the source's video is decoded, once for all renditions."""

    track: int
    """Number of the source's track."""
    deinterlace: Literal["", "yadif", "bwdif"] = ""
    fields: bool = False
    """A picture for each field, not for each frame."""
    crop: Rectangle | None = None
    drop_each: int = 0
    """Each so-many-th picture is dropped; 0: none."""
    pix_fmt: str = ""
    """FFmpeg's name of the form that pictures are brought to; empty: as they are."""
    thin: tuple[int, int] = (1, 2)
    """Pictures that are left out of so many while the encoders do not keep up."""
    gop_ticks: int = 0
    """Time between two key frames of all renditions; 0: at the source's key frames, and at least
    each `most_ticks`."""
    most_ticks: int = 0
    """0: only at the source's key frames."""


class Rendition(_Value, frozen=True):
    """A video track to be made."""

    number: int
    """Of the track in the output."""
    name: str
    codec: Literal["h264", "hevc", "av1", "mpeg2video"]
    bit_rate: int
    """Bits a second; 0: by quality."""
    preset: str
    size: SizeWish | None = None
    """None: as the source."""
    sar: tuple[int, int] | None = None
    profile: str = ""
    level: str = ""
    pix_fmt: str = "yuv420p"
    fps: tuple[int, int] | None = None
    """Frames a second as a fraction; None: as the source."""
    bframes: int | None = None
    refs: int | None = None
    open_gop: bool = False
    cbr: bool = False
    buffer_bits: int = 0
    """VBV buffer; 0: two seconds."""
    qp_range: tuple[int, int] | None = None
    threads: int = 0
    logos: list[Overlay] = []
    """Laid over before scaling."""
    alogos: list[Overlay] = []
    """After it."""
    interlace: Literal["", "tff", "bff"] = ""
    """Encode fields, the upper or the lower one first; empty: whole pictures."""
    labels: list[LabelWish] = []
    """Burnt in last of all."""
    extra: dict[str, str] = {}
    """Options of the encoder."""
    language: str = ""
    group: str = ""
    rank: int = 0


class Sound(_Value, frozen=True):
    """An audio track to be made."""

    number: int
    name: str
    track: int
    """Number of the source's track."""
    codec: Literal["aac", "mp3", "opus", "mp2", "ac3", "eac3", "pcm_alaw", "pcm_mulaw"]
    bit_rate: int
    sample_rate: int
    channels: int
    volume: str = ""
    """FFmpeg's volume: a factor or decibels; empty: as it is."""
    language: str = ""
    channel: int | None = None
    """The only one of the source's that is taken, from 0; None: all of them."""


class Work(_Value, frozen=True):
    """All that a transcoder makes of a stream."""

    hardware: Hardware = "cpu"
    device: int | None = None
    """Number of the GPU; None: the one with the least to do."""
    decoding: Decoding | None = None
    renditions: list[Rendition] = []
    sounds: list[Sound] = []


class _Message(msgspec.Struct, frozen=True, tag=True, array_like=True):
    pass


# From a media worker


class Begin(_Message, frozen=True):
    """Make this of what follows."""

    number: int
    work: Work
    tracks: list[Track]
    """The source's tracks that `work` names."""


class Source(_Message, frozen=True):
    """Frames of these tracks."""

    frames: list[Frame]


class WantKeyFrame(_Message, frozen=True):
    """All renditions shall have a key frame as soon as possible."""


# From a transcoder


class Ready(_Message, frozen=True):
    """First message: whose transcoder this is."""

    stream: str


class Made(_Message, frozen=True):
    """Tracks that the encoders make; comes before their frames."""

    number: int
    tracks: list[Track]
    device: str
    """Where: `cpu`, `nvenc:0`, or decoded by a GPU and encoded by the CPU: `cuvid:0+cpu`."""


class Encoded(_Message, frozen=True):
    number: int
    frames: list[Frame]


class Ended(_Message, frozen=True):
    """Nothing more comes of this one."""

    number: int


class Figures(_Message, frozen=True):
    """Totals since the process began, each second."""

    frames_decoded: int
    frames_encoded: int
    dropped_frames: int
    """Pictures that were not made because the encoders do not keep up."""
    decode_errors: int
    overloaded: bool
    lag_ms: int
    """How far the decoder is behind what has come."""


class Refused(_Message, frozen=True):
    """What was asked for cannot be done, by this process or another one."""

    number: int
    reason: str


FromMedia = Begin | Source | WantKeyFrame
FromTranscoder = Ready | Made | Encoded | Ended | Figures | Refused

MEDIA_SIDE: Side[FromMedia, FromTranscoder] = Side("transcoder channel", FromMedia, FromTranscoder)
TRANSCODER_SIDE: Side[FromTranscoder, FromMedia] = Side(
    "transcoder channel", FromTranscoder, FromMedia
)
