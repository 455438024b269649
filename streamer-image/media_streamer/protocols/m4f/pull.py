"""`m4f://HOST/NAME`, `m4s://HOST/NAME`: a stream of another of our servers, frame by frame.

No demuxer is needed, so nothing is looked at before the first picture, and what MPEG-TS cannot
carry comes too. The other server lets in who has its cluster key. Pictures keep the time that they
have there, however long ago that was: what both record fits together, and segments their numbers:
viewers may go from one server to the other.
"""

import time
from fractions import Fraction

from media_rest.credentials import cluster_header

from media_streamer.media.frame import TIME_BASE, Frame
from media_streamer.media.inputs.base import Input, InputError, InputRequest, ThreadInput
from media_streamer.media.inputs.ffmpeg import with_scheme
from media_streamer.media.inputs.http import http_client
from media_streamer.outgoing.target import HttpError
from media_streamer.wire.relay import RelayError, RelayReader

READ_BYTES = 64 * 1024
MAX_AGE_SECONDS = 60.0
"""A server begins with the last key frame, which is not older than this: else the clocks of the two
machines are not set."""
MAX_AHEAD_SECONDS = 1.0
_BASE = Fraction(1, TIME_BASE)
_TLS = frozenset({"m4fs", "m4ss"})


def create(request: InputRequest) -> Input:
    return RelayInput(request)


def source_url(url: str) -> str:
    """Where the frames are."""
    scheme = url.partition("://")[0]
    return with_scheme(url, "https" if scheme in _TLS else "http").rstrip("/") + "/m4f"


class RelayInput(ThreadInput):
    """One GET without an end."""

    def __init__(self, request: InputRequest) -> None:
        super().__init__(request.stream, request.receiver, request.limits)
        config = request.config
        self._url = source_url(config.url)
        headers = {}
        if config.cluster_key:
            # Made for each attempt: it is good for a few minutes, and for this host alone.
            headers["Authorization"] = cluster_header(config.cluster_key, time.time())
        self._client = http_client(self._url, request, self._stopping.is_set, headers)
        self._reader = RelayReader()

    @property
    def held_bytes(self) -> int:
        return self._reader.held

    def _read(self) -> None:
        try:
            body = self._client.get(self._url)
            try:
                self.receiver.connected()
                while not self._stopping.is_set():
                    self.allow(self.limits.read_seconds + self.limits.open_seconds)
                    data = body.read(READ_BYTES)
                    if not data:
                        return
                    self._hand_on(data)
            finally:
                body.close()
        except (HttpError, RelayError) as error:
            raise InputError(str(error)) from None
        finally:
            self._client.close()

    def _hand_on(self, data: bytes) -> None:
        for one in self._reader.feed(data):
            if isinstance(one, Frame):
                if self.on_age is not None:
                    self.on_age(age_of(one, time.time()))
                self.receiver.relayed(one)
            else:
                self.receiver.describe(one, [_BASE] * len(one))


def age_of(frame: Frame, now: float) -> float:
    """Seconds since the moment that a frame shows; 0 if it does not say, or cannot be right."""
    age = now - frame.utc_ms / 1000
    return age if -MAX_AHEAD_SECONDS < age < MAX_AGE_SECONDS else 0.0
