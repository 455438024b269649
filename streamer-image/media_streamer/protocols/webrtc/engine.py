"""What all WebRTC sessions of a worker share: its certificate, its port, its resources by HTTP.

A worker owns the sessions whose offers it answered. The URL of a session names the worker, since
the kernel may give the next request to another one, which then passes it on.
"""

import logging
import re
import secrets
import socket
from dataclasses import dataclass

from aiohttp import web

from media_streamer.budgets import WEBRTC_ADDRESS_UNCONNECTED
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.listeners import bind_datagram
from media_streamer.protocols.webrtc.answer import Place, is_address
from media_streamer.protocols.webrtc.connection import Credentials, PeerConnection
from media_streamer.protocols.webrtc.dtls import Identity, identity_of_process
from media_streamer.protocols.webrtc.port import WebRtcPort

log = logging.getLogger(__name__)

PORT_ATTEMPTS = 8
_RESOURCE = re.compile(r"(\d{1,3})-[A-Za-z0-9_-]{8,64}")


@dataclass(slots=True)
class Resource:
    """A session as HTTP shows it."""

    name: str
    """Of the stream."""
    session_id: str
    connection: PeerConnection
    remote_ufrag: str
    """The peer's name in this ICE session; another one restarts it."""
    ip: str
    """Of the offer."""
    tag: str
    """Entity tag of the ICE session (RFC 9725 4.3.1)."""


class WebRtcEngine:
    """One of a worker."""

    def __init__(self, egress: Egress) -> None:
        self.egress = egress
        self._port: WebRtcPort | None = None
        self._resources: dict[str, Resource] = {}

    @property
    def identity(self) -> Identity:
        return identity_of_process()

    @property
    def port(self) -> WebRtcPort:
        """The configured port, else any that is free; raises AccessDenied(503)."""
        if self._port is None:
            try:
                self._port = self._free_port()
            except OSError as error:
                log.error("webrtc: no UDP port: %s", error)
                title = "The server has no UDP port left"
                raise AccessDenied(503, "no_port", title) from error
            log.info(
                "webrtc: port %d, any that was free: `webrtc PORT;` gives a fixed one",
                self._port.number,
            )
        if self._port.is_full:
            raise AccessDenied(503, "too_many_sessions", "Too many WebRTC sessions; try again")
        return self._port

    def _free_port(self) -> WebRtcPort:
        """One whose number is free for TCP as well, as far as that is to be had. Raises OSError."""
        for _ in range(PORT_ATTEMPTS):
            port = WebRtcPort(bind_datagram("", 0))
            if port.listen(self.egress.door):
                return port
            port.close()
        return WebRtcPort(bind_datagram("", 0))

    def use(self, sock: socket.socket) -> WebRtcPort:
        """New sessions are served at this socket from now on."""
        if self._port is not None:
            self._port.close()
        self._port = WebRtcPort(sock)
        if not self._port.listen(self.egress.door):
            number = self._port.number
            log.warning("webrtc: TCP port %d is in use: viewers come by UDP only", number)
        return self._port

    def leave(self, port: WebRtcPort) -> None:
        """The port takes no new sessions."""
        port.close()
        if self._port is port:
            self._port = None

    def credentials(self) -> Credentials:
        """New ones for a session."""
        return Credentials.new(self.port.new_name())

    def place(self, request: web.BaseRequest, local: Credentials, setup: str) -> Place:
        """Where the peer of this request reaches us."""
        hosts = self.egress.webrtc_addresses or hosts_of(request)
        port = self.port
        own = self.identity.fingerprint
        return Place(local.ufrag, local.password, own, setup, hosts, port.number, port.has_tcp)

    # Resources

    def new_id(self) -> str:
        """Name of a session in its URL: who knows it may end the session."""
        return f"{self.egress.worker}-{secrets.token_urlsafe(12)}"

    def add(self, resource_id: str, resource: Resource) -> None:
        self._resources[resource_id] = resource

    def admit(self, ip: str) -> None:
        """Raises AccessDenied(429) for an address with too many sessions that do not connect."""
        found = self._resources.values()
        if sum(one.ip == ip and one.connection.srtp is None for one in found) >= (
            WEBRTC_ADDRESS_UNCONNECTED
        ):
            title = "Too many sessions of your address wait for their connection"
            raise AccessDenied(429, "too_many_offers", title)

    def forget(self, resource_id: str) -> None:
        self._resources.pop(resource_id, None)

    def find(self, name: str, resource_id: str) -> Resource:
        """A session of this worker; raises AccessDenied(404)."""
        found = self._resources.get(resource_id)
        if found is None or found.name != name:
            raise AccessDenied(404, "no_session", "The session is over")
        return found

    def owner(self, resource_id: str) -> int | None:
        """The worker that serves a session, if it is another one."""
        match = _RESOURCE.fullmatch(resource_id)
        worker = int(match[1]) if match else self.egress.worker
        return None if worker == self.egress.worker else worker


def hosts_of(request: web.BaseRequest) -> list[str]:
    """Addresses by which the peer reached us, and that of this machine: what can be known without
    being told. Behind NAT or a proxy elsewhere `webrtc_addresses` says it."""
    host = request.headers.get("Host", "")
    name = host.rpartition("]")[0].lstrip("[") or host.partition(":")[0]
    local = request.transport.get_extra_info("sockname") if request.transport else None
    here = str(local[0]).removeprefix("::ffff:") if isinstance(local, tuple) else ""
    found = [name, here]
    found += [_outward(socket.AF_INET, "192.0.2.1"), _outward(socket.AF_INET6, "2001:db8::1")]
    usable = [one.partition("%")[0] for one in found if is_address(one)]
    return list(dict.fromkeys(usable)) or ["127.0.0.1"]


def _outward(family: socket.AddressFamily, towards: str) -> str:
    """Address of this machine on the way to the network; empty if it has none. Sends nothing."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((towards, 9))
            return str(probe.getsockname()[0])
        except OSError:
            return ""


_engines: dict[int, WebRtcEngine] = {}


def engine_of(egress: Egress) -> WebRtcEngine:
    """The engine of this worker."""
    found = _engines.get(id(egress))
    if found is None or found.egress is not egress:
        found = _engines[id(egress)] = WebRtcEngine(egress)
    return found
