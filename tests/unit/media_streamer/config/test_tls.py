"""Certificates are checked when the file is read, and told at the line of the listener."""

import contextlib
import ssl
import subprocess
from pathlib import Path

import pytest
from media_streamer import tls
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
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tls, "DEFAULT_DIRECTORY", tmp_path)
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
    main.write_text("https 443 { ssl_protocols tlsv1.3; }\n")
    config = load(main, {}).config
    assert config.listeners
    [listener] = config.listeners.https
    files = TlsFiles.of(listener, main.parent)
    context = server_context(files, listener.ssl_protocols or ())
    assert context.minimum_version.name == "TLSv1_3"


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(
        ["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=20
    )


def test_intermediate_certificates_are_sent(main: Path) -> None:
    """A client that knows only the root trusts a server with `streamer-ca.crt`."""
    directory = main.parent
    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    (directory / "ca.ext").write_text("basicConstraints=critical,CA:TRUE")
    (directory / "leaf.ext").write_text("subjectAltName=DNS:localhost")
    openssl(directory, "req", "-x509", *ec, "-days", "2", "-subj", "/CN=root", "-keyout",
            "root.key", "-out", "root.crt")  # fmt: skip
    for name, issuer, extensions in (("middle", "root", "ca"), ("streamer", "middle", "leaf")):
        openssl(directory, "req", *ec, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out",
                f"{name}.csr")  # fmt: skip
        openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.crt", "-CAkey",
                f"{issuer}.key", "-CAcreateserial", "-days", "2", "-extfile", f"{extensions}.ext",
                "-out", f"{name}.crt")  # fmt: skip
    files = TlsFiles(directory / "streamer.crt", directory / "streamer.key")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server_context(files), directory / "root.crt")
    chain = (directory / "middle.crt").read_text() + (directory / "root.crt").read_text()
    (directory / "streamer-ca.crt").write_text(chain)
    shake_hands(server_context(files), directory / "root.crt")
    (directory / "streamer-ca.crt").write_text("garbage")
    with pytest.raises(TlsError, match=r"streamer-ca\.crt"):
        server_context(files)


def shake_hands(server_side: ssl.SSLContext, root: Path) -> None:
    """A whole TLS handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_side = ssl.create_default_context(cafile=str(root))
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    client = client_side.wrap_bio(to_client, to_server, server_hostname="localhost")
    for _ in range(4):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    assert client.cipher()
