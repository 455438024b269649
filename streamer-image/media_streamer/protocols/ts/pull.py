"""`tshttp://`: MPEG-TS over HTTP."""

import time
from collections.abc import Callable

from media_api.input import InputConfig
from media_rest.credentials import cluster_header

from media_streamer.media.inputs.base import Input, InputError, InputRequest
from media_streamer.media.inputs.cut_input import PulledInput
from media_streamer.media.inputs.ffmpeg import with_scheme
from media_streamer.media.inputs.http import http_client
from media_streamer.outgoing.target import HttpError


def create(request: InputRequest) -> Input:
    return TsHttpInput(request)


def source_url(config: InputConfig) -> str:
    return with_scheme(config.url, "https" if config.scheme == "tshttps" else "http")


class TsHttpInput(PulledInput):
    """One GET without an end."""

    def __init__(self, request: InputRequest) -> None:
        config = request.config
        super().__init__(request)
        self._url = source_url(config)
        headers = {}
        if config.cluster_key:
            # Made for each attempt: it is good for a few minutes, and for this host alone.
            headers["Authorization"] = cluster_header(config.cluster_key, time.time())
        self._client = http_client(self._url, request, self._stopping.is_set, headers)
        self._client.on_refused = self.count_status

    def _connect(self) -> Callable[[int], bytes]:
        self._connection.callback(self._client.close)
        try:
            body = self._client.get(self._url)
        except HttpError as error:
            raise InputError(str(error)) from None
        self._connection.callback(body.close)
        if body.coding != "identity":
            raise InputError("the source is packed, which was not asked for")

        def read(size: int) -> bytes:
            self.allow(self.limits.read_seconds + self.limits.open_seconds)
            try:
                return body.read(size)
            except HttpError as error:
                raise InputError(str(error)) from None

        return read
