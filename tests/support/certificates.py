"""Certificates of a chain, made by openssl as an administrator gets them.

The server's key is encrypted with the passphrase that the configuration file's defaults expect.
"""

import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PASSPHRASE = "flussonic"
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make_chain(directory: Path, address: str = "127.0.0.1") -> Path:
    """`streamer.crt`, `streamer.key`, `streamer-ca.crt` (intermediate, then root) in `directory`.

    Returns the root's certificate, which is all that a client trusts.
    """

    def openssl(*words: str | Path) -> None:
        subprocess.run(
            ["openssl", *words], cwd=directory, check=True, capture_output=True, timeout=60
        )

    openssl(
        "req", "-x509", *_CURVE, "-days", "9", "-subj", "/CN=root", "-keyout", "root.key",
        "-out", "root.crt",
    )  # fmt: skip
    for name, issuer, extension in (
        ("intermediate", "root", "basicConstraints=critical,CA:TRUE"),
        ("server", "intermediate", f"subjectAltName=IP:{address},DNS:localhost"),
    ):
        (directory / f"{name}.ext").write_text(f"{extension}\n")
        openssl(
            "req", *_CURVE, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr"
        )
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.crt", "-CAkey",
            f"{issuer}.key", "-CAcreateserial", "-days", "9", "-extfile", f"{name}.ext",
            "-out", f"{name}.crt",
        )  # fmt: skip
    openssl(
        "ec", "-aes128", "-passout", f"pass:{PASSPHRASE}", "-in", "server.key", "-out",
        "streamer.key",
    )  # fmt: skip
    (directory / "server.crt").rename(directory / "streamer.crt")
    chain = (directory / "intermediate.crt").read_text() + (directory / "root.crt").read_text()
    (directory / "streamer-ca.crt").write_text(chain)
    return directory / "root.crt"


def make_expired(directory: Path, name: str, address: str = "127.0.0.1") -> Path:
    """`NAME.crt` and `NAME.key`, signed by itself, which ran out yesterday; openssl makes none."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    yesterday = datetime.now(UTC) - timedelta(days=1)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    made = (
        x509.CertificateBuilder(own, own, key.public_key(), x509.random_serial_number())
        .not_valid_before(yesterday - timedelta(days=90))
        .not_valid_after(yesterday)
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / f"{name}.key").write_bytes(private)
    path = directory / f"{name}.crt"
    path.write_bytes(made.public_bytes(Encoding.PEM))
    return path
