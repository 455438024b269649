"""Which payload format carries which codec: one row a codec, for sending and for receiving.

`offer` describes a track for SDP and gives its packetizer; `accept` reads a media section of a
peer and gives the codec, its decoder configuration and a depacketizer.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

from media_streamer.rtp.payloads import latm
from media_streamer.rtp.payloads.aac import AacDepacketizer, AacPacketizer
from media_streamer.rtp.payloads.av1 import Av1Depacketizer, Av1Packetizer
from media_streamer.rtp.payloads.base import Depacketizer, Packetizer
from media_streamer.rtp.payloads.nal_units import NalDepacketizer, NalPacketizer
from media_streamer.rtp.payloads.simple import (
    Ac3Depacketizer,
    Ac3Packetizer,
    MpegAudioDepacketizer,
    MpegAudioPacketizer,
    WholeDepacketizer,
    WholePacketizer,
)
from media_streamer.rtp.payloads.vpx import (
    Vp8Packetizer,
    Vp9Packetizer,
    vp8_depacketizer,
    vp9_depacketizer,
)
from media_streamer.rtp.sdp import Media
from media_streamer.syntax import boxes, nal, records
from media_streamer.syntax.codec_strings import decoder_config
from media_streamer.wire.frame import Track

FIRST_DYNAMIC = 96
OPUS_RATE = 48_000
OPUS_CHANNELS = 2
"""Packets of one or two channels may follow each other (RFC 7587 3.4); two hold both."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A track on its way into RTP."""

    media: Media
    packetizer: Packetizer


@dataclass(frozen=True, slots=True)
class Incoming:
    """A media section on its way into frames.

    `configuration` is a decoder configuration record: avcC, hvcC, AudioSpecificConfig, OpusHead.
    Empty where the codec describes itself or the SDP says nothing.
    """

    codec: str
    configuration: bytes
    clock_rate: int
    channels: int
    depacketizer: Depacketizer


def offer(track: Track, number: int) -> Outgoing | None:
    """How track `number` of a session is sent; None for a codec without a payload format here."""
    build = _OFFERS.get(track.codec)
    return None if build is None else build(track, number)


def accept(media: Media) -> Incoming | None:
    """How a section is received; None for an encoding that is not known here."""
    build = _ACCEPTS.get(media.encoding)
    return None if build is None else build(media)


def _media(
    track: Track, number: int, encoding: str, rate: int, payload_type: int | None = None
) -> Media:
    return Media(
        kind=track.kind,
        payload_type=FIRST_DYNAMIC + number if payload_type is None else payload_type,
        encoding=encoding,
        clock_rate=rate,
        channels=track.channels if track.kind == "audio" else 1,
        control=f"trackID={number}",
    )


def _entry(track: Track, kind: bytes) -> bytes:
    _, children = boxes.sample_entry(track.init)
    return children.get(kind, b"")


def _base64(units: list[bytes]) -> str:
    return ",".join(base64.b64encode(unit).decode() for unit in units)


def _offer_h264(track: Track, number: int) -> Outgoing:
    record = _entry(track, b"avcC")
    sets = nal.parameter_sets("h264", record)
    media = _media(track, number, "H264", 90_000)
    media.fmtp = {
        "packetization-mode": "1",
        "profile-level-id": record[1:4].hex(),
        "sprop-parameter-sets": _base64(sets),
    }
    return Outgoing(media, NalPacketizer("h264", sets))


def _offer_hevc(track: Track, number: int) -> Outgoing:
    sets = nal.parameter_sets("hevc", _entry(track, b"hvcC"))
    media = _media(track, number, "H265", 90_000)
    for name, kind in (("vps", 32), ("sps", 33), ("pps", 34)):
        found = [unit for unit in sets if unit[0] >> 1 & 0x3F == kind]
        media.fmtp[f"sprop-{name}"] = _base64(found)
    return Outgoing(media, NalPacketizer("hevc", sets))


def _offer_av1(track: Track, number: int) -> Outgoing:
    record = _entry(track, b"av1C")
    media = _media(track, number, "AV1", 90_000)
    media.fmtp = {
        "profile": str(record[1] >> 5),
        "level-idx": str(record[1] & 0x1F),
        "tier": str(record[2] >> 7),
    }
    return Outgoing(media, Av1Packetizer(record[4:]))


def _offer_vp8(track: Track, number: int) -> Outgoing:
    return Outgoing(_media(track, number, "VP8", 90_000), Vp8Packetizer())


def _offer_vp9(track: Track, number: int) -> Outgoing:
    media = _media(track, number, "VP9", 90_000)
    media.fmtp = {"profile-id": str(_entry(track, b"vpcC")[4])}  # behind version and flags
    return Outgoing(media, Vp9Packetizer())


def _offer_aac(track: Track, number: int) -> Outgoing:
    _, config = decoder_config(_entry(track, b"esds"))
    media = _media(track, number, "MPEG4-GENERIC", track.sample_rate)
    media.fmtp = {
        "streamtype": "5",
        "profile-level-id": "1",
        "mode": "AAC-hbr",
        "sizelength": "13",
        "indexlength": "3",
        "indexdeltalength": "3",
        "config": config.hex(),
    }
    return Outgoing(media, AacPacketizer())


