"""`media-N/worker.sock`: what egress workers subscribe to and publish into.

Role: translate the messages of one egress worker into calls of streams, and back. One channel
carries all its subscriptions, told apart by the number `id` that the egress worker chose.

Invariants: nothing here waits for an egress worker. Its channel is bounded: a worker that does not
read is disconnected (`media_streamer.wire.channel`) and comes back with fresh subscriptions.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from media_streamer.archive.places import places_of
from media_streamer.media.audience import Attachment
from media_streamer.media.formats import UnknownFormat
from media_streamer.media.inputs.frames import FrameInput
from media_streamer.media.inputs.publish import PublishInput
from media_streamer.media.pictures import Busy, Pictures
from media_streamer.media.playback import Playback, Playbacks, TooMany
from media_streamer.media.publishers import PublishRefused
from media_streamer.media.stream import StreamRunner
from media_streamer.wire.channel import Channel, ChannelClosed
from media_streamer.wire.media import (
    MEDIA_SIDE,
    TOO_MANY_PLAYBACKS,
    Accepted,
    AskPreview,
    End,
    Event,
    Events,
    FromEgress,
    FromMedia,
    KeyFrameWanted,
    Pace,
    Preview,
    Publish,
    PublishedBytes,
    PublishedFrames,
    PublishedReception,
    PublishedTracks,
    PublishEnd,
    ReadPace,
    Refused,
    Replay,
    Seek,
    Subscribe,
    Taken,
    Unsubscribe,
    WantKeyFrame,
)

log = logging.getLogger(__name__)

PREVIEW_TIMEOUT_SECONDS = 5.0


class Streams(Protocol):
    """The streams of the worker."""

    playbacks: Playbacks
    pictures: Pictures

    def find(self, name: str) -> StreamRunner | None: ...


class Relay:
    """One connected egress worker: the receiver of its channel."""

    def __init__(self, streams: Streams) -> None:
        self.channel: Channel[FromMedia, FromEgress] = Channel(MEDIA_SIDE, self)
        self._streams = streams
        self._subscriptions: dict[int, tuple[StreamRunner, Attachment]] = {}
        self._playbacks: dict[int, Playback] = {}
        self._publishers: dict[int, PublishInput | FrameInput] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._handlers: dict[type, Callable[[Any], None]] = {
            Subscribe: self._subscribe,
            Taken: self._taken,
            Seek: self._seek,
            Pace: self._pace,
            Unsubscribe: self._unsubscribe,
            WantKeyFrame: self._want_key_frame,
            Publish: self._publish,
            PublishedBytes: self._take_bytes,
            PublishedTracks: self._take_tracks,
            PublishedFrames: self._take_frames,
            PublishedReception: self._take_reception,
            PublishEnd: self._finish,
            AskPreview: self._ask_preview,
        }

    def on_message(self, message: FromEgress) -> None:
        self._handlers[type(message)](message)

    def on_closed(self, reason: str) -> None:
        """Drop what the worker had."""
        for task in self._tasks:
            task.cancel()
        for _, subscription in self._subscriptions.values():
            subscription.close()
        for playback in self._playbacks.values():
            playback.close()
        self._playbacks.clear()
        for publisher in self._publishers.values():
            publisher.finish()
        self._subscriptions.clear()
        self._publishers.clear()

    def _send(self, message: FromMedia) -> None:
        try:
            self.channel.send(message)
        except ChannelClosed as error:
            # `on_closed` cleans up.
            log.debug("egress worker is gone: %s", error)

    def _end(self, number: int, reason: str) -> None:
        self._send(Events(number, [End(reason)]))

    # Playing

    def _subscribe(self, message: Subscribe) -> None:
        number, name = message.id, message.stream
        if message.replay is not None:
            self._replay(message, message.replay)
            return
        runner = self._streams.find(name)
        if number in self._subscriptions:
            log.warning("%s: subscription %d is open already", name, number)
            return
        if runner is None or runner.config.disabled:
            self._end(number, "not_found" if runner is None else "disabled")
            return

        if message.copies and (refused := runner.copy_refused):
            self._end(number, refused)
            return

        def on_ended(reason: str) -> None:
            self._subscriptions.pop(number, None)
            self._end(number, reason)

        def sink(events: Sequence[Event]) -> None:
            self._send(Events(number, list(events)))

        try:
            attachment = runner.attach(
                message.format,
                sink,
                on_ended,
                tracks=message.tracks,
                pinned=message.pinned,
                keeps_running=message.keeps_running,
                interval=message.interval_ms / 1000 or None,
            )
        except UnknownFormat:
            log.error("%s: an egress worker asks for %r, no format", name, message.format)
            self._end(number, "unknown_format")
            return
        except Exception:
            log.exception("%s: format %s cannot be made", name, message.format)
            self._end(number, "internal_error")
            return
        self._subscriptions[number] = runner, attachment

    def _replay(self, message: Subscribe, replay: Replay) -> None:
        number = message.id

        def on_ended(reason: str) -> None:
            self._playbacks.pop(number, None)
            self._end(number, reason)

        def sink(events: Sequence[Event]) -> None:
            self._send(Events(number, list(events)))

        try:
            self._playbacks[number] = self._streams.playbacks.open(
                message.stream, replay, message.format, message.tracks, sink, on_ended
            )
        except TooMany:
            self._end(number, TOO_MANY_PLAYBACKS)
        except ValueError as error:
            log.error("%s: its archive is not played: %s", message.stream, error)
            self._end(number, "archive_unavailable")

    def _taken(self, message: Taken) -> None:
        if playback := self._playbacks.get(message.id):
            playback.taken(message.bytes)

    def _seek(self, message: Seek) -> None:
        if playback := self._playbacks.get(message.id):
            playback.seek(message)

    def _pace(self, message: Pace) -> None:
        if subscription := self._subscriptions.get(message.id):
            runner, attachment = subscription
            runner.pace(attachment, message.interval_ms / 1000)

    def _want_key_frame(self, message: WantKeyFrame) -> None:
        if subscription := self._subscriptions.get(message.id):
            subscription[1].request_key_frame()

    def _unsubscribe(self, message: Unsubscribe) -> None:
        if subscription := self._subscriptions.pop(message.id, None):
            subscription[1].close()
        if playback := self._playbacks.pop(message.id, None):
            playback.close()

    # Publishing

    def _publish(self, message: Publish) -> None:
        number, name = message.id, message.stream
        runner = self._streams.find(name)

        def refuse(code: str) -> None:
            log.info("%s: publisher %s refused: %s", name, message.remote, code)
            self._send(Refused(number, code))

        def on_close(reason: str) -> None:
            if self._publishers.pop(number, None):
                self._end(number, reason)

        def on_pace(seconds: float) -> None:
            self._send(ReadPace(number, round(1000 * seconds)))

        if runner is None:
            refuse("not_found")
        elif number in self._publishers:
            refuse("id_in_use")
        else:
            try:
                publisher = runner.publish(
                    message.form, message.remote, message.user_agent, on_close, on_pace
                )
            except PublishRefused as refused:
                refuse(refused.code)
                return
            self._publishers[number] = publisher
            if isinstance(publisher, FrameInput):
                publisher.on_key_frame = lambda: self._send(KeyFrameWanted(number))
            self._send(Accepted(number))

    def _take_bytes(self, message: PublishedBytes) -> None:
        publisher = self._publishers.get(message.id)
        if isinstance(publisher, PublishInput) and not publisher.feed(message.data):
            self._cut_off(message.id)

    def _take_tracks(self, message: PublishedTracks) -> None:
        publisher = self._publishers.get(message.id)
        if isinstance(publisher, FrameInput):
            publisher.tracks(message.tracks, message.complete)

    def _take_frames(self, message: PublishedFrames) -> None:
        publisher = self._publishers.get(message.id)
        if isinstance(publisher, FrameInput) and not publisher.take(message.frames):
            self._cut_off(message.id)

    def _take_reception(self, message: PublishedReception) -> None:
        publisher = self._publishers.get(message.id)
        if publisher is not None:
            publisher.reception = message.reception

    def _cut_off(self, number: int) -> None:
        """The input is further behind than any honest publisher gets it, or has ended."""
        self._publishers.pop(number).finish()
        self._end(number, "the publisher is not being read")

    def _finish(self, message: PublishEnd) -> None:
        publisher = self._publishers.pop(message.id, None)
        if publisher:
            publisher.finish()

    # Pictures

    def _ask_preview(self, message: AskPreview) -> None:
        task = asyncio.create_task(self._send_preview(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _picture(self, asked: AskPreview) -> bytes | None:
        if asked.places or asked.file:
            pictures = self._streams.pictures
            if asked.file:
                find = pictures.film(asked.storages, asked.file)
            else:
                find = pictures.archive(places_of(asked.places))
            name, at_ms, form = asked.stream, asked.at_ms, asked.form
            if asked.strip is not None:
                return await pictures.strip(name, find, at_ms, asked.strip, form)
            return await pictures.shown(name, find, at_ms, form, asked.size)
        runner = self._streams.find(asked.stream)
        if runner is None or runner.output is None:
            return None
        output = runner.output
        if asked.form == "jpeg":
            return await asyncio.to_thread(output.preview_jpeg, asked.track, asked.size)
        return await asyncio.to_thread(output.preview_film, asked.track)

    async def _send_preview(self, message: AskPreview) -> None:
        picture: bytes | None = None
        busy = False
        try:
            async with asyncio.timeout(PREVIEW_TIMEOUT_SECONDS):
                picture = await self._picture(message)
        except (Busy, TimeoutError):
            busy = True
        except Exception as error:
            reason = str(error) or type(error).__name__
            log.warning("%s: no preview: %s", message.stream, reason)
        self._send(Preview(message.id, picture, busy))
