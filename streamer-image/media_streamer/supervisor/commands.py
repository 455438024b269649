"""Commands to a single stream, brought to the media worker that runs it."""

from typing import Literal

from media_streamer.supervisor.directory import Directory
from media_streamer.supervisor.media_workers import MediaWorkers
from media_streamer.wire.channel import ChannelClosed
from media_streamer.wire.control import RestartStream, SelectInput
from media_streamer.wire.peer import CallFailed


class CommandError(Exception):
    """The command was not carried out; `reason` says who did not, the text why."""

    def __init__(self, reason: Literal["not_running", "refused", "unavailable"], text: str) -> None:
        super().__init__(text)
        self.reason = reason


async def command(
    directory: Directory, media: MediaWorkers, request: RestartStream | SelectInput, problem: str
) -> None:
    """Send `request`; `problem` is why the stream does not run, if that is known. CommandError."""
    place = directory.get(request.name)
    if place is None:
        raise CommandError("not_running", problem or "the stream does not run")
    try:
        await media.call(place.worker, request)
    except CallFailed as error:
        raise CommandError("refused", str(error)) from None
    except (ChannelClosed, TimeoutError):
        text = "the media worker does not answer, try again"
        raise CommandError("unavailable", text) from None
