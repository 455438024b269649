"""One WebRTC peer: ICE-lite (RFC 8445 2.5), DTLS and SRTP on the worker's port.

The peer is the full agent: it checks our addresses and nominates one of its own, to which we send.
Its checks are its consent to be sent to (RFC 7675): without them we fall silent and end.
"""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pylibsrtp

from media_streamer.budgets import WEBRTC_CONNECT_SECONDS, WEBRTC_FEEDBACK_PER_SECOND
from media_streamer.protocols.rtsp.ports import plain
from media_streamer.protocols.webrtc import stun
from media_streamer.protocols.webrtc.dtls import Dtls, DtlsError, Identity, SrtpPair
from media_streamer.protocols.webrtc.tcp import TcpPath
from media_streamer.rtp.packet import is_rtcp

if TYPE_CHECKING:
    from media_streamer.protocols.webrtc.port import Endpoint, WebRtcPort

log = logging.getLogger(__name__)

CONSENT_SECONDS = 30.0
"""RFC 7675 5.1."""
MAX_ADDRESSES = 16
"""Of one peer; a further one takes the place of the oldest."""
_PASSWORD_BYTES = 18
_ICE_CHARACTERS = str.maketrans("-_", "+/")  # ice-char of RFC 8839 5.4
MAX_BAD_PACKETS = 10_000
"""Packets that are no SRTP of this peer, or feedback beyond the bound; after so many it means harm
or has lost its keys."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """User name fragment and password of one side (RFC 8445 5.3)."""

    ufrag: str
    password: str

    @classmethod
    def new(cls, ufrag: str) -> "Credentials":
        """With a password that nobody can guess."""
        return cls(ufrag, secrets.token_urlsafe(_PASSWORD_BYTES).translate(_ICE_CHARACTERS))


def place_of(endpoint: "Endpoint") -> tuple[str, int]:
    """Host and port of a peer."""
    if isinstance(endpoint, TcpPath):
        return endpoint.host, endpoint.number
    return plain(endpoint[0]), endpoint[1]


class Handler(Protocol):
    """Who uses a connection."""

    def on_connected(self) -> None:
        """Media may be sent."""

    def on_rtp(self, packet: bytes) -> None: ...

    def on_rtcp(self, packet: bytes) -> None: ...

    def on_closed(self, reason: str) -> None:
        """Called once; the connection is of no use any more."""


class PeerConnection:
    """Made when the answer is written; `close` it. All in the event loop."""

    def __init__(
        self,
        port: "WebRtcPort",
        identity: Identity,
        local: Credentials,
        fingerprint: str,
        handler: Handler,
        *,
        is_client: bool,
    ) -> None:
        """`is_client`: we begin the DTLS handshake."""
        self.local = local
        self.former_name = ""
        """The name of before the last ICE restart, until the peer uses the new one."""
        self.addresses: dict[Endpoint, None] = {}
        self.srtp: SrtpPair | None = None
        self._former_password = ""
        self._port = port
        self._handler = handler
        self._dtls = Dtls(identity, fingerprint, is_client=is_client)
        self._is_client = is_client
        self._begun = False
        self._remote: Endpoint | None = None
        self._named = "-"
        self._loop = asyncio.get_running_loop()
        self._made_at = self._heard_at = self._loop.time()
        self._bad = 0
        self._feedback, self._feedback_since = 0, 0.0
        self._closed = False
        port.add(self)

    @property
    def is_open(self) -> bool:
        return not self._closed

    @property
    def remote(self) -> str:
        """Address and port of the peer, for people."""
        return self._named

    @property
    def unsent(self) -> int:
        """Bytes that a peer by TCP has not taken yet."""
        return self._remote.unsent if isinstance(self._remote, TcpPath) else 0

    def _is_chosen(self, request: stun.BindingRequest, endpoint: "Endpoint") -> bool:
        """Whether a check of the peer says where we send to from now on."""
        return self._remote is None or (request.nominates and self._remote != endpoint)

    def _choose(self, endpoint: "Endpoint") -> None:
        self._remote = endpoint
        if self._is_client and not self._begun:
            self._begun = True
            self._loop.call_soon(self._begin)  # behind the answer to a check
        host, number = place_of(endpoint)
        by = " by TCP" if isinstance(endpoint, TcpPath) else ""
        self._named = f"{host}:{number}{by}"

    # ICE

    def take_check(
        self, data: bytes, request: stun.BindingRequest, address: "Endpoint"
    ) -> bytes | None:
        """The answer to a check; None if it was not made with our password."""
        restarted = request.local == self.local.ufrag
        password = self.local.password if restarted else self._former_password
        if not password or not stun.is_authentic(data, request, password):
            return None
        if restarted and self.former_name:
            self._port.drop_name(self.former_name)
            self.former_name = self._former_password = ""
        self._heard_at = self._loop.time()
        if address not in self.addresses:
            if len(self.addresses) >= MAX_ADDRESSES:
                oldest = next(one for one in self.addresses if one != self._remote)
                del self.addresses[oldest]
                self._port.unbind(oldest)
            self.addresses[address] = None
        self._port.bind(self, address)
        if self._is_chosen(request, address):
            self._choose(address)
        return stun.write_success(request.transaction, *place_of(address), password)

    def take_success(self, data: bytes, endpoint: "Endpoint") -> bool:
        """An answer to a check; False if it is none of ours. An ICE-lite agent makes no checks."""
        return False

    def lose(self, path: TcpPath) -> None:
        """A connection of the peer is gone."""
        self.addresses.pop(path, None)
        if self._remote is path:
            self._remote = next(iter(self.addresses), None)

    def restart(self, local: Credentials) -> None:
        """The peer gathers anew: it may use the new credentials from now on."""
        if not self.former_name:
            self.former_name, self._former_password = self.local.ufrag, self.local.password
        else:
            self._port.drop_name(self.local.ufrag)  # offered and never used
        self.local = local
        self._port.add(self)

    # DTLS

    def _begin(self) -> None:
        if not self._closed:
            try:
                self._send_plain(self._dtls.start())
            except DtlsError as error:
                self.close(str(error))

    def take_dtls(self, data: bytes) -> None:
        """A DTLS datagram of the peer."""
        if self._closed:
            return
        try:
            self._send_plain(self._dtls.feed(data))
        except DtlsError as error:
            self.close(str(error))
            return
        if self.srtp is None and self._dtls.srtp is not None:
            self.srtp = self._dtls.srtp
            self._handler.on_connected()

    # Media

    def take_media(self, data: bytes) -> None:
        """An SRTP or SRTCP packet of the peer."""
        if self.srtp is None:
            return
        try:
            if is_rtcp(data):
                if self._has_said_enough():
                    self._port.surplus += 1
                    raise ValueError("a flood")
                self._handler.on_rtcp(self.srtp.inward.unprotect_rtcp(data))
            else:
                self._handler.on_rtp(self.srtp.inward.unprotect(data))
        except (pylibsrtp.Error, ValueError):
            # Also packets that came twice, which a network may do.
            self._bad += 1
            if self._bad > MAX_BAD_PACKETS:
                self.close("too many packets of no use to this session")

    def _has_said_enough(self) -> bool:
        """Whether this peer's feedback of this second is more than anybody honest has."""
        now = self._loop.time()
        if now - self._feedback_since >= 1.0:
            self._feedback, self._feedback_since = 0, now
        self._feedback += 1
        return self._feedback > WEBRTC_FEEDBACK_PER_SECOND

    def send_rtp(self, packets: Sequence[bytes], runs: Sequence[int] | None = None) -> None:
        """Protect and send; ignored before the keys are there. `runs` as of `WebRtcPort.send`."""
        if self.srtp is not None and self._remote is not None:
            self._port.send(self.srtp.outward.protect_all(packets), self._remote, runs)

    def send_rtcp(self, packet: bytes) -> None:
        if self.srtp is not None and self._remote is not None:
            self._port.send([self.srtp.outward.protect_rtcp(packet)], self._remote)

    def _send_plain(self, datagrams: list[bytes]) -> None:
        if datagrams and self._remote is not None:
            for datagram in datagrams:
                self._port.send([datagram], self._remote)

    # Life

    def check(self, now: float) -> None:
        """Called now and then by the port: repeat the handshake, end what is over."""
        if self.srtp is None:
            if now - self._made_at > WEBRTC_CONNECT_SECONDS:
                known = "no DTLS handshake" if self._remote else "no packet by UDP or TCP"
                self.close(f"not connected within {WEBRTC_CONNECT_SECONDS} s: {known}")
            elif self._begun or not self._is_client:
                self._send_plain(self._dtls.poll())
        elif now - self._heard_at > CONSENT_SECONDS:
            self.close(f"the peer said nothing for {CONSENT_SECONDS:.0f} s")

    def close(self, reason: str) -> None:
        """End it; may be called again."""
        if self._closed:
            return
        self._closed = True
        self._send_plain(self._dtls.close())
        self.srtp = None
        self._port.remove(self)
        self._handler.on_closed(reason)


class Holder(Handler, Protocol):
    """A handler that is told its connection."""

    connection: PeerConnection
