"""Certificates are checked when the file is read, and told at the line of the listener."""

import subprocess
from pathlib import Path

import pytest
from media_streamer.config import load
from media_streamer.config.tls import TlsError, TlsFiles, server_context


def make_certificate(directory: Path, name: str = "streamer", *, passphrase: str = "") -> None:
    """Self-signed certificate and key, as an administrator makes them."""
    key, crt = directory / f"{name}.key", directory / f"{name}.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", crt],
        check=True, capture_output=True, timeout=20,
    )  # fmt: skip
    if passphrase:
        subprocess.run(
            ["openssl", "ec", "-aes128", "-passout", f"pass:{passphrase}", "-in", key, "-out", key],
            check=True, capture_output=True, timeout=20,
        )  # fmt: skip


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "flussonic.conf"
    path.write_text("http 80;\nhttps 443;\n")
    return path


def test_a_missing_certificate_is_told_at_the_listener(main: Path) -> None:
    (error,) = load(main, {}).errors
    assert (error.code, error.line, error.path) == ("missing_file", 2, ("listeners", "https", 0))
    assert "streamer.crt" in error.detail


@pytest.mark.parametrize("passphrase", ["", "flussonic"])
def test_a_certificate_with_or_without_passphrase(main: Path, passphrase: str) -> None:
    make_certificate(main.parent, passphrase=passphrase)
    assert load(main, {}).errors == []


def test_bad_certificates(main: Path) -> None:
    make_certificate(main.parent, passphrase="another")
    (error,) = load(main, {}).errors
    assert (error.code, "passphrase" in error.detail) == ("bad_certificate", True)
    make_certificate(main.parent)
    make_certificate(main.parent, "other")
    main.write_text("https 443 { certificate other.crt; }")
    (error,) = load(main, {}).errors
    assert (error.code, "is not the key of" in error.detail) == ("bad_certificate", True)
    (main.parent / "streamer.crt").write_text("garbage")
    main.write_text("rtmps 1443;")
    (error,) = load(main, {}).errors
    assert (error.code, "no valid PEM" in error.detail) == ("bad_certificate", True)


def test_the_versions_of_the_listener_are_offered(main: Path) -> None:
    make_certificate(main.parent)
    files = TlsFiles(main.parent / "streamer.crt", main.parent / "streamer.key", main)
    with pytest.raises(TlsError):  # the configuration file is no chain
        server_context(files)
    files = TlsFiles(files.certificate, files.key, main.parent / "none")
    assert server_context(files, ["tlsv1.3"]).minimum_version.name == "TLSv1_3"
