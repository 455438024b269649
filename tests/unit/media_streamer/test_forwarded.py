"""X-Forwarded-For: believed of trusted peers only, never by default."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.forwarded import MAX_HOPS, TrustedProxies, sign, signing_key
from multidict import CIMultiDict, CIMultiDictProxy

KEY = signing_key("cluster secret")
PEER = "10.0.0.7"
VIEWER = "198.51.100.4"
TRUSTED = TrustedProxies.of(["10.0.0.0/8", "fd00::/8"], KEY)


def headers(*forwarded: str, signature: str | None = None) -> CIMultiDictProxy[str]:
    fields = CIMultiDict[str]()
    for value in forwarded:
        fields.add("x-forwarded-for", value)
    if signature is not None:
        fields["X-Forwarded-Signature"] = signature
    return CIMultiDictProxy(fields)


@given(st.text(), st.text())
def test_nobody_is_believed_by_default(forwarded: str, signature: str) -> None:
    found = headers(forwarded, signature=signature)
    assert TrustedProxies().client(PEER, found) == PEER


@given(st.ip_addresses().map(str))
def test_a_stranger_is_not_believed(address: str) -> None:
    assert TRUSTED.client(VIEWER, headers(address)) == VIEWER


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ([VIEWER], VIEWER),
        ([" 2001:DB8::1 "], "2001:db8::1"),
        ([f"::ffff:{VIEWER}"], VIEWER),
        ([f"192.0.2.9, {VIEWER}"], VIEWER),  # what the viewer itself wrote is not believed
        ([f"{VIEWER}, 10.1.1.1, 10.2.2.2"], VIEWER),
        ([VIEWER, "10.1.1.1"], VIEWER),
        (["10.1.1.1"], "10.1.1.1"),
        ([f"garbage, {VIEWER}"], VIEWER),
        ([], PEER),
    ],
)
def test_a_trusted_peer_names_the_viewer(forwarded: list[str], client: str) -> None:
    assert TRUSTED.client(PEER, headers(*forwarded)) == client


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        " ",
        ",",
        "unknown",
        "198.51.100.4:80",
        "198.51.100",
        "fe80::1%eth0",
        "198.51.100.4, garbage",
        "garbage, 10.1.1.1",
        "\x00",
        "\udcff",
        ", ".join(["10.1.1.1"] * (MAX_HOPS + 1)),
    ],
)
def test_what_cannot_be_read_gives_the_peer(malformed: str) -> None:
    assert TRUSTED.client(PEER, headers(malformed)) == PEER


@given(st.text(max_size=60))
def test_always_an_address(text: str) -> None:
    ipaddress.ip_address(TRUSTED.client(PEER, headers(text)))


def test_a_signature_is_as_good_as_an_address() -> None:
    stranger = "192.0.2.1"
    signed = headers(VIEWER, signature=sign(KEY, VIEWER))
    assert TRUSTED.client(stranger, signed) == VIEWER
    assert TrustedProxies(key=KEY).client(stranger, signed) == VIEWER
    assert TrustedProxies.of(["10.0.0.0/8"]).client(stranger, signed) == stranger


@pytest.mark.parametrize(
    "signature",
    [
        "",
        sign(KEY, "198.51.100.5"),
        sign(signing_key("other"), VIEWER),
        "é",
        "\udcff",
        sign(KEY, VIEWER)[1:],
    ],
)
def test_a_wrong_signature_is_not_believed(signature: str) -> None:
    found = headers(VIEWER, signature=signature)
    assert TrustedProxies(key=KEY).client("192.0.2.1", found) == "192.0.2.1"


def test_an_address_added_to_what_is_signed_is_not_believed() -> None:
    found = headers(VIEWER, "192.0.2.77", signature=sign(KEY, VIEWER))
    assert TrustedProxies(key=KEY).client("192.0.2.1", found) == "192.0.2.1"
