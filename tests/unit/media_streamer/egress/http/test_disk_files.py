from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress.http.disk_files import Extent, cut


@given(
    st.binary(max_size=20),
    st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=20)), max_size=5),
    st.integers(0, 130),
    st.integers(1, 130),
)
def test_any_range_of_head_and_extents(
    head: bytes, found: list[tuple[int, bytes]], start: int, length: int
) -> None:
    extents = [Extent(Path(str(n)), offset, len(d)) for n, (offset, d) in enumerate(found)]
    whole = head + b"".join(data for _, data in found)
    got = b"".join(
        (head if piece.number < 0 else found[piece.number][1])[piece.skip :][: piece.size]
        for piece in cut(len(head), extents, start, length)
    )
    assert got == whole[start : start + length]
