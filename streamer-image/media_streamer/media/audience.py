"""Who takes the output of a stream, over all the times that it runs.

A sink is *on demand* (a viewer: it ends with the output) or *pinned* (a recording, a push: it stays
registered and gets the state anew whenever the stream runs again). Each says whether it keeps an
on-demand stream running.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from media_streamer.media.formats import PATIENT_SECONDS, find_format
from media_streamer.media.output import Selection, StreamOutput, Subscription
from media_streamer.media.subscribers import Sink
from media_streamer.wire.media import Outage

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Attachment:
    """A sink's place at a stream."""

    format: str
    sink: Sink
    on_ended: Callable[[str], None]
    tracks: Selection = ()
    pinned: bool = False
    keeps_running: bool = True
    interval: float = 0.0
    """Seconds for which what happens may be gathered."""
    subscription: Subscription | None = None
    """Its place at the output that runs now."""
    _forget: "Callable[[Attachment], None] | None" = field(default=None, repr=False)

    def request_key_frame(self) -> None:
        """A key frame is needed soon; ignored where the source cannot be asked."""
        if self.subscription is not None:
            self.subscription.request_key_frame()

    def close(self) -> None:
        """Take nothing more; may be called again."""
        if self._forget is not None:
            self._forget(self)


class Audience:
    """The sinks of one stream; in the event loop."""

    def __init__(self, on_left: Callable[[], None], stream: str = "") -> None:
        """`on_left` is called after each sink that leaves; `stream`: its name, for the log."""
        self._stream = stream
        self._on_left = on_left
        self._attached: dict[Attachment, None] = {}
        self._output: StreamOutput | None = None
        self._outage = Outage()

    def __len__(self) -> int:
        return len(self._attached)

    @property
    def in_use(self) -> bool:
        """Whether somebody wants an on-demand stream to run."""
        return any(attachment.keeps_running for attachment in self._attached)

    @property
    def interval(self) -> float:
        """Seconds for which all of them let events be gathered."""
        return min((one.interval for one in self._attached), default=PATIENT_SECONDS)

    def attach(
        self,
        format: str,
        sink: Sink,
        on_ended: Callable[[str], None],
        *,
        tracks: Selection = (),
        pinned: bool = False,
        keeps_running: bool = True,
        interval: float | None = None,
    ) -> Attachment:
        """Give `sink` the state of a format now, or once there is an output, and all that follows.

        `on_ended` is told why nothing more comes. `interval`: seconds for which what happens may be
        gathered; None: as is right for the format. Raises UnknownFormat, and whatever building the
        format raises.
        """
        spec = find_format(format)
        made = Attachment(
            format,
            sink,
            on_ended,
            tracks,
            pinned,
            keeps_running,
            spec.interval if interval is None else interval,
            _forget=self._remove,
        )
        if self._output is not None:
            self._subscribe(made, self._output)
        self._attached[made] = None
        if self._outage.reason and not pinned:
            sink([self._outage])
        return made

    def tell(self, outage: Outage) -> None:
        """Why there is nothing to take, for who waits now and who comes; pinned sinks wait."""
        if outage == self._outage:
            return
        self._outage = outage
        for attachment in [one for one in self._attached if not one.pinned]:
            try:
                attachment.sink([outage])
            except Exception:
                told = self._stream, attachment.format
                log.exception("stream %s: a sink of %s failed, dropped", *told)
                attachment.close()
                attachment.on_ended("sink_failed")

    def start(self, output: StreamOutput) -> None:
        """The stream runs (again)."""
        self._output = output
        for attachment in list(self._attached):
            try:
                self._subscribe(attachment, output)
            except Exception:
                # What builds a format is one part of many: the stream and its other sinks go on.
                log.exception("stream %s: no format %s", output.name, attachment.format)
                self._fail(attachment)

    def stop(self, reason: str, *, final: bool = False) -> None:
        """The output ends; with `final` the stream does, and pinned sinks go, too."""
        self._output = None
        for attachment in list(self._attached):
            attachment.subscription = None
            if final or not attachment.pinned:
                del self._attached[attachment]
                attachment.on_ended(reason)

    def _subscribe(self, attachment: Attachment, output: StreamOutput) -> None:
        attachment.subscription = output.subscribe(
            attachment.format,
            attachment.sink,
            attachment.tracks,
            lambda: self._fail(attachment),
        )

    def _fail(self, attachment: Attachment) -> None:
        attachment.subscription = None
        if self._attached.pop(attachment, False) is None:
            self._on_left()
            attachment.on_ended("sink_failed")

    def _remove(self, attachment: Attachment) -> None:
        if self._attached.pop(attachment, False) is None:
            if attachment.subscription is not None:
                attachment.subscription.close()
            self._on_left()
