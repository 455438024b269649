"""What is wrong with a certificate that loads: it has run out, or clients cannot follow its chain.

Pure. OpenSSL serves such a certificate without a word, and clients refuse it: so the server says it
first, by `--check` and as an alert. Validity and names are those of RFC 5280 (4.1.2).
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from media_streamer import tls

if TYPE_CHECKING:  # 60 ms at the start of each server, which most have no use for
    from cryptography import x509

SOON = timedelta(days=14)
"""Who renews by a machine has done so by then."""


def complaints(certificate: Path, now: datetime | None = None) -> list[str]:
    """All that clients will mind about the certificate in this file; each names the file.

    Nothing of a file that cannot be read: that is an error already.
    """
    from cryptography import x509

    now = now or datetime.now(UTC)
    try:
        own = x509.load_pem_x509_certificates(certificate.read_bytes())
        beside = tls.chain_beside(certificate)
        sent = x509.load_pem_x509_certificates(beside.read_bytes()) if beside.is_file() else []
    except (OSError, ValueError):
        return []
    found = [*_validity(certificate, own[0], now), *_chain(certificate, [*own, *sent])]
    for one in [*own[1:], *sent]:
        if one.not_valid_after_utc < now:
            name = _name(one.subject)
            found.append(f"{certificate}: the intermediate certificate “{name}” has run out")
    return found


def _validity(file: Path, one: "x509.Certificate", now: datetime) -> list[str]:
    begin, end = one.not_valid_before_utc, one.not_valid_after_utc
    if end < now:
        return [f"{file} has run out on {end:%Y-%m-%d}: clients refuse it, renew it and reload"]
    if begin > now:
        return [f"{file} is valid from {begin:%Y-%m-%d %H:%M} UTC on only: is the clock right?"]
    if end - now < SOON:
        return [f"{file} runs out on {end:%Y-%m-%d}: renew it and reload"]
    return []


def _chain(file: Path, chain: Sequence["x509.Certificate"]) -> list[str]:
    """Whether the issuer of the first is there; that of the last may be a root they have."""
    leaf, *others = chain
    if leaf.issuer == leaf.subject or any(one.subject == leaf.issuer for one in others):
        return []
    return [
        f"{file}: the certificate of its issuer “{_name(leaf.issuer)}” is not sent: clients refuse"
        f" it unless they know that one; put it behind the server's or into"
        f" {tls.chain_beside(file).name}"
    ]


def _name(name: "x509.Name") -> str:
    from cryptography.x509.oid import NameOID

    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()
