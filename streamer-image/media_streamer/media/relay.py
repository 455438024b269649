"""`media-N.sock`: what egress workers subscribe to and publish into.

Role: translate the messages of one egress worker into calls of streams, and back. One channel
carries all its subscriptions, told apart by the number `id` that the egress worker chose.

Invariants: nothing here waits for an egress worker. Its channel is bounded: a worker that does not
read is disconnected (`media_streamer.wire.channel`) and comes back with fresh subscriptions.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from media_streamer.media.audience import Attachment
from media_streamer.media.formats import FORMATS
from media_streamer.media.inputs.publish import PublishInput
from media_streamer.media.publishers import PublishRefused
from media_streamer.media.stream import StreamRunner
from media_streamer.wire.untyped import Channel, ChannelClosed, Message

log = logging.getLogger(__name__)

CONTAINERS = frozenset({"flv", "ts"})
PREVIEW_TIMEOUT_SECONDS = 5.0


class Streams(Protocol):
    """The streams of the worker."""

    def find(self, name: str) -> StreamRunner | None: ...

    def refresh(self) -> None:
        """A sink came or went."""


class Relay:
    """One connected egress worker."""

    def __init__(self, channel: Channel, streams: Streams) -> None:
        self._channel = channel
        self._streams = streams
        self._subscriptions: dict[int, Attachment] = {}
        self._publishers: dict[int, PublishInput] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._handlers: dict[str, Callable[[int, Message, bytes], None]] = {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "publish": self._publish,
            "data": self._data,
            "eof": self._eof,
            "preview": self._preview,
        }

    async def serve(self) -> None:
        """Handle messages until the channel closes; then drop what the worker had."""
        try:
            while True:
                message, payload = await self._channel.receive()
                handler = self._handlers.get(str(message.get("op")))
                number = message.get("id")
                if handler is None or not isinstance(number, int):
                    log.warning("egress worker sent %r, which is unknown", message.get("op"))
                    continue
                handler(number, message, payload)
        except ChannelClosed:
            pass
        finally:
            for task in self._tasks:
                task.cancel()
            for subscription in self._subscriptions.values():
                subscription.close()
            for publisher in self._publishers.values():
                publisher.finish()
            self._subscriptions.clear()
            self._publishers.clear()
            self._streams.refresh()

    def _send(self, message: Message, payload: bytes = b"") -> None:
        try:
            self._channel.send(message, payload)
        except ChannelClosed as error:
            # `serve` notices the closed channel and cleans up.
            log.debug("egress worker is gone: %s", error)

    # Playing

    def _subscribe(self, number: int, message: Message, _payload: bytes) -> None:
        name, form = str(message.get("stream")), str(message.get("format"))
        runner = self._streams.find(name)
        if number in self._subscriptions:
            log.warning("%s: subscription %d is open already", name, number)
            return
        if form not in FORMATS:
            self._end(number, "unknown_format")
            return
        if runner is None or runner.config.disabled:
            self._end(number, "not_found" if runner is None else "disabled")
            return

        def on_ended(reason: str) -> None:
            attachment = self._subscriptions.pop(number, None)
            if attachment:
                attachment.close()
            self._end(number, reason)

        def sink(header: dict[str, Any], payload: bytes) -> None:
            self._send({**header, "id": number}, payload)

        try:
            self._subscriptions[number] = runner.attach(form, sink, on_ended)
        except Exception:
            log.exception("%s: format %s cannot be made", name, form)
            self._end(number, "internal_error")
            return
        self._streams.refresh()

    def _unsubscribe(self, number: int, _message: Message, _payload: bytes) -> None:
        subscription = self._subscriptions.pop(number, None)
        if subscription:
            subscription.close()
            self._streams.refresh()

    def _end(self, number: int, reason: str) -> None:
        self._send({"op": "end", "id": number, "reason": reason})

    # Publishing

    def _publish(self, number: int, message: Message, _payload: bytes) -> None:
        name, container = str(message.get("stream")), message.get("container")
        runner = self._streams.find(name)

        def refuse(code: str) -> None:
            log.info("%s: publisher %s refused: %s", name, message.get("remote"), code)
            self._send({"op": "refused", "id": number, "code": code})

        def on_close(reason: str) -> None:
            if self._publishers.pop(number, None):
                self._end(number, reason)

        if runner is None:
            refuse("not_found")
        elif container not in CONTAINERS:
            refuse("unknown_container")
        elif number in self._publishers:
            refuse("id_in_use")
        else:
            remote, agent = str(message.get("remote") or ""), str(message.get("user_agent") or "")
            try:
                reader = runner.publish(container, remote, agent, on_close)
            except PublishRefused as error:
                refuse(error.code)
                return
            self._publishers[number] = reader
            self._send({"op": "accepted", "id": number})

    def _data(self, number: int, _message: Message, payload: bytes) -> None:
        publisher = self._publishers.get(number)
        if publisher is not None and not publisher.feed(payload):
            # The demuxer is further behind than any honest publisher gets it, or has ended.
            del self._publishers[number]
            publisher.finish()
            self._end(number, "the publisher is not being read")

    def _eof(self, number: int, _message: Message, _payload: bytes) -> None:
        publisher = self._publishers.pop(number, None)
        if publisher:
            publisher.finish()

    # Pictures

    def _preview(self, number: int, message: Message, _payload: bytes) -> None:
        task = asyncio.create_task(self._send_preview(number, str(message.get("stream"))))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_preview(self, number: int, name: str) -> None:
        runner = self._streams.find(name)
        picture: bytes | None = None
        if runner and runner.output:
            try:
                async with asyncio.timeout(PREVIEW_TIMEOUT_SECONDS):
                    picture = await asyncio.to_thread(runner.output.preview_jpeg)
            except Exception as error:
                log.warning("%s: no preview: %s", name, str(error) or type(error).__name__)
        self._send({"op": "preview", "id": number, "ok": picture is not None}, picture or b"")
