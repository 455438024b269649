"""Why a stream has nothing to show, in words for its viewers: pure.

A viewer of a source that has been refused for a while is told so at once; one who comes with the
first attempt waits, for sources often come a moment after those who want them.
"""

import re
from collections.abc import Sequence

from media_streamer.media.slots import InputSlot
from media_streamer.wire.media import Outage

LASTING_SECONDS = 8.0
"""Who comes so long after the first failure in a row does not wait. Shorter, and viewers would be
turned away who come while a server of the cluster that died is replaced."""
HOPE_SECONDS = 10.0
"""A source that answers may take so long to its first picture."""
NOBODY_PUBLISHES = "nobody publishes it"

_ADDRESS = re.compile(
    r"\[[0-9a-fA-F:.]{2,}\](:\d+)?|\b\d{1,3}(\.\d{1,3}){3}(:\d+)?|\b(?!file:)[a-z][a-z0-9+.-]*://\S+"
)
_THE_SOURCE = "the source"


def outage_of(slots: Sequence[InputSlot], now: float) -> Outage:
    """What viewers are told while none of the inputs is shown; `now`: monotonic seconds."""
    pulled = [slot for slot in slots if not slot.is_publish]
    if not pulled:
        return Outage(NOBODY_PUBLISHES) if slots else Outage()
    states = [_state(slot, now) for slot in sorted(pulled, key=lambda slot: slot.rank)]
    reason = next((state.reason for state in states if state.reason), "")
    return Outage(reason, all(state.lasting for state in states)) if reason else Outage()


def _state(slot: InputSlot, now: float) -> Outage:
    """The same of one input."""
    told = slot.input.outage if slot.input is not None else Outage()
    if told.reason:
        return told
    error = slot.error if slot.failures else None
    if error is None:
        return Outage()
    source = slot.source
    hopeful = (
        source is not None
        and source.connected_at is not None
        and source.silence(now) < HOPE_SECONDS
    )
    hopeful |= slot.is_unknown(now)
    lasting = not hopeful and now - slot.failing_since >= LASTING_SECONDS
    return Outage(
        f"its source gives no data ({without_addresses(error, slot.config.url)})", lasting
    )


def without_addresses(text: str, url: str) -> str:
    """A failure without where the source is: viewers need not know."""
    place = url.partition("://")[2].rpartition("@")[2]
    authority = place.partition("/")[0].partition("?")[0]
    for secret in (place, authority, authority.rpartition(":")[0]):
        if len(secret) > 2:
            text = text.replace(secret, _THE_SOURCE)
    return _ADDRESS.sub(_THE_SOURCE, text)
