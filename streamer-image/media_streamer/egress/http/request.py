"""A parsed request for media, and the answers that all protocols share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web
from multidict import CIMultiDict

from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.http.more_headers import MoreHeaders, chosen
from media_streamer.wire.control import AccessKind, AccessRequest

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "*",
}
RETRY_SECONDS = "2"
CLUSTER_SCHEMES = ("Cluster ", "Bearer ")
"""How another server of the cluster shows that it is one."""
OWN_ARCHIVE = "X-Own-Archive"
"""Header of a server that wants what this one has itself, and not what it would ask others for
(`remote_dvr nochain`, segments of a live stream)."""
IP = web.RequestKey("ip", str)
SESSION = web.RequestKey("session", str)
COUNTRY = web.RequestKey("country", str)
"""What is known of a request once it is handled, for the log of requests."""
MORE = web.RequestKey("more", MoreHeaders)
"""The same as `MediaRequest.more`, for what has the bare request."""


@dataclass(slots=True)
class MediaRequest:
    """What a viewer or publisher sent; nobody changes it (making it frozen costs a microsecond)."""

    http: web.BaseRequest
    name: str
    """Of the stream."""
    values: Mapping[str, str]
    """What else the path says: the groups of the route's expression."""
    query: Mapping[str, str]
    ip: str
    token_parameter: str
    more: MoreHeaders | None = None
    """What the stream says in its answers; known once the request is of a session."""

    @property
    def token(self) -> str:
        return self.query.get(self.token_parameter, "")

    @property
    def proof(self) -> str:
        """What another server of the cluster shows to be one; empty for everybody else."""
        authorization = plain_text(self.http.headers.get("Authorization", ""))
        return authorization if authorization.startswith(CLUSTER_SCHEMES) else ""

    @property
    def is_of_server(self) -> bool:
        """Another server of the cluster asks, as it says, for what this one has itself."""
        return OWN_ARCHIVE in self.http.headers and bool(self.proof)

    def access_request(self, proto: str, kind: AccessKind = "play") -> AccessRequest:
        """The question to the supervisor."""
        headers = self.http.headers
        return AccessRequest(
            name=self.name,
            proto=proto,
            kind=kind,
            ip=self.ip,
            token=self.token,
            qs=self.http.rel_url.raw_query_string,
            password=self.query.get("password", ""),
            user_agent=plain_text(headers.get("User-Agent", "")),
            referer=plain_text(headers.get("Referer", "")),
            authorization=self.proof,
            own_archive=OWN_ARCHIVE in headers,
            path=self.http.rel_url.raw_path,
        )

    def note(self, access: Access) -> None:
        """The session that this is a part of, for the log of requests."""
        self.http[SESSION] = access.session_id
        self.http[COUNTRY] = access.country
        if rules := access.config.playback_headers:
            asked = access.request
            self.more = self.http[MORE] = chosen(rules, asked.proto, archive=asked.archive)

    def session_query(self, token: str) -> str:
        """`?token=…` for the URLs below this one, empty without a token."""
        return f"?{self.token_parameter}={quote(token, safe='')}" if token else ""


def plain_text(header: str) -> str:
    """A header's value with U+FFFD for bytes that are no UTF-8, which nothing could pass on."""
    if header.isascii():
        return header
    return header.encode(errors="surrogateescape").decode(errors="replace")


def peer_ip(request: web.BaseRequest) -> str:
    """Address of whom the connection is with."""
    return plain_ip(request.transport.get_extra_info("peername") if request.transport else None)


def plain_ip(peername: object) -> str:
    """Address of a peer as text; IPv4 addresses stay so on a socket for both families."""
    if not isinstance(peername, tuple) or not peername:
        return ""
    return str(peername[0]).removeprefix("::ffff:")


def preflight(methods: Iterable[str]) -> web.Response:
    """Which methods any web page may use here."""
    headers = {
        **CORS,
        "Access-Control-Allow-Methods": ", ".join((*methods, "OPTIONS")),
        "Access-Control-Allow-Headers": "*",
        "Access-Control-Max-Age": "86400",
    }
    return web.Response(status=204, headers=headers)


def answer(
    body: bytes, content_type: str, *, cache: str = "no-cache", status: int = 200
) -> web.Response:
    """A complete response that any web page may read."""
    headers = CIMultiDict(CORS)
    headers["Content-Type"] = content_type
    headers["Cache-Control"] = cache
    return web.Response(status=status, body=body, headers=headers)


def refuse(denied: AccessDenied) -> web.Response:
    """The answer to a request that is refused."""
    headers = CIMultiDict(CORS)
    headers["X-Error"] = denied.code
    headers["Cache-Control"] = "no-store"
    if denied.location:
        headers["Location"] = denied.location
    if denied.status == 503:
        headers["Retry-After"] = RETRY_SECONDS
    return web.Response(status=denied.status, text=denied.title + "\n", headers=headers)
