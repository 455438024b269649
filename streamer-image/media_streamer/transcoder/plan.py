"""From the words of a configuration and the tracks of a source to what is made of them. Pure.

Invariants: output tracks are numbered in their order, first video (v1, v2 … as the ladder has
them), then audio, then the rest; several video tracks are one group, ranked by what they show.
What cannot be done raises `PlanError`, in words for whoever wrote the configuration.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from media_api.transcoder import (
    AudioOptions,
    Burn,
    Label,
    Logo,
    Size,
    TranscoderSpec,
    TranscoderTrack,
    VideoOptions,
)
from msgspec.structs import replace

from media_streamer.wire.frame import TIME_BASE, Track
from media_streamer.wire.transcoding import (
    Box,
    Corner,
    Decoding,
    Hardware,
    LabelWish,
    Overlay,
    Rectangle,
    Rendition,
    SizeWish,
    Sound,
    Work,
)

GROUP = "ladder"
DEFAULT_GOP_TICKS = 2 * TIME_BASE
DEFAULT_FPS = 25.0
INTERLACED = ("h264", "mpeg2video")
"""What can be encoded in fields."""
DEFAULT_TIME = "%Y-%m-%d %H:%M:%S"
DEFAULT_CHANNEL_RATE = 64_000
"""Bits a second for each channel of sound."""

_HARDWARE = ("cpu", "nvenc", "auto")
_VIDEO_CODECS = {"h264": "h264", "hevc": "hevc", "av1": "av1", "mp2v": "mpeg2video"}
_AUDIO_CODECS = {
    "aac": "aac", "mp3": "mp3", "opus": "opus", "mp2a": "mp2", "ac3": "ac3", "eac3": "eac3",
    "pcma": "pcm_alaw", "pcmu": "pcm_mulaw",
}  # fmt: skip
_MOST_CHANNELS = {"mp3": 2, "mp2": 2, "ac3": 6, "eac3": 6, "pcm_alaw": 1, "pcm_mulaw": 1}
_RATES = {
    "aac": (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000),
    "mp3": (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000),
    "opus": (48000,),
    "mp2": (48000, 44100, 32000, 24000, 22050, 16000),
    "ac3": (48000, 44100, 32000),
    "eac3": (48000, 44100, 32000),
    # As every telephone, browser and RTP (RFC 3551 4.5.14) has it.
    "pcm_alaw": (8000,),
    "pcm_mulaw": (8000,),
}
"""Hz that the encoders take, from the highest."""
_MOST_BITS = {
    "mp3": 320_000, "mp2": 384_000, "opus": 510_000, "ac3": 640_000,
    "pcm_alaw": 64_000, "pcm_mulaw": 64_000,
}  # fmt: skip
_PROFILE_FORMATS = {
    "main10": "yuv420p10le", "high10": "yuv420p10le", "high422": "yuv422p", "high444": "yuv444p",
}  # fmt: skip
_DECODED_FORMATS = {
    "yuv420p": "yuv420p", "yuvj420p": "yuvj420p", "yuv422p": "yuv422p", "yuv444p": "yuv444p",
    "yuv420p10": "yuv420p10le", "yuv422p10": "yuv422p10le", "yuv444p10": "yuv444p10le",
    "yuv420p12": "yuv420p12le", "yuv422p12": "yuv422p12le", "yuv444p12": "yuv444p12le",
    "gray8": "gray", "gray10": "gray10le", "gray12": "gray12le", "nv12": "nv12",
    # v210 is how the same is packed in files.
    "p016": "p016le", "v210": "yuv422p10le", "uyvy422": "uyvy422", "yuyv422": "yuyv422",
    "rgb48": "rgb48le", "argb": "argb",
}  # fmt: skip
"""FFmpeg's names of the forms that pictures are decoded to."""
_ENCODED_FORMATS = {
    "yuv422p": "yuv422p", "yuv444p": "yuv444p", "yuv420p10": "yuv420p10le",
    "yuv422p10": "yuv422p10le", "yuv444p10": "yuv444p10le",
}  # fmt: skip
"""Those of them that h264 and hevc keep; of all others they make 4:2:0 in 8 bits."""
THINNINGS = {0: (0, 1), 15: (1, 5), 13: (1, 3), 12: (1, 2), 23: (2, 3)}
"""`temporal_tradeoff`: how many pictures of how many are left out under overload."""
_VOLUME = re.compile(r"[+-]?\d{1,3}(\.\d{1,3})?(dB)?", re.ASCII)
_COLOUR = re.compile(r"#?[0-9a-zA-Z]{1,20}", re.ASCII)


