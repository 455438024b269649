"""Certificates of a chain, made by openssl as an administrator gets them.

The server's key is encrypted with the passphrase that the configuration file's defaults expect.
"""

import subprocess
from pathlib import Path

PASSPHRASE = "flussonic"
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make_chain(directory: Path, address: str = "127.0.0.1") -> Path:
    """`streamer.crt`, `streamer.key`, `streamer-ca.crt` (intermediate, then root) in `directory`.

    Returns the root's certificate, which is all that a client trusts.
    """

    def openssl(*words: str | Path) -> None:
        subprocess.run(
            ["openssl", *words], cwd=directory, check=True, capture_output=True, timeout=20
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
