"""Canonical payloads: what an input delivers, turned once into what every muxer takes.

H.264 and HEVC become NAL units behind 4-byte lengths, AAC loses its ADTS header or its LOAS, AV1
its temporal delimiters; everything else passes as it is. Parameter sets that `Track.init` carries
are taken out of random access pictures, because muxers put them back where their format wants them;
before other pictures (recovery points) they stay, for there nobody would. Access unit delimiters
and filler are dropped.

A `Canonicalizer` also watches the configuration: when parameter sets change in mid-stream, the
track has to be described anew, else decoders show garbage.
"""

from typing import Any

import av

from media_streamer.syntax import nal, obu
from media_streamer.syntax.loas import LoasReader, is_loas
from media_streamer.syntax.vpx import KeyFrame, vp8_key_frame, vp9_key_frame

CODECS = frozenset(
    (
        "h264", "hevc", "av1", "vp8", "vp9", "mpeg2video", "aac", "mp3", "mp2", "ac3", "eac3",
        "opus", "pcm_alaw", "pcm_mulaw",
    )
)  # fmt: skip
"""FFmpeg's names of the codecs that can be a track."""

_LOAS = "aac_latm"
"""FFmpeg's name for AAC in LOAS."""
_MPEG2_SEQUENCE_HEADER = b"\x00\x00\x01\xb3"
_MPEG2_SEQUENCE_BYTES = 12
"""Start code, size, aspect ratio, rate, bit rate and buffer (ISO/IEC 13818-2 6.2.2.1)."""


def configuration(codec: str, data: bytes, length_size: int) -> list[bytes]:
    """Decoder configuration inside a packet: parameter sets or sequence headers; [] if none.

    `length_size` is the size of NAL lengths, 0 for Annex B. Raises ValueError if the packet is
    corrupt.
    """
    types = nal.NAL_TYPES.get(codec)
    if types is not None:
        units = _split_nal(data, length_size)
        return [u for u in units if u[0] >> types.shift & types.mask in types.parameter_sets]
    if codec == "av1":
        return [unit for kind, unit in obu.split(data) if kind == obu.SEQUENCE_HEADER]
    if codec == "mpeg2video":
        start = data.find(_MPEG2_SEQUENCE_HEADER)
        return [data[start : start + _MPEG2_SEQUENCE_BYTES]] if start >= 0 else []
    return []


def codec_name(stream: av.stream.Stream) -> str:
    """FFmpeg's name of the codec (not of the decoder: av1, not libdav1d), "" if it has none. AAC is
    AAC, whatever frames it came in."""
    context: Any = stream.codec_context
    name = str(context.codec.canonical_name) if context is not None else ""
    return "aac" if name == _LOAS else name


def is_adts(data: bytes) -> bool:
    """Whether AAC data begins with an ADTS header (sync word and layer 0)."""
    return len(data) > 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0


def new_extradata(packet: "av.Packet[Any]") -> bytes:
    """Configuration record that came with the packet (a new FLV sequence header), or b""."""
    if packet.has_sidedata("new_extradata"):
        return bytes(packet.get_sidedata("new_extradata"))
    return b""


def _split_nal(data: bytes, length_size: int) -> list[bytes]:
    if length_size:
        return nal.split_length_prefixed(data, length_size)
    return nal.split_annex_b(data)


def _described_sets(codec: str, extradata: bytes) -> frozenset[bytes]:
    """Parameter sets of a configuration record; none of a broken one, which is no description."""
    try:
        return frozenset(nal.parameter_sets(codec, extradata))
    except (ValueError, IndexError):
        return frozenset()


