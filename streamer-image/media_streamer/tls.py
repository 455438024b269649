"""Certificate files of the reference server, as both the check of the file and the ports load them.

The certificate is a PEM file, its key another one that may be encrypted with the passphrase
`flussonic`. The intermediate certificates stand in the certificate's file behind it, or in
`NAME-ca.crt` beside `NAME.crt`.
"""

import re
import ssl
from pathlib import Path

DEFAULT_DIRECTORY = Path("/etc/flussonic")
DEFAULT_CERTIFICATE = "streamer.crt"
DEFAULT_KEY = "streamer.key"
_PEM = re.compile(rb"-----BEGIN [^-]{1,80}-----.*?-----END [^-]{1,80}-----", re.DOTALL)
KEY_PASSPHRASE = "flussonic"  # what the reference server expects of an encrypted key


def chain_beside(certificate: Path) -> Path:
    """Where intermediate certificates of `certificate` may lie."""
    return certificate.with_name(f"{certificate.stem}-ca.crt")


def pem_text(file: Path) -> str:
    """The PEM blocks of a file, one after another; its path if it has none or cannot be read."""
    try:
        blocks = _PEM.findall(file.read_bytes())
    except OSError:
        blocks = []
    return b"\n".join([*blocks, b""]).decode("ascii", "replace") if blocks else str(file)


def load_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Let new connections of `context` use the certificate. Raises OSError, SSLError."""
    # Without a passphrase OpenSSL would ask for one at the terminal, and wait.
    context.load_cert_chain(certificate, key, password=KEY_PASSPHRASE)
    chain = chain_beside(certificate)
    if chain.is_file():
        # OpenSSL sends the intermediates that it finds there along with the certificate.
        context.load_verify_locations(chain)