def _offer_opus(track: Track, number: int) -> Outgoing:
    media = _media(track, number, "OPUS", OPUS_RATE)
    media.channels = 2  # whatever the stream has (RFC 7587 7)
    media.fmtp = {"sprop-stereo": "1" if track.channels > 1 else "0"}
    return Outgoing(media, WholePacketizer())


def _offer_mpeg_audio(track: Track, number: int) -> Outgoing:
    media = _media(track, number, "MPA", 90_000, 14)
    media.channels = 1
    return Outgoing(media, MpegAudioPacketizer())


def _offer_ac3(track: Track, number: int) -> Outgoing:
    encoding = "AC3" if track.codec == "ac3" else "EAC3"
    return Outgoing(_media(track, number, encoding, track.sample_rate), Ac3Packetizer())


def _offer_g711(track: Track, number: int) -> Outgoing:
    law, payload_type = ("PCMU", 0) if track.codec == "pcm_mulaw" else ("PCMA", 8)
    static = track.sample_rate == 8000 and track.channels == 1
    media = _media(track, number, law, track.sample_rate, payload_type if static else None)
    return Outgoing(media, WholePacketizer())


_OFFERS: dict[str, Callable[[Track, int], Outgoing]] = {
    "h264": _offer_h264,
    "hevc": _offer_hevc,
    "av1": _offer_av1,
    "vp8": _offer_vp8,
    "vp9": _offer_vp9,
    "aac": _offer_aac,
    "opus": _offer_opus,
    "mp3": _offer_mpeg_audio,
    "mp2": _offer_mpeg_audio,
    "ac3": _offer_ac3,
    "eac3": _offer_ac3,
    "pcm_mulaw": _offer_g711,
    "pcm_alaw": _offer_g711,
}


def _record(codec: str, *texts: str) -> bytes:
    """Record of the parameter sets in an SDP; b"" if they are not all there, or broken."""
    units = []
    for text in texts:
        for item in text.split(","):
            try:
                unit = base64.b64decode(item + "=" * (-len(item) % 4))
            except (binascii.Error, ValueError):
                continue
            if unit:
                units.append(unit)
    try:
        return records.record(codec, units)
    except ValueError:
        return b""


def _incoming(
    media: Media, codec: str, depacketizer: Depacketizer, configuration: bytes
) -> Incoming:
    return Incoming(codec, configuration, media.clock_rate, media.channels, depacketizer)


def _accept_h264(media: Media) -> Incoming | None:
    if media.fmtp.get("packetization-mode") == "2":
        return None  # interleaved: nobody sends it
    record = _record("h264", media.fmtp.get("sprop-parameter-sets", ""))
    return _incoming(media, "h264", NalDepacketizer("h264"), record)


def _accept_hevc(media: Media) -> Incoming | None:
    if media.fmtp.get("sprop-max-don-diff", "0") != "0":
        return None  # needs DONL fields
    names = ("sprop-vps", "sprop-sps", "sprop-pps")
    record = _record("hevc", *(media.fmtp.get(name, "") for name in names))
    return _incoming(media, "hevc", NalDepacketizer("hevc"), record)


def _accept_aac(media: Media) -> Incoming | None:
    fmtp = media.fmtp

    def bits(name: str, default: int) -> int:
        text = fmtp.get(name, "")
        return int(text) if text.isdecimal() and len(text) < 3 else default

    try:
        config = bytes.fromhex(fmtp.get("config", ""))
        depacketizer = AacDepacketizer(bits("sizelength", 13), bits("indexlength", 3))
    except ValueError:
        return None
    return _incoming(media, "aac", depacketizer, config)


def _accept_latm(media: Media) -> Incoming | None:
    try:
        config = latm.audio_config(bytes.fromhex(media.fmtp.get("config", "")))
    except ValueError:
        return None  # also one that comes in band (cpresent=1)
    return _incoming(media, "aac", latm.LatmDepacketizer(), config)


def _accept_g711(media: Media) -> Incoming | None:
    if (media.clock_rate, media.channels) != (8000, 1):
        return None  # not that of telephones and cameras
    codec = "pcm_mulaw" if media.encoding == "PCMU" else "pcm_alaw"
    return _incoming(media, codec, WholeDepacketizer(), b"")


_ACCEPTS: dict[str, Callable[[Media], Incoming | None]] = {
    "H264": _accept_h264,
    "H265": _accept_hevc,
    "HEVC": _accept_hevc,
    "AV1": lambda media: _incoming(media, "av1", Av1Depacketizer(), b""),
    "VP8": lambda media: _incoming(media, "vp8", vp8_depacketizer(), b""),
    "VP9": lambda media: _incoming(media, "vp9", vp9_depacketizer(), b""),
    "MPEG4-GENERIC": _accept_aac,
    "MP4A-LATM": _accept_latm,
    "OPUS": lambda media: _incoming(
        media, "opus", WholeDepacketizer(), records.opus_head(OPUS_CHANNELS)
    ),
    "MPA": lambda media: _incoming(media, "mp3", MpegAudioDepacketizer(), b""),
    "AC3": lambda media: _incoming(media, "ac3", Ac3Depacketizer(), b""),
    "EAC3": lambda media: _incoming(media, "eac3", Ac3Depacketizer(), b""),
    "PCMU": _accept_g711,
    "PCMA": _accept_g711,
}