class Canonicalizer:
    """Turns the samples of one track of one source into canonical payloads."""

    fault: str
    """Why nothing was made of the last sample, "" where nothing is wrong with it."""
    changed: bool
    """The last sample brought another configuration: describe the track again from that sample
    before its frame is pushed."""
    random_access: bool
    """The last sample is a picture with which a decoder can start, as its NAL units say."""

    def __init__(self, codec: str, extradata: bytes) -> None:
        """`codec`: FFmpeg's name; `extradata`: decoder configuration record, or b""."""
        self.changed = self.random_access = False
        self.fault = ""
        self._codec = codec
        self._extradata = extradata
        self._known: frozenset[bytes] = frozenset()
        """Configuration units that the track's description holds."""
        self._carried: list[bytes] = []
        """Parameter sets of a packet without slices; they go in band with the next picture."""
        self._header = b""
        """Fixed part of the last ADTS or MPEG audio header."""
        self._loas = LoasReader()
        self._types = nal.NAL_TYPES.get(self._codec)
        self._convert = {
            "h264": self._nal_units,
            "hevc": self._nal_units,
            "av1": self._obus,
            "vp8": self._vp8,
            "vp9": self._vp9,
            "mpeg2video": self._mpeg2,
            "aac": self._aac,
            "mp3": self._mpeg_audio,
            "mp2": self._mpeg_audio,
        }.get(self._codec, self._as_is)
        self._length_size = 0
        if self._types is not None:
            self._length_size = nal.length_size(self._codec, extradata)
            self._known = _described_sets(self._codec, extradata)

    @classmethod
    def of(cls, stream: av.stream.Stream) -> "Canonicalizer":
        """For the packets of a stream of an opened container."""
        context: Any = stream.codec_context
        # FFmpeg has found that of LOAS in a frame, which still has to be unpacked.
        framed = context.codec.canonical_name == _LOAS
        return cls(codec_name(stream), b"" if framed else bytes(context.extradata or b""))

    def packet(self, packet: "av.Packet[Any]") -> bytes | None:
        """Canonical payload of a packet; see `convert`. None if it is corrupt."""
        self.changed, self.fault = False, ""
        if packet.size == 0 or packet.is_corrupt:
            return None
        if packet.is_keyframe and packet.has_sidedata("new_extradata"):
            self._take_extradata(new_extradata(packet))
        return self.convert(bytes(packet), self.changed)

    def convert(self, data: bytes, changed: bool = False) -> bytes | None:
        """Canonical payload of a sample.

        None means nothing to emit: an empty or corrupt sample, or parameter sets alone. `changed`:
        the configuration is known to be another one already.
        """
        self.changed = changed
        self.random_access, self.fault = False, ""
        try:
            return self._convert(data) or None
        except (ValueError, IndexError) as error:
            self.fault = str(error)
            return None

    def _take_extradata(self, extradata: bytes) -> None:
        if extradata == self._extradata:
            return
        self._extradata = extradata
        if self._types is None:
            self.changed = True
            return
        known = _described_sets(self._codec, extradata)
        self._length_size = nal.length_size(self._codec, extradata)
        self.changed = known != self._known
        self._known = known

    def _as_is(self, data: bytes) -> bytes:
        return data

    def _nal_units(self, data: bytes) -> bytes | None:
        """Split, sort out and join; the common frame of few slices has nothing to sort out."""
        types = self._types
        assert types is not None
        shift, mask = types.shift, types.mask
        units = _split_nal(data, self._length_size)
        kinds = [unit[0] >> shift & mask for unit in units]
        self.random_access = not types.random_access.isdisjoint(kinds)
        if types.special.isdisjoint(kinds) and not self._carried:
            if self._length_size == 4:
                return data
            return nal.join_length_prefixed(units)
        sets = [
            unit for unit, kind in zip(units, kinds, strict=True) if kind in types.parameter_sets
        ]
        if types.slices.isdisjoint(kinds):
            self._carried = [unit for unit in sets if unit not in self._known]
            return None
        if types.sps in kinds and not self._known.issuperset(sets):
            # Only sets that come with an SPS replace the description; a lone PPS stays in band.
            self._known = frozenset(sets)
            self.changed = True
        described = self._known if self.random_access else ()
        kept = [
            unit
            for unit, kind in zip(units, kinds, strict=True)
            if kind not in types.dropped and unit not in described
        ]
        kept[:0], self._carried = self._carried, []
        return nal.join_length_prefixed(kept)

    def _obus(self, data: bytes) -> bytes:
        units = list(obu.split(data))
        if data[0] >> 3 & 0x0F not in (obu.TEMPORAL_DELIMITER, obu.SEQUENCE_HEADER):
            return data
        self._replace_known(frozenset(u for kind, u in units if kind == obu.SEQUENCE_HEADER))
        dropped = (obu.TEMPORAL_DELIMITER, obu.PADDING)
        return b"".join([unit for kind, unit in units if kind not in dropped])

    def _vp8(self, data: bytes) -> bytes:
        return self._vpx(data, vp8_key_frame(data))

    def _vp9(self, data: bytes) -> bytes:
        return self._vpx(data, vp9_key_frame(data))

    def _vpx(self, data: bytes, key: KeyFrame | None) -> bytes:
        """Watch size and profile, which browsers change as their path and camera do."""
        if key is not None:
            self._replace_known(frozenset((repr(key).encode(),)))
        return data

    def _mpeg2(self, data: bytes) -> bytes:
        if data.startswith(_MPEG2_SEQUENCE_HEADER):
            # Size, aspect ratio and rate; the bit rate behind them may vary freely.
            self._replace_known(frozenset((data[4:8],)))
        return data

    def _replace_known(self, found: frozenset[bytes]) -> None:
        if found and found != self._known:
            self.changed = self.changed or bool(self._known)
            self._known = found

    def _aac(self, data: bytes) -> bytes:
        """Strip ADTS (ISO/IEC 14496-3 1.A.2): 7 bytes, 9 with a CRC; or LOAS."""
        if not self._extradata and is_loas(data):
            data = self._loas.adts(data)
        if self._extradata or not is_adts(data):
            return data
        # Profile, sampling frequency and channel configuration; the private bit is masked out.
        self._replace_header(bytes((data[2] & 0xFD, data[3] & 0xC0)))
        return data[7 if data[1] & 1 else 9 :]

    def _mpeg_audio(self, data: bytes) -> bytes:
        """Watch version, layer, sampling frequency and mono (ISO/IEC 11172-3 2.4.2.3)."""
        if len(data) > 4 and data[0] == 0xFF:
            mono = data[3] >> 6 == 3
            self._replace_header(bytes((data[1] & 0xFE, data[2] & 0x0C, mono)))
        return data

    def _replace_header(self, header: bytes) -> None:
        if header != self._header:
            self.changed = bool(self._header)
            self._header = header
