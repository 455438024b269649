"""Certificate files of the reference server, as both the check of the file and the ports load them.

The certificate is a PEM file, its key another one that may be encrypted with the passphrase
`flussonic`. The intermediate certificates stand in the certificate's file behind it, or in
`NAME-ca.crt` beside `NAME.crt`.
"""

import ssl
from pathlib import Path

DEFAULT_DIRECTORY = Path("/etc/flussonic")
DEFAULT_CERTIFICATE = "streamer.crt"
DEFAULT_KEY = "streamer.key"
KEY_PASSPHRASE = "flussonic"  # what the reference server expects of an encrypted key


def chain_beside(certificate: Path) -> Path:
    """Where intermediate certificates of `certificate` may lie."""
    return certificate.with_name(f"{certificate.stem}-ca.crt")


def load_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Let new connections of `context` use the certificate. Raises OSError, SSLError."""
    # Without a passphrase OpenSSL would ask for one at the terminal, and wait.
    context.load_cert_chain(certificate, key, password=KEY_PASSPHRASE)
    chain = chain_beside(certificate)
    if chain.is_file():
        # OpenSSL sends the intermediates that it finds there along with the certificate.
        context.load_verify_locations(chain)
