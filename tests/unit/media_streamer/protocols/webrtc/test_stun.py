"""Checks of a peer: what is taken for one, and what the answer says. Read by another library."""

import secrets

import pytest
from aioice import stun as other
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.webrtc import stun

PASSWORD = "p" * 24
TRANSACTION = bytes(range(12))


def check(name: str = "ours:theirs", password: str = PASSWORD, *, nominates: bool = True) -> bytes:
    return stun.write_request(TRANSACTION, name, password, nominates=nominates)


def test_a_check_says_for_whom_it_is() -> None:
    request = stun.parse_request(check())
    assert request is not None
    assert (request.local, request.remote, request.nominates) == ("ours", "theirs", True)
    assert request.transaction == TRANSACTION


def test_a_check_of_another_library_is_read() -> None:
    message = other.Message(other.Method.BINDING, other.Class.REQUEST)
    message.attributes.update({"USERNAME": "ours:theirs", "PRIORITY": 1, "ICE-CONTROLLING": 7})
    message.add_message_integrity(PASSWORD.encode())
    message.add_fingerprint()
    data = bytes(message)
    request = stun.parse_request(data)
    assert request is not None
    assert not request.nominates
    assert stun.is_authentic(data, request, PASSWORD)
    assert not stun.is_authentic(data, request, "q" * 24)


@pytest.mark.parametrize(("host", "port"), [("192.0.2.7", 40_000), ("2001:db8::7", 1)])
def test_the_answer_is_read_by_another_library(host: str, port: int) -> None:
    answer = stun.write_success(TRANSACTION, host, port, PASSWORD)
    read = other.parse_message(answer)
    read.check_message_integrity(PASSWORD.encode())
    assert read.message_class == other.Class.RESPONSE
    assert read.transaction_id == TRANSACTION
    assert read.attributes["XOR-MAPPED-ADDRESS"] == (host, port)


def test_any_changed_byte_that_is_protected_spoils_it() -> None:
    data = check()
    request = stun.parse_request(data)
    assert request is not None
    for at in range(20, request.integrity_at + 24):
        changed = bytearray(data)
        changed[at] ^= 1
        again = stun.parse_request(bytes(changed))
        assert again is None or not stun.is_authentic(bytes(changed), again, PASSWORD), at


@pytest.mark.parametrize(
    "data",
    [
        b"",
        check()[:19],
        check()[:-1],
        check() + b"\0" * 4,
        check() + b"\0" * 600,
        stun.write_success(TRANSACTION, "192.0.2.7", 1, PASSWORD),
        b"\x00\x01\x00\x00\x21\x12\xa4\x42" + TRANSACTION,
        b"\x00\x01\x00\x08\x21\x12\xa4\x42" + TRANSACTION + b"\x00\x08\x00\x04abcd",
        b"\x00\x01\x00\x04\x21\x12\xa4\x42" + TRANSACTION + b"\x00\x06\xff\xff",
    ],
)
def test_what_is_no_check(data: bytes) -> None:
    assert stun.parse_request(data) is None


@given(st.binary(max_size=600))
def test_garbage_does_no_harm(data: bytes) -> None:
    head = b"\x00\x01" + len(data).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + TRANSACTION
    for whole in (data, head + data):
        request = stun.parse_request(whole)
        if request is not None:
            assert not stun.is_authentic(whole, request, secrets.token_hex(12))
