"""RTP as browsers take it: sound that they cannot decode becomes Opus, once for all viewers.

Built while somebody watches by WebRTC, as every format. The description names the sources
(`x-ssrc`), so that all viewers may have the same. A mark stands in front of each key frame: there a
viewer can go on with another rendition.
"""

import logging
from collections.abc import Sequence

import av

from media_streamer.media.frame import Frame, Track
from media_streamer.media.mux.rtp import RtpMuxer
from media_streamer.media.opus import OpusConverter
from media_streamer.rtp.packet import KEY_MARK

log = logging.getLogger(__name__)

PLAYABLE = frozenset({"h264", "hevc", "av1", "vp8", "vp9", "opus", "pcm_alaw", "pcm_mulaw"})
"""Whether one browser has it says its offer."""
CONVERTED = frozenset({"aac", "mp3", "mp2", "ac3", "eac3"})

_MARK = bytes((0x24, KEY_MARK, 0, 1))


class WebRtcMuxer:
    """Writes the frames of the tracks that a browser may play."""

    def __init__(self, tracks: Sequence[Track], previous: "WebRtcMuxer | None" = None) -> None:
        """`previous` wrote the same output for other tracks."""
        self._converters: dict[int, OpusConverter] = {}
        self.reasons: dict[int, str] = {}
        self.left_out: list[Track] = []
        taken: list[Track] = []
        for track in tracks:
            if track.codec in CONVERTED:
                try:
                    self._converters[track.number] = converter = OpusConverter(track)
                except (av.FFmpegError, ValueError) as error:
                    self.reasons[track.number] = f"it cannot be converted to Opus: {error}"
                    self.left_out.append(track)
                else:
                    taken.append(converter.track)
            elif track.codec in PLAYABLE:
                taken.append(track)
            else:
                self.left_out.append(track)
        before: RtpMuxer | None = previous._rtp if previous is not None else None
        self._rtp: RtpMuxer = RtpMuxer(taken, before, sources=True)
        numbers = {track.number for track in self._rtp.left_out}
        self.left_out += [track for track in tracks if track.number in numbers]
        self.header = self._rtp.header
        self._marks = {
            track.number: _MARK + bytes((channel,))
            for track in tracks
            if track.kind == "video" and (channel := self._rtp.channel(track.number)) is not None
        }

    def discontinuity(self) -> None:
        self._rtp.discontinuity()

    def mux(self, frame: Frame, boundary: bool) -> bytes:
        """The packets of a frame; b"" where the track is left out, or sound waits for more."""
        converter = self._converters.get(frame.track)
        if converter is None:
            packets = self._rtp.mux(frame, boundary)
            mark = self._marks.get(frame.track) if frame.key else None
            return mark + packets if mark and packets else packets
        return b"".join([self._rtp.mux(one, boundary) for one in converter.convert(frame)])
