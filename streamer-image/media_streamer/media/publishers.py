"""Whether a publisher may feed a stream, and in which of its places."""

from collections.abc import Sequence

from media_streamer.media.slots import InputSlot


class PublishRefused(Exception):  # noqa: N818 - an answer to the publisher
    """A publisher may not feed the stream; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def find_place(slots: Sequence[InputSlot], *, disabled: bool) -> InputSlot:
    """The `publish://` input that a publisher gets; raises PublishRefused."""
    places = [slot for slot in slots if slot.is_publish]
    if not places:
        raise PublishRefused("not_publishable")
    if disabled:
        raise PublishRefused("disabled")
    free = next((slot for slot in places if slot.source is None), None)
    if free is None:
        raise PublishRefused("already_published")
    if not free.permitted():
        raise PublishRefused("not_allowed_now")
    return free