class PlanError(ValueError):
    """What the configuration asks for cannot be made of this source."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of the tracks of a source."""

    work: Work
    """What is left to the transcoder."""
    copies: dict[int, list[Track]]
    """Tracks that pass as they are, by the number of the source's track."""

    @property
    def made(self) -> list[int]:
        """Numbers of the tracks that come from the transcoder."""
        return [one.number for one in self.work.renditions] + [
            one.number for one in self.work.sounds
        ]

    @property
    def taken(self) -> set[int]:
        """Numbers of the source's tracks that the transcoder reads."""
        decoding = self.work.decoding
        return {one.track for one in self.work.sounds} | (
            {decoding.track} if decoding is not None else set()
        )


@dataclass(frozen=True, slots=True)
class _Wish:
    """An output track: of which source track, and how (None: as it is)."""

    source: Track
    options: VideoOptions | AudioOptions | None
    channel: int | None = None
    """The only one that is taken."""


def make_plan(spec: TranscoderSpec, tracks: Sequence[Track]) -> Plan:
    """Raises PlanError."""
    hardware = (spec.global_.hw if spec.global_ else None) or "cpu"
    if hardware not in _HARDWARE:
        raise PlanError(f"hw={hardware} is not served: use cpu, nvenc or auto")
    videos = _video_wishes(spec, tracks)
    sounds = _audio_wishes(spec, tracks)
    others = [_Wish(track, None) for track in tracks if track.kind not in ("video", "audio")]
    named = [
        (number, name, wish)
        for number, (name, wish) in enumerate(
            [
                *((f"v{index + 1}", wish) for index, wish in enumerate(videos)),
                *((f"a{index + 1}", wish) for index, wish in enumerate(sounds)),
                *((wish.source.name, wish) for wish in others),
            ]
        )
    ]
    ranks = _ranks(videos)
    copies: dict[int, list[Track]] = {}
    renditions: list[Rendition] = []
    made_sounds: list[Sound] = []
    for number, name, wish in named:
        is_video = wish.source.kind == "video"
        group = GROUP if is_video and len(videos) > 1 else ""
        rank = ranks[number] if group else 0
        if wish.options is None:
            track = replace(wish.source, number=number, name=name, group=group, rank=rank)
            copies.setdefault(wish.source.number, []).append(track)
        elif isinstance(wish.options, VideoOptions) and is_video:
            made = _rendition(wish.options, number, name, _decoded_format(spec))
            burn = wish.options.burn or (spec.global_.burn if spec.global_ else None)
            made = replace(made, labels=_labels(burn))
            language = wish.source.language
            renditions.append(replace(made, group=group, rank=rank, language=language))
        else:
            made_sounds.append(_sound(wish, number, name))
    if any(one.fps for one in renditions):
        # Stamps that all share need a grid for all.
        source_fps = next((wish.source.fps for wish in videos if wish.options is not None), 0.0)
        own = _rate(source_fps or DEFAULT_FPS)
        renditions = [one if one.fps else replace(one, fps=own) for one in renditions]
    if hardware == "nvenc" and any(one.interlace for one in renditions):
        raise PlanError("interlace is not served with hw=nvenc: use cpu or auto")
    device = spec.global_.deviceid if spec.global_ else None
    work = Work(
        hardware=cast(Hardware, hardware),
        device=device if isinstance(device, int) else None,
        decoding=_decoding(spec, videos) if renditions else None,
        renditions=renditions,
        sounds=made_sounds,
    )
    return Plan(work, copies)


# Which tracks


def _video_wishes(spec: TranscoderSpec, tracks: Sequence[Track]) -> list[_Wish]:
    found = [track for track in tracks if track.kind == "video"]
    entries = _entries(spec, "video")
    if not found:
        return []
    if entries is None:
        return [_Wish(track, None) for track in found]
    best = min(found, key=lambda track: track.rank)
    wishes = [
        _Wish(_input(entry, found) or best, None if entry.bitrate == "copy" else entry)
        for entry in entries
    ]
    sources = {wish.source.number for wish in wishes if wish.options is not None}
    if len(sources) > 1:
        raise PlanError("all video tracks of a transcoder must be made of one track of the input")
    return wishes


def _audio_wishes(spec: TranscoderSpec, tracks: Sequence[Track]) -> list[_Wish]:
    found = [track for track in tracks if track.kind == "audio"]
    if spec.tracks is not None:
        wishes = []
        for entry in _entries(spec, "audio") or ():
            source = _input(entry, found)
            sources = found if source is None and not _names_input(entry) else [source]
            for one in sources:
                wishes += _sounds_of(one, entry) if one is not None else []
        return wishes
    options = spec.audio
    if options is None:
        return [_Wish(track, None) for track in found]
    return [wish for track in found for wish in _sounds_of(track, options)]


