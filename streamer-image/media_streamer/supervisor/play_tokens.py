"""Play tokens: by them whoever may read the API watches one stream, whatever its viewers need.

token = `operator.END.SALT.SIGNATURE`, SIGNATURE the HMAC-SHA256 (RFC 2104) over the name of the
stream, END (Unix seconds) and SALT. A session begins before END; it goes on after that, because it
is found by the token and the address that it began with.

Invariants: a token is good for one stream, and for playing only. The key is that of the cluster,
so that a viewer may be sent to another of its servers; without one it is this process's own, and
its tokens end with it. What is no token of this server's is left to the rules for viewers.
"""

import base64
import hmac
import secrets

LIFE_SECONDS = 60
"""From its making to the beginning of a session: a player that tries one protocol after another."""
USER = "operator"
"""`user_id` of such a session."""
_SALT_BYTES = 9
_MAX_LENGTH = 128
_MAX_TIME_DIGITS = 12


class PlayTokens:
    """Makes them, and knows them again."""

    def __init__(self) -> None:
        self._own_key = secrets.token_hex(32)

    def make(self, name: str, cluster_key: str | None, now: float) -> str:
        """A token for this stream; `now` is Unix seconds."""
        head = f"{USER}.{int(now) + LIFE_SECONDS}.{secrets.token_urlsafe(_SALT_BYTES)}"
        return f"{head}.{self._signature(head, name, cluster_key)}"

    def end_of(self, token: str, name: str, cluster_key: str | None) -> int | None:
        """Unix seconds until which a session may begin with it; None: it is none for this."""
        if not token.startswith(f"{USER}.") or len(token) > _MAX_LENGTH or not token.isascii():
            return None
        head, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature, self._signature(head, name, cluster_key)):
            return None
        end = head.split(".")[1]  # what is signed was made above
        return int(end) if end.isdigit() and len(end) <= _MAX_TIME_DIGITS else None

    def _signature(self, head: str, name: str, cluster_key: str | None) -> str:
        key = (cluster_key or self._own_key).encode(errors="surrogatepass")
        text = f"play\0{name}\0{head}".encode(errors="surrogatepass")
        return base64.urlsafe_b64encode(hmac.digest(key, text, "sha256")).decode().rstrip("=")
