"""Publishing to an RTSP server, within one connection (RFC 2326 10.3, 10.4, 10.11).

ANNOUNCE (the description) -> SETUP for each track, interleaved -> RECORD -> media
"""

from collections.abc import Sequence

from media_streamer.protocols.rtsp import transport as transports
from media_streamer.protocols.rtsp.client import Refused, RtspClient
from media_streamer.protocols.rtsp.transport import Transport


class RtspPublisher(RtspClient):
    """`publish` first, then `transport` takes interleaved packets."""

    async def publish(
        self, description: bytes, controls: Sequence[str]
    ) -> dict[int, tuple[int, int]]:
        """Get leave to send what `description` (SDP) tells; `controls` are its tracks.

        Returns the channels of each track, which are 2n and 2n + 1 with nearly all servers. Raises
        Refused, OSError.
        """
        url = self._url.url
        await self.ask("ANNOUNCE", url, {"Content-Type": "application/sdp"}, description)
        channels: dict[int, tuple[int, int]] = {}
        for number, control in enumerate(controls):
            wanted = Transport("tcp", (2 * number, 2 * number + 1), record=True)
            answer = await self.ask("SETUP", f"{url}/{control}", {"Transport": wanted.write()})
            given = next(transports.parse(answer.headers.text("transport")), None)
            if given is None or given.kind != "tcp":
                raise Refused("the server takes no packets within the connection")
            channels[number] = given.channels or (2 * number, 2 * number + 1)
        await self.ask("RECORD", url, {"Range": "npt=now-"})
        self.stay_alive()
        return channels