def _sounds_of(source: Track, options: AudioOptions) -> list[_Wish]:
    """What an entry makes of a track: one, or one of each of its channels."""
    if options.bitrate == "copy":
        return [_Wish(source, None)]
    if options.split_channels and source.channels > 1:
        return [_Wish(source, options, channel) for channel in range(source.channels)]
    return [_Wish(source, options)]


def _entries(spec: TranscoderSpec, kind: str) -> Sequence[Any] | None:
    """Entries for one kind of track, None if the configuration has none."""
    if spec.tracks is not None:
        return [one for one in spec.tracks if one.content == kind]
    return spec.video or None if kind == "video" else None


def _names_input(entry: Any) -> bool:
    return isinstance(entry, TranscoderTrack) and bool(entry.input_track)


def _input(entry: Any, tracks: Sequence[Track]) -> Track | None:
    """The track of the source that an entry names, None if it names none or one that is not."""
    if not _names_input(entry):
        return None
    return next((track for track in tracks if track.name == entry.input_track), None)


def _ranks(videos: Sequence[_Wish]) -> list[int]:
    """Place of each video track by what it shows and costs, 0 for the best."""

    def weight(wish: _Wish) -> tuple[int, int]:
        options, source = wish.options, wish.source
        if not isinstance(options, VideoOptions):
            return source.height or 1 << 16, 1 << 31
        size = options.size
        height = size.height if size and size.height and size.height > 0 else 0
        if not height and size and size.width and size.width > 0 and source.width:
            height = size.width * source.height // source.width
        rate = options.bitrate if isinstance(options.bitrate, int) else 1 << 30
        return height or source.height or 1 << 16, rate

    order = sorted(range(len(videos)), key=lambda index: weight(videos[index]), reverse=True)
    return [order.index(index) for index in range(len(videos))]


# How they are made


def _decoding(spec: TranscoderSpec, videos: Sequence[_Wish]) -> Decoding:
    source = next(wish.source for wish in videos if wish.options is not None)
    has_copy = any(wish.options is None and wish.source is source for wish in videos)
    decoder = spec.decoder
    crop = decoder.crop if decoder else None
    kind = decoder.deinterlace if decoder else None
    return Decoding(
        track=source.number,
        deinterlace="" if not kind else "yadif" if kind == "yadif" else "bwdif",
        fields=bool(kind and decoder and decoder.deinterlace_rate == "field"),
        crop=Rectangle(crop.left, crop.top, crop.width, crop.height) if crop else None,
        drop_each=(decoder.drop_frame_interval or 0) if decoder else 0,
        pix_fmt=_DECODED_FORMATS[_decoded_format(spec)] if _decoded_format(spec) else "",
        thin=_thinning(videos),
        # Beside a copy its key frames are the only ones that all can have.
        gop_ticks=0 if has_copy else _gop_ticks(spec, videos, source),
    )


def _decoded_format(spec: TranscoderSpec) -> str:
    """As the configuration names it; empty: none is named."""
    return (spec.decoder.pix_fmt or "") if spec.decoder else ""


def _thinning(videos: Sequence[_Wish]) -> tuple[int, int]:
    """The first that is said holds for all: a picture is left out of each rendition or of none."""
    for wish in videos:
        asked = wish.options.temporal_tradeoff if isinstance(wish.options, VideoOptions) else None
        if asked in THINNINGS:  # others have no effect
            return THINNINGS[asked]
    return THINNINGS[12]


def _gop_ticks(spec: TranscoderSpec, videos: Sequence[_Wish], source: Track) -> int:
    """One length for all: key frames of a ladder stand at the same stamps."""
    for wish in videos:
        options = wish.options
        if not isinstance(options, VideoOptions):
            continue
        frames = options.gop or (spec.global_.gop if spec.global_ else None)
        if frames:
            fps = options.fps if isinstance(options.fps, float) else source.fps
            return max(1, round(frames * TIME_BASE / (fps or DEFAULT_FPS)))
    return DEFAULT_GOP_TICKS


def _rendition(options: VideoOptions, number: int, name: str, decoded: str) -> Rendition:
    """`decoded`: the form of pictures that the decoder was told to give."""
    codec = _VIDEO_CODECS.get(options.codec or "h264")
    if codec is None:
        raise PlanError(f"video codec {options.codec} cannot be encoded")
    if options.rc_method == "cbr2pass":
        raise PlanError("rc_method=cbr2pass is not served: use vbr or cbr")
    sar = options.sar
    qp = options.qp_range
    return Rendition(
        number=number,
        name=name,
        codec=cast(Any, codec),
        bit_rate=options.bitrate if isinstance(options.bitrate, int) else 0,
        preset=options.preset,
        size=_size(options.size),
        sar=(sar.x, sar.y) if sar and sar.x and sar.y else None,
        profile=options.profile or "",
        level=options.level or "",
        pix_fmt=_format(options.profile or "", codec, decoded),
        fps=_rate(options.fps) if isinstance(options.fps, float) else None,
        bframes=options.bframes,
        refs=options.refs,
        open_gop=options.open_gop,
        interlace=_interlace(options, codec),
        cbr=options.rc_method == "cbr",
        buffer_bits=options.vbv_bufsize or 0,
        qp_range=(qp.qpminp, qp.qpmaxp)
        if qp and qp.qpminp is not None and qp.qpmaxp is not None
        else None,
        threads=options.threads or 0,
        logos=_logo(options.logo),
        alogos=_logo(options.alogo),
        extra=dict(options.extra or {}),
    )


