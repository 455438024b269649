"""Which tracks of a stream somebody wants: `v1a2` in a path, a query or a command. Pure.

Rules: what is asked for is what is played. A selection that names a track that there is not is
refused with the names of those that there are, and never answered with something else.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from media_streamer.refusal import AccessDenied

PARAMETER = "filter.tracks"
MAX_NAMES = 32
_NAME = re.compile(r"[a-z][0-9]{1,3}")
_ORDER = "vatd"


def track_names(selection: str) -> tuple[str, ...]:
    """`v1a2`, also as `v1,a2`, as names of tracks, each once and in one order; empty for all.

    What is no name of a track stays in it as it is: no stream has a track of that name.
    """
    text = selection.replace(",", "")
    found = _NAME.findall(text)
    if "".join(found) != text or len(found) > MAX_NAMES:
        return (f"'{''.join(c for c in text if c.isalnum() or c in '.-_ ')[:MAX_NAMES]}'",)
    return in_order(set(found))


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names of tracks as people write them: videos first, each kind by number."""

    def key(name: str) -> tuple[int, int, str]:
        first = _NAME.match(name)
        return _ORDER.find(name[:1]) % 16, int(first[0][1:]) if first else 0, name

    return tuple(sorted(names, key=key))


def asked_tracks(query: Mapping[str, str], *other: str) -> tuple[str, ...]:
    """The selection of a query string: `filter.tracks`, or one of `other` parameters."""
    if not query:  # of nearly all requests
        return ()
    found = (query.get(name, "") for name in (PARAMETER, *other))
    return track_names(next((text for text in found if text), ""))


def check(wanted: Sequence[str], there: Iterable[str]) -> None:
    """Raises AccessDenied(404) for a selection of what there is not."""
    names = set(there)
    if any(name not in names for name in wanted):
        raise no_such_tracks(wanted, names)


def no_such_tracks(wanted: Sequence[str], there: Iterable[str]) -> AccessDenied:
    """The refusal of a selection, with the tracks that there are."""
    names = in_order(there)
    missing = ", ".join(name for name in wanted if name not in names) or "".join(wanted)
    title = f"The stream has no track {missing}; it has {', '.join(names) or 'none'}"
    return AccessDenied(404, "no_such_track", title)


def check_one_video(wanted: Sequence[str], master: str) -> None:
    """Raises AccessDenied(404) for a multiplex of several videos; `master` is the playlist that has
    them as variants."""
    if sum(one.startswith("v") for one in wanted) > 1:
        name = "".join(wanted)
        title = f"A playlist has one video: {master}?{PARAMETER}={name} has them as variants"
        raise AccessDenied(404, "not_found", title)
