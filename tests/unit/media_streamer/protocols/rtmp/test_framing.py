"""FLV tags and RTMP messages carry the same bodies."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.mux.flv import tag as flv_tag
from media_streamer.protocols.rtmp.chunks import (
    OUT_CHUNK_BYTES,
    SET_CHUNK_SIZE,
    ChunkReader,
    write_control,
)
from media_streamer.protocols.rtmp.framing import RtmpFraming, tags_to_chunks

FLV_START = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"

TAGS = st.lists(
    st.tuples(
        st.sampled_from([8, 9, 18]),
        st.sampled_from([0, 1, 0xFFFFFF, 0x1000000, 0xFFFFFFFF]),
        st.one_of(st.binary(max_size=50), st.just(bytes(OUT_CHUNK_BYTES * 2 + 5))),
    ),
    max_size=4,
)


@given(TAGS)
def test_every_tag_becomes_a_message(tags: list[tuple[int, int, bytes]]) -> None:
    reader = ChunkReader(1 << 24)
    reader.feed(write_control(SET_CHUNK_SIZE, OUT_CHUNK_BYTES))
    data = b"".join(flv_tag(*tag) for tag in tags)
    messages = reader.feed(tags_to_chunks(data))
    assert [(m.kind, m.timestamp, m.payload) for m in messages] == tags
    assert all(m.stream == 1 for m in messages)


def test_the_file_header_is_left_out() -> None:
    tag = flv_tag(9, 40, b"body")
    framing = RtmpFraming()
    assert framing.header(FLV_START + tag) == framing.chunk(tag, True) == tags_to_chunks(tag)


def test_a_cut_tag_is_left_out() -> None:
    tag = flv_tag(9, 40, b"body")
    assert tags_to_chunks(tag + tag[:13]) == tags_to_chunks(tag)
    assert tags_to_chunks(b"") == b""
