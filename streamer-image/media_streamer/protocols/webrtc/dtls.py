"""DTLS with keys for SRTP (RFC 5764), over bytes in memory: datagrams in, datagrams out.

The peer's certificate is checked against the fingerprint of its SDP and nothing else (RFC 8122);
ours is made when the worker starts and is shared by all sessions.
"""

import datetime
import functools
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from pylibsrtp import Policy, Session

from media_streamer.protocols.webrtc.srtp import OutwardSession

MTU = 1200
_RECORD_HEADER_BYTES = 13
_READ_BYTES = 16 * 1024
MAX_HANDSHAKE_DATAGRAMS = 64
"""From the peer; an honest one with a large certificate needs some ten, and repeats a few."""
_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:"
    b"ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"
)
_LABEL = b"EXTRACTOR-dtls_srtp"
_VALID = datetime.timedelta(days=365)


@dataclass(frozen=True, slots=True)
class _Profile:
    policy: int
    key_bytes: int
    salt_bytes: int


# The cheapest first: 1.7 us a packet of 1.1 KB by GCM, 2.9 us by CTR and SHA-1.
_PROFILES: dict[bytes, _Profile] = {
    b"SRTP_AEAD_AES_128_GCM": _Profile(Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    b"SRTP_AEAD_AES_256_GCM": _Profile(Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
    b"SRTP_AES128_CM_SHA1_80": _Profile(Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
}


class DtlsError(Exception):
    """The connection has failed; the text says why."""


@dataclass(frozen=True, slots=True)
class SrtpPair:
    """Protects what goes out, checks what comes in."""

    outward: OutwardSession
    inward: Session


class Identity:
    """Our certificate and the context that all connections share."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _self_signed(key)
        self.fingerprint = _fingerprint(certificate, "sha-256")
        context = SSL.Context(SSL.DTLS_METHOD)
        # The peer must show a certificate; which one is checked by its fingerprint afterwards.
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.set_cipher_list(_CIPHERS)
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU)
        context.set_tlsext_use_srtp(b":".join(_PROFILES))
        self.context = context


@functools.cache
def identity_of_process() -> Identity:
    """Made at first use: a process without WebRTC does not pay for it."""
    return Identity()


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "webrtc")])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + _VALID)
        .sign(key, hashes.SHA256())
    )


_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha-256": hashes.SHA256,
    "sha-384": hashes.SHA384,
    "sha-512": hashes.SHA512,
}


def _fingerprint(certificate: x509.Certificate, algorithm: str) -> str:
    digest = certificate.fingerprint(_HASHES[algorithm]())
    return f"{algorithm} {digest.hex(':').upper()}"


class Dtls:
    """One connection."""

    def __init__(self, identity: Identity, fingerprint: str, *, is_client: bool) -> None:
        """`fingerprint`: that of the peer, `ALGORITHM VALUE`."""
        self._connection = SSL.Connection(identity.context, None)
        self._connection.set_ciphertext_mtu(MTU)
        self._fingerprint = fingerprint
        self._is_client = is_client
        self._datagrams = 0
        self.srtp: SrtpPair | None = None
        """The keys, once the handshake is done."""
        if is_client:
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()

    def start(self) -> list[bytes]:
        """The first datagrams of a client; none of a server. Raises DtlsError."""
        return self._shake() if self._is_client else []

    def feed(self, datagram: bytes) -> list[bytes]:
        """Take a datagram; returns those to send. Raises DtlsError, also at the peer's goodbye."""
        if self.srtp is None:
            self._datagrams += 1
            if self._datagrams > MAX_HANDSHAKE_DATAGRAMS:
                raise DtlsError("DTLS handshake of too many datagrams")
        self._connection.bio_write(datagram)
        if self.srtp is None:
            return self._shake()
        try:
            while True:
                self._connection.recv(_READ_BYTES)  # of a data channel: nobody offered one
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            raise DtlsError("the peer closed the connection") from None
        except SSL.Error as error:
            raise DtlsError(f"DTLS: {_words(error)}") from None
        return self._pending()

    def poll(self) -> list[bytes]:
        """Datagrams that have to be sent again; call it now and then during the handshake."""
        if self.srtp is not None:
            return []
        left = self._connection.DTLSv1_get_timeout()
        if left is not None and left <= 0:
            self._connection.DTLSv1_handle_timeout()
        return self._pending()

    def close(self) -> list[bytes]:
        """Our goodbye."""
        try:
            if self.srtp is not None:
                self._connection.shutdown()
        except SSL.Error:
            return []
        return self._pending()

    def _shake(self) -> list[bytes]:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            raise DtlsError(f"DTLS: {_words(error)}") from None
        else:
            self._check_peer()
            self.srtp = self._keys()
        return self._pending()

    def _check_peer(self) -> None:
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        algorithm = self._fingerprint.partition(" ")[0]
        if certificate is None or _fingerprint(certificate, algorithm) != self._fingerprint:
            raise DtlsError("DTLS: the peer's certificate is not that of its SDP")

    def _keys(self) -> SrtpPair:
        """Keying material in the order of RFC 5764 4.2."""
        profile = _PROFILES.get(self._connection.get_selected_srtp_profile())
        if profile is None:
            raise DtlsError("DTLS: the peer has no SRTP profile of ours")
        key, salt = profile.key_bytes, profile.salt_bytes
        material = self._connection.export_keying_material(_LABEL, 2 * (key + salt))

        def policy(number: int, ssrc_type: int) -> Policy:
            master = material[number * key : (number + 1) * key]
            start = 2 * key + number * salt
            made = Policy(
                key=master + material[start : start + salt],
                ssrc_type=ssrc_type,
                srtp_profile=profile.policy,
            )
            made.allow_repeat_tx = True  # a packet that was lost is sent again as it was
            made.window_size = 1024
            return made

        ours, theirs = (0, 1) if self._is_client else (1, 0)
        return SrtpPair(
            OutwardSession(policy(ours, Policy.SSRC_ANY_OUTBOUND)),
            Session(policy(theirs, Policy.SSRC_ANY_INBOUND)),
        )

    def _pending(self) -> list[bytes]:
        """What OpenSSL wrote, in datagrams of whole records."""
        written = b""
        while True:
            try:
                written += self._connection.bio_read(_READ_BYTES)
            except SSL.Error:
                break
        return pack_records(written)


def pack_records(data: bytes) -> list[bytes]:
    """Datagrams of up to `MTU` bytes of whole records (RFC 6347 4.1): none is cut."""
    datagrams: list[bytes] = []
    begin = position = 0
    while position + _RECORD_HEADER_BYTES <= len(data):
        end = position + _RECORD_HEADER_BYTES + int.from_bytes(data[position + 11 : position + 13])
        if end - begin > MTU and position > begin:
            datagrams.append(data[begin:position])
            begin = position
        position = end
    if position > begin:
        datagrams.append(data[begin:position])
    return datagrams


def _words(error: SSL.Error) -> str:
    for one in error.args[0] if error.args and isinstance(error.args[0], list) else ():
        return str(one[-1])
    return type(error).__name__