def _format(profile: str, codec: str, decoded: str) -> str:
    """What is encoded: as the profile has it, else as near to what is decoded as it can be."""
    if profile or codec not in ("h264", "hevc"):
        return _PROFILE_FORMATS.get(profile, "yuv420p")
    return _ENCODED_FORMATS.get(decoded, "yuv420p")


def _interlace(options: VideoOptions, codec: str) -> Any:
    wish = options.interlace
    if not wish:
        return ""
    if codec not in INTERLACED:
        raise PlanError(f"interlace is served with h264 and mp2v, not with {options.codec}")
    if wish in ("tff_separated", "bff_separated"):
        raise PlanError(f"interlace={wish} is not served: use tff or bff")
    return "bff" if wish == "bff" else "tff"


def _size(size: Size | None) -> SizeWish | None:
    if size is None:
        return None
    background = size.background or "black"
    if not _COLOUR.fullmatch(background):
        raise PlanError(f"size: background {background!r} is no colour")
    return SizeWish(
        size.width or -1,
        size.height or -1,
        size.strategy,
        f"0x{background[1:]}" if background.startswith("#") else background,
    )


def _logo(logo: Logo | None) -> list[Overlay]:
    if logo is None or not logo.path:
        return []
    corner: Corner = logo.position or "tl"
    return [Overlay(logo.path, corner, logo.x or 0, logo.y or 0)]


def _labels(burn: Burn | None) -> list[LabelWish]:
    if burn is None:
        return []
    found = []
    if burn.text is not None and burn.text.text:
        found.append(_label(burn.text, burn.text.text, is_time=False))
    if burn.time is not None:
        found.append(_label(burn.time, burn.time.text or DEFAULT_TIME, is_time=True))
    return found


def _label(label: Label, text: str, *, is_time: bool) -> LabelWish:
    font, box = label.font, label.box
    return LabelWish(
        text=text,
        is_time=is_time,
        position=label.position or "tl",
        x=label.x or 0,
        y=label.y or 0,
        font=str(font.file) if font and font.file else "",
        size=(font.size or 0) if font else 0,
        color=(font.color if font else None) or "white",
        alpha=font.alpha if font and font.alpha is not None else 1.0,
        box=Box(box.color or "black", 1.0 if box.alpha is None else box.alpha, box.borderw)
        if box
        else None,
    )


def _rate(fps: float) -> tuple[int, int]:
    """29.97 and its like are NTSC's fractions."""
    for base in (24, 30, 48, 60, 120):
        if abs(fps - base * 1000 / 1001) < 0.005:
            return base * 1000, 1001
    return round(fps * 1000), 1000


def _sound(wish: _Wish, number: int, name: str) -> Sound:
    options, source = cast(AudioOptions, wish.options), wish.source
    codec = _AUDIO_CODECS.get(options.codec or "aac")
    if codec is None:
        raise PlanError(f"audio codec {options.codec} cannot be encoded")
    volume = options.avol or getattr(options, "volume", None) or ""
    if volume and not _VOLUME.fullmatch(volume):
        raise PlanError(f"avol={volume} is neither a factor nor decibels such as +5dB")
    wanted = 1 if wish.channel is not None else options.channels or source.channels or 2
    channels = min(wanted, _MOST_CHANNELS.get(codec, 8))
    bits = options.bitrate if isinstance(options.bitrate, int) else channels * DEFAULT_CHANNEL_RATE
    return Sound(
        number=number,
        name=name,
        track=source.number,
        codec=cast(Any, codec),
        bit_rate=min(bits, _MOST_BITS.get(codec, bits)),
        sample_rate=_sample_rate(codec, options.sample_rate or source.sample_rate or 48000),
        channels=channels,
        volume=volume,
        language=source.language,
        channel=wish.channel,
    )


def _sample_rate(codec: str, wanted: int) -> int:
    """The encoder's nearest; of two the higher one."""
    return min(_RATES[codec], key=lambda rate: (abs(rate - wanted), -rate))
