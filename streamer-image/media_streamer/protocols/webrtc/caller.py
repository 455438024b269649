"""A peer that we call: the controlling agent of ICE (RFC 8445), which checks where the peer is.

The first of its addresses that answers is used: who is called is a server, whose addresses differ
little. Checks go on as our consent (RFC 7675); the peer's answers are its own.
"""

import os
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from media_streamer.protocols.webrtc import stun
from media_streamer.protocols.webrtc.connection import Credentials, Handler, PeerConnection
from media_streamer.protocols.webrtc.dtls import Identity

if TYPE_CHECKING:
    from media_streamer.protocols.webrtc.port import Endpoint, WebRtcPort

MAX_CANDIDATES = 8
"""Of a peer; a server has two or three."""
CONSENT_CHECK_SECONDS = 4.0
_MAX_PENDING = 4 * MAX_CANDIDATES


class CalledPeer(PeerConnection):
    """Made when the answer is there; the port is this connection's alone."""

    def __init__(
        self,
        port: "WebRtcPort",
        identity: Identity,
        local: Credentials,
        remote: Credentials,
        candidates: Sequence["Endpoint"],
        fingerprint: str,
        handler: Handler,
        *,
        is_client: bool,
    ) -> None:
        super().__init__(port, identity, local, fingerprint, handler, is_client=is_client)
        self._username = f"{remote.ufrag}:{local.ufrag}"
        self._password = remote.password
        self._tie_breaker = secrets.randbits(64)
        self._pending: dict[bytes, None] = {}
        self._candidates = list(candidates[:MAX_CANDIDATES])
        self._next_check = 0.0
        for candidate in self._candidates:
            # What comes from there is looked at; DTLS and the integrity of STUN say whose it is.
            self.addresses[candidate] = None
            port.bind(self, candidate)
        self._ask(self._candidates)

    def check(self, now: float) -> None:
        """Checks until an address answers, and to that one as long as the session lasts."""
        if self._remote is None:
            self._ask(self._candidates)
        elif now >= self._next_check:
            self._next_check = now + CONSENT_CHECK_SECONDS
            self._ask([self._remote])
        super().check(now)

    def take_success(self, data: bytes, endpoint: "Endpoint") -> bool:
        """The peer is there."""
        transaction = stun.parse_success(data, self._password)
        if transaction is None or transaction not in self._pending:
            return False
        del self._pending[transaction]
        self._heard_at = self._loop.time()
        if self._remote is None:
            self._next_check = self._heard_at + CONSENT_CHECK_SECONDS
            self._choose(endpoint)
        return True

    def _is_chosen(self, request: stun.BindingRequest, endpoint: "Endpoint") -> bool:
        return False  # we are the one who chooses

    def _ask(self, endpoints: Sequence["Endpoint"]) -> None:
        for endpoint in endpoints:
            transaction = os.urandom(12)
            self._pending[transaction] = None
            if len(self._pending) > _MAX_PENDING:
                del self._pending[next(iter(self._pending))]
            data = stun.write_request(
                transaction,
                self._username,
                self._password,
                nominates=True,
                tie_breaker=self._tie_breaker,
            )
            self._port.send([data], endpoint)
