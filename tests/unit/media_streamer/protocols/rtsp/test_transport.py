"""Transport headers as clients write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.rtsp.transport import Transport, parse


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=2-3", Transport("tcp", channels=(2, 3))),
        ("RTP/AVP;unicast;client_port=5000-5001", Transport("udp", client_ports=(5000, 5001))),
        ("RTP/AVP/UDP;unicast;client_port=5000", Transport("udp", client_ports=(5000, 5001))),
        (
            'rtp/avp/tcp; unicast; interleaved=0-1; mode="RECORD"',
            Transport("tcp", channels=(0, 1), record=True),
        ),
        ("RTP/AVP;multicast;port=1-2", Transport("udp", multicast=True)),
        (
            "RTP/SAVP;unicast;ssrc=0A;client_port=99999-1",
            Transport("udp", ssrc=10, profile="RTP/SAVP"),
        ),
    ],
)
def test_reading(header: str, expected: Transport) -> None:
    assert list(parse(header)) == [expected]


def test_alternatives_keep_their_order() -> None:
    header = "RAW/RAW/UDP;unicast,RTP/AVP;unicast;client_port=1-2,RTP/AVP/TCP;interleaved=0-1"
    assert [one.kind for one in parse(header)] == ["udp", "tcp"]


@given(
    st.builds(
        Transport,
        st.sampled_from(("tcp", "udp")),
        channels=st.one_of(st.none(), st.tuples(st.integers(0, 255), st.integers(0, 255))),
        client_ports=st.one_of(st.none(), st.tuples(st.integers(0, 9999), st.integers(0, 9999))),
        record=st.booleans(),
        ssrc=st.one_of(st.none(), st.integers(0, 0xFFFFFFFF)),
    )
)
def test_what_is_written_is_read(transport: Transport) -> None:
    assert list(parse(transport.write())) == [transport]


@given(st.text(max_size=100))
def test_garbage_gives_nothing_or_something(text: str) -> None:
    list(parse(text))
