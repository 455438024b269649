"""Certificates that load and that clients refuse all the same."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from media_streamer.config.certificates import complaints
from media_streamer.config.load import load

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
"""Of all: who signs is of no matter here."""


def certificate(name: str, issuer: str, begin: datetime, end: datetime) -> bytes:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    made = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .sign(KEY, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def put(
    directory: Path, *, issuer: str = "server", begin: int = -10, end: int = 80, now: datetime = NOW
) -> Path:
    """The server's; `begin` and `end` in days from `now`."""
    path = directory / "streamer.crt"
    days = (now + timedelta(days=begin), now + timedelta(days=end))
    path.write_bytes(certificate("server", issuer, *days))
    return path


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ({}, None),
        ({"end": -1}, "has run out on 2026-05-31: clients refuse it"),
        ({"end": 5}, "runs out on 2026-06-06"),
        ({"begin": 1}, "valid from 2026-06-02 00:00 UTC on only"),
    ],
)
def test_validity(tmp_path: Path, days: dict[str, int], words: str | None) -> None:
    found = complaints(put(tmp_path, **days), NOW)
    assert [words in text for text in found] == ([True] if words else [])


def test_a_chain_that_is_not_whole(tmp_path: Path) -> None:
    path = put(tmp_path, issuer="middle")
    [text] = complaints(path, NOW)
    assert "issuer “middle” is not sent" in text
    assert "streamer-ca.crt" in text
    good = NOW - timedelta(days=9), NOW + timedelta(days=90)
    middle = certificate("middle", "root", *good)
    path.write_bytes(path.read_bytes() + middle)
    assert complaints(path, NOW) == []
    put(tmp_path, issuer="middle")
    beside = tmp_path / "streamer-ca.crt"
    beside.write_bytes(middle)
    assert complaints(path, NOW) == []
    beside.write_bytes(certificate("middle", "root", good[0], NOW - timedelta(days=1)))
    assert ["“middle” has run out" in text for text in complaints(path, NOW)] == [True]


def test_what_cannot_be_read_is_an_error_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "streamer.crt"
    assert complaints(path, NOW) == []
    path.write_text("garbage")
    assert complaints(path, NOW) == []


def test_the_check_of_a_file_warns_and_lets_it_be(tmp_path: Path) -> None:
    put(tmp_path, end=-1, now=datetime.now(UTC))
    key = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "streamer.key").write_bytes(key)
    main = tmp_path / "flussonic.conf"
    main.write_text(
        "http 80;\nhttps 443 { certificate streamer.crt; certificate_key streamer.key; }\n"
    )
    loaded = load(main, {})
    assert loaded.errors == []
    [warning] = [one for one in loaded.warnings if one.code == "doubtful_certificate"]
    assert (warning.line, warning.severity) == (2, "warning")
    assert "has run out" in warning.detail
