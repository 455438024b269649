"""Chunks: messages survive any cut, every form of header is read, bounds hold."""

import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.budgets import RTMP_MESSAGE_BYTES
from media_streamer.protocols.rtmp.chunks import (
    AUDIO,
    COMMAND,
    MAX_CHUNK_STREAMS,
    SET_CHUNK_SIZE,
    VIDEO,
    ChunkError,
    ChunkReader,
    Message,
    write_control,
    write_event,
    write_message,
)

MESSAGES = st.builds(
    Message,
    kind=st.sampled_from([AUDIO, VIDEO, COMMAND]),
    timestamp=st.sampled_from([0, 1, 40, 0xFFFFFE, 0xFFFFFF, 0x1000000, 0xFFFFFFFF]),
    stream=st.sampled_from([0, 1, 0xFFFFFFFF]),
    payload=st.binary(max_size=700),
)


def portions(data: bytes, sizes: list[int]) -> list[bytes]:
    """`data` cut into portions of the sizes given, over and over."""
    cut, position, index = [], 0, 0
    while position < len(data):
        size = sizes[index % len(sizes)]
        cut.append(data[position : position + size])
        position, index = position + size, index + 1
    return cut


@given(
    st.lists(st.tuples(MESSAGES, st.integers(3, 63)), max_size=8),
    st.sampled_from([128, 129, 255, 4096]),
    st.lists(st.integers(1, 300), min_size=1, max_size=5),
)
def test_messages_survive_any_cut(
    messages: list[tuple[Message, int]], chunk_bytes: int, sizes: list[int]
) -> None:
    data = write_control(SET_CHUNK_SIZE, chunk_bytes)
    for message, chunk_stream in messages:
        data += write_message(
            message.kind,
            message.payload,
            timestamp=message.timestamp,
            stream=message.stream,
            chunk_stream=chunk_stream,
            chunk_bytes=chunk_bytes,
        )
    reader = ChunkReader()
    read = [message for part in portions(data, sizes) for message in reader.feed(part)]
    assert read == [message for message, _ in messages]


def header(form: int, fields: bytes, number: int = 4) -> bytes:
    return bytes([form << 6 | number]) + fields


def test_all_forms_of_headers() -> None:
    """The example of section 5.3.2.1, plus extended times and long chunk stream ids."""
    data = b"".join(
        (
            header(0, bytes.fromhex("0003e8 000002 08 39300000")) + b"aa",
            header(2, bytes.fromhex("000014")) + b"bb",
            header(3, b"") + b"cc",
            header(1, bytes.fromhex("000005 000001 09")) + b"d",
            bytes([0x00, 236]) + bytes.fromhex("000000 000001 08 01000000 e1"),
            bytes([0x01, 0x10, 0x01]) + bytes.fromhex("ffffff 000001 08 01000000 01000000 66"),
        )
    )  # fmt: skip
    read = ChunkReader().feed(data)
    assert [(m.kind, m.timestamp, m.stream, m.payload) for m in read] == [
        (8, 1000, 12345, b"aa"),
        (8, 1020, 12345, b"bb"),
        (8, 1040, 12345, b"cc"),
        (9, 1045, 12345, b"d"),
        (8, 0, 1, b"\xe1"),
        (8, 0x1000000, 1, b"f"),
    ]


def test_the_second_example_of_the_specification() -> None:
    """Section 5.3.2.2: a message of 307 bytes in chunks of 128."""
    payload = bytes(range(256)) + bytes(51)
    data = (
        header(0, bytes.fromhex("0003e8 000133 09 3a300000")) + payload[:128]
        + header(3, b"") + payload[128:256] + header(3, b"") + payload[256:]
    )  # fmt: skip
    (message,) = ChunkReader().feed(data)
    assert (message.timestamp, message.stream, message.payload) == (1000, 12346, payload)


@pytest.mark.parametrize("repeated", [True, False])
def test_extended_times_in_following_chunks_are_optional(repeated: bool) -> None:
    time = struct.pack(">I", 0x01020304)
    payload = bytes(200)
    data = (
        header(0, bytes.fromhex("ffffff 0000c8 09 01000000")) + time + b"x" * 128
        + header(3, time if repeated else b"") + b"x" * 72
    )  # fmt: skip
    (message,) = ChunkReader().feed(data)
    assert (message.timestamp, message.payload) == (0x01020304, b"x" * len(payload))


def test_chunk_streams_are_interleaved() -> None:
    audio = header(0, bytes.fromhex("000000 000002 08 01000000"), 5) + b"au"
    video = write_message(VIDEO, b"v" * 200, chunk_stream=6, chunk_bytes=128)
    split = 12 + 128
    assert [m.kind for m in ChunkReader().feed(video[:split] + audio + video[split:])] == [8, 9]


