"""Playing from an RTSP server (RFC 2326 10.2, 10.4, 10.5).

DESCRIBE -> SETUP for each track, within the connection or by UDP -> PLAY -> media
"""

from collections.abc import Callable, Sequence

from media_streamer.protocols.rtsp import transport as transports
from media_streamer.protocols.rtsp.client import USER_AGENT, Refused, RtspClient, RtspUrl
from media_streamer.protocols.rtsp.message import Interleaved
from media_streamer.protocols.rtsp.transport import Transport

_WHOLE_REFUSED = frozenset({405, 455, 459})
"""To PLAY of the aggregate: some servers want it for each track (RFC 2326 11.3.10)."""


class RtspPlayer(RtspClient):
    """`describe`, `set_up` each track, `play`; packets within the connection go to `hear`."""

    def __init__(self, url: RtspUrl, user_agent: str = USER_AGENT) -> None:
        super().__init__(url, user_agent)
        self.hear: Callable[[list[Interleaved]], None] = lambda _: None

    def on_packets(self, packets: list[Interleaved]) -> None:
        self.hear(packets)

    @property
    def peer(self) -> str:
        """Address of the server."""
        name = self.transport.get_extra_info("peername") or ("",)
        return str(name[0]).removeprefix("::ffff:")

    async def describe(self) -> tuple[str, str]:
        """The description, and the URL that its controls are relative to (C.1.1)."""
        url = self._url.url
        answer = await self.ask("DESCRIBE", url, {"Accept": "application/sdp"})
        headers = answer.headers
        base = headers.text("content-base") or headers.text("content-location")
        if not base.startswith(("rtsp://", "rtsps://")):
            base = url  # some send a path, or nothing
        return answer.body.decode("utf-8", "replace"), base

    async def set_up(self, url: str, wanted: Transport) -> Transport:
        """How a track comes. Raises Refused: with 461 the server has another way perhaps."""
        answer = await self.ask("SETUP", url, {"Transport": wanted.write()})
        text = answer.headers.text("transport")
        given = next(transports.parse(text), wanted if not text else None)
        if given is None or given.kind != wanted.kind or given.multicast:
            raise Refused("the server sends in another way than it was asked for", 461)
        return given

    async def play(self, url: str, tracks: Sequence[str]) -> None:
        """Let all that was set up come; `tracks` are their URLs. Raises Refused."""
        self.control_url = url
        from_the_start = {"Range": "npt=0.000-"}  # what is live begins now, whatever it says
        try:
            await self.ask("PLAY", url, from_the_start)
        except Refused as refused:
            if refused.status not in _WHOLE_REFUSED or len(tracks) < 2:
                raise
            for track in tracks:
                await self.ask("PLAY", track, from_the_start)
        self.stay_alive()
