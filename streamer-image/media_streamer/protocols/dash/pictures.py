"""Pictures beside what is played, for players that show them while somebody seeks.

`?thumbnails=N` of a manifest that is whole: N of them spread over all of it, ten a JPEG, as the
strips of the JPEG protocol have them (DASH-IF IOP 4.3, 6.2.6: tiles of an adaptation set of images,
with `$Time$` as where the strip begins). Pure.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.http.text import QUERY
from media_streamer.presentation.track_index import Init

PARAMETER = "thumbnails"
MOST = 1000
COLUMNS, ROWS, WIDTH = 5, 2, 160
"""What a strip has if nobody says otherwise."""
_TILES = "http://dashif.org/guidelines/thumbnail_tile"
_BANDWIDTH = 20_000
"""Bits a second that nobody needs: what players must be told."""


def asked_pictures(query: Mapping[str, str], *, are_made: bool) -> int:
    """How many; 0: none. Raises AccessDenied: 400, 403 where none are made (`thumbnails` off)."""
    text = query.get(PARAMETER, "")
    if not text:
        return 0
    is_number = len(text) <= len(str(MOST)) and text.isdecimal() and text.isascii()
    if not (is_number and 1 <= int(text) <= MOST):
        raise AccessDenied(400, "bad_request", f"{PARAMETER} is a number from 1 to {MOST}")
    if not are_made:
        raise AccessDenied(403, "no_pictures", "No pictures are made of this (thumbnails)")
    return int(text)


def picture_set(
    number: int, inits: Sequence[Init], count: float, seconds: float, first: int = 0
) -> Iterator[str]:
    """The adaptation set of a period, lines of text; none where it has no video.

    `number`: of the set. `inits`: of the period's tracks. `count` of pictures in `seconds`, the
    first strip begins at `first`.
    """
    video = next((init for init in inits if init.kind == "video" and init.width), None)
    if video is None or seconds <= 0:
        return
    each = max(1, math.ceil(seconds * COLUMNS * ROWS / max(count, 1)))
    sheets = math.ceil(seconds / each)
    height = max(2, video.height * WIDTH // video.width & ~1)
    yield f'<AdaptationSet id="{number}" contentType="image" mimeType="image/jpeg">'
    yield (
        f'<Representation id="pictures" bandwidth="{_BANDWIDTH}"'
        f' width="{COLUMNS * WIDTH}" height="{ROWS * height}">'
    )
    yield f'<EssentialProperty schemeIdUri="{_TILES}" value="{COLUMNS}x{ROWS}"/>'
    yield (
        f'<SegmentTemplate timescale="1" presentationTimeOffset="{first}"'
        f' media="strip-$Time$-{each}.jpg{QUERY}">'
    )
    again = f' r="{sheets - 1}"' if sheets > 1 else ""
    yield f'<SegmentTimeline><S t="{first}" d="{each}"{again}/></SegmentTimeline>'
    yield "</SegmentTemplate>"
    yield "</Representation>"
    yield "</AdaptationSet>"
