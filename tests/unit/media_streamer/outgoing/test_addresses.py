"""Addresses that are not connected to, however they are written."""

import pytest
from media_streamer.outgoing.addresses import AddressRefusedError, OneWay, Reach, is_loopback

METADATA = (
    "169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "[::ffff:a9fe:a9fe]",
    "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254",
    "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd20:ce::254",
)  # fmt: skip


@pytest.mark.parametrize("address", METADATA)
def test_refused(address: str) -> None:
    with pytest.raises(AddressRefusedError, match="STREAMER_LINK_LOCAL_ALLOWED"):
        Reach().check(address)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.0.2.1", "::1", "2001:db8::1", "169.253.255.255", "cam"],
)
def test_reached(address: str) -> None:
    Reach().check(address)


def test_a_setting_opens_a_network_and_no_other() -> None:
    reach = Reach.of({"STREAMER_LINK_LOCAL_ALLOWED": "169.254.20.0/24, fe80::/64"})
    reach.check("169.254.20.7")
    reach.check("fe80::1%eth0")
    with pytest.raises(AddressRefusedError):
        reach.check("169.254.169.254")
    with pytest.raises(ValueError, match="x"):
        Reach.of({"STREAMER_LINK_LOCAL_ALLOWED": "x"})


def test_names_are_looked_up() -> None:
    Reach().check_host("localhost", 80)
    Reach().check_host("no.such.name.invalid", 80)
    with pytest.raises(AddressRefusedError):
        Reach().check_host("169.254.169.254", 80)
    with pytest.raises(AddressRefusedError):
        Reach().check_host("0xA9FEA9FE", 80)  # as getaddrinfo reads it


def test_this_machine() -> None:
    for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"):
        assert is_loopback(address), address
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("localhost")


def test_a_redirect_leads_to_this_machine_from_itself_only() -> None:
    away = OneWay(Reach())
    away.check("198.51.100.1")
    away.redirected = True
    away.check("198.51.100.2")
    for local in ("127.0.0.1", "::1", "0.0.0.0"):
        with pytest.raises(AddressRefusedError, match="this machine itself"):
            away.check(local)
    with pytest.raises(AddressRefusedError, match="link-local"):
        away.check("169.254.169.254")
    here = OneWay(Reach())
    here.check("127.0.0.1")
    here.redirected = True
    here.check("::1")
