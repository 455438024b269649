"""`push rtsp://HOST/NAME`, `rtsps://…`: publishing a stream to another server.

Packets go within the connection, the very bytes of RTSP viewers; a server that gives channels of
its own gets them renumbered.
"""

from urllib.parse import urlsplit

from media_streamer.egress.context import Egress
from media_streamer.egress.jobs import JobFailed, Work
from media_streamer.egress.push import Push
from media_streamer.outgoing.addresses import reach_of_process
from media_streamer.outgoing.dial import dial
from media_streamer.protocols.rtsp import play
from media_streamer.protocols.rtsp.client import Refused, RtspUrl
from media_streamer.protocols.rtsp.publisher import RtspPublisher


async def run(egress: Egress, work: Work) -> None:
    """See `egress/jobs.py`."""
    push = Push(egress, work)
    try:
        url = RtspUrl.of(push.config.url)
        if not urlsplit(url.url).path.strip("/"):
            raise ValueError("the URL lacks the name to publish: write rtsp://HOST/NAME")
    except ValueError as error:
        raise JobFailed(str(error), hopeless=True) from None
    broadcast = await push.source(play.FORMAT, play.RtspFraming)
    tracks = play.offered(broadcast.description)
    if not tracks:
        raise JobFailed("RTP can carry none of the stream's tracks")
    publisher: RtspPublisher | None = None
    try:
        async with push.reaching():
            _, publisher = await dial(
                url.host, url.port, lambda: RtspPublisher(url), reach_of_process(), tls=url.tls
            )
            channels = await publisher.publish(
                play.describe(work.stream, tracks), [track.media.control for track in tracks]
            )
        ours = {
            2 * track.number + n: channels[place][n]
            for place, track in enumerate(tracks)
            for n in (0, 1)
        }
        usual = play.is_usual(ours, len(tracks))
        out = publisher.transport if usual else play.Renumbered(publisher.transport, ours)
        await push.send(broadcast, out, publisher.lost)
    except Refused as refused:
        counter = (
            "errors_not_authorized" if refused.status in (401, 403) else "errors_connection_lost"
        )
        raise JobFailed(str(refused), counter) from None
    finally:
        if publisher is not None:
            publisher.close()