def test_abort_forgets_a_message() -> None:
    video = write_message(VIDEO, b"v" * 200, chunk_stream=6, chunk_bytes=128)
    whole = write_message(VIDEO, b"w", chunk_stream=6)
    data = video[: 12 + 128] + write_control(2, 6) + whole
    assert [m.payload for m in ChunkReader().feed(data)] == [b"w"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (write_message(VIDEO, b"", chunk_bytes=1)[:4] + b"\xff\xff\xff\x09\0\0\0\0", "16777215"),
        (header(3, b""), "without a full header"),
        (header(2, b"\0\0\0"), "without a full header"),
        (write_control(SET_CHUNK_SIZE, 0), "chunk size of 0"),
        (write_control(SET_CHUNK_SIZE, 127), "chunk size of 127"),
        (
            b"".join(write_message(AUDIO, b"a", chunk_stream=n) for n in range(2, 64))
            + b"\0\0" + bytes(6) + b"\x08\0\0\0\0" + b"\0\1" + bytes(6) + b"\x08\0\0\0\0"
            + b"\0\2" + bytes(6) + b"\x08\0\0\0\0",
            f"more than {MAX_CHUNK_STREAMS}",
        ),
        (
            write_message(VIDEO, b"v" * 200, chunk_stream=6, chunk_bytes=128)[: 12 + 128]
            + write_message(VIDEO, b"v", chunk_stream=6),
            "before the last one",
        ),
    ],
)  # fmt: skip
def test_what_breaks_the_format(data: bytes, reason: str) -> None:
    with pytest.raises(ChunkError, match=reason):
        ChunkReader().feed(data)


def test_a_peer_cannot_fill_the_memory() -> None:
    reader = ChunkReader(max_message_bytes=1000)
    with pytest.raises(ChunkError, match="1001 bytes"):
        reader.feed(write_message(VIDEO, bytes(1001)))


def unfinished(count: int) -> bytes:
    """The first 235 chunks of messages of 64 KiB, each in a chunk stream of its own."""
    return b"".join(
        write_message(VIDEO, bytes(1 << 16), chunk_stream=3 + n, chunk_bytes=128)[: 11 + 235 * 129]
        for n in range(count)
    )


UNFINISHED_BYTES = 235 * 128


def test_many_unfinished_messages_are_bounded_together() -> None:
    reader, held = ChunkReader(1 << 16, max_unfinished_bytes=100_000), [0]

    def feed_all() -> None:
        for part in portions(unfinished(58), [4096]):
            reader.feed(part)
            held.append(reader.held)

    with pytest.raises(ChunkError, match="more than 100000 bytes"):
        feed_all()
    assert max(held) < 100_000 + 4096


def test_what_is_held_is_said_and_costs_what_it_holds() -> None:
    reader = ChunkReader()
    tracemalloc.start()
    try:
        for part in portions(unfinished(40), [1460]):
            reader.feed(part)
        current, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reader.held == 40 * UNFINISHED_BYTES
    assert current < 1.5 * reader.held


@given(
    st.lists(MESSAGES, max_size=8),
    st.lists(st.integers(1, 300), min_size=1, max_size=5),
    st.lists(st.integers(0, 3), min_size=1, max_size=5),
)
def test_messages_may_be_taken_a_few_at_a_time(
    messages: list[Message], sizes: list[int], steps: list[int]
) -> None:
    data = b"".join(
        write_message(m.kind, m.payload, timestamp=m.timestamp, stream=m.stream, chunk_bytes=128)
        for m in messages
    )
    reader, read = ChunkReader(), []
    for index, part in enumerate(portions(data, sizes)):
        got = reader.feed(part, steps[index % len(steps)])
        assert len(got) <= steps[index % len(steps)]
        read += got
    while reader.has_more:
        read += reader.feed(b"", 1)
    assert read == messages


def test_a_large_message_in_small_reads_is_not_copied_again_and_again() -> None:
    payload = bytes(RTMP_MESSAGE_BYTES - 1)
    data = write_control(SET_CHUNK_SIZE, RTMP_MESSAGE_BYTES) + write_message(
        VIDEO, payload, chunk_bytes=RTMP_MESSAGE_BYTES
    )
    reader = ChunkReader(RTMP_MESSAGE_BYTES)
    messages = [m for part in portions(data, [1000]) for m in reader.feed(part)]
    assert [len(m.payload) for m in messages] == [len(payload)]


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_no_bytes_break_the_reader(parts: list[bytes]) -> None:
    reader = ChunkReader()
    try:
        for part in parts:
            reader.feed(part)
    except ChunkError:
        pass


def test_control_messages() -> None:
    assert write_event(0, 1) == bytes.fromhex("02 000000 000006 04 00000000 0000 00000001")
    assert write_control(5, 2500000)[12:] == bytes.fromhex("002625a0")
