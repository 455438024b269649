"""Which tokens are a pod's: signed by the API server, for Central, bound to a pod, not expired."""

import json
import time
from datetime import datetime, timedelta, tzinfo
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm
from media_central.pod_identity import DISCOVERY, KEYS, PodIdentities
from media_kube.errors import KubeError

ISSUER = "https://kubernetes.default.svc"
BOUND = {"namespace": "media", "pod": {"name": "streamer-a-0", "uid": "1"}}
OWN = generate_private_key(65537, 2048)
FOREIGN = generate_private_key(65537, 2048)


class ApiServer:
    """What of KubeClient is used: documents by path; without the keys it refuses."""

    def __init__(self, *keys: RSAPrivateKey) -> None:
        self.keys = keys

    async def read(self, path: str) -> dict[str, Any]:
        if not self.keys:
            raise KubeError(403, "Forbidden", "no")
        jwks = [
            {**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": str(number), "use": "sig"}
            for number, key in enumerate(self.keys)
        ]
        return {DISCOVERY: {"issuer": ISSUER}, KEYS: {"keys": jwks}}[path]


async def identities(server: ApiServer, namespace: str | None = "media") -> PodIdentities:
    found = PodIdentities(server, namespace)  # type: ignore[arg-type]
    await found.start()
    await found.close()
    return found


def token(key: RSAPrivateKey = OWN, kid: str = "0", **changes: Any) -> str:
    claims = {
        "iss": ISSUER,
        "aud": ["media-central"],
        "exp": int(time.time()) + 600,
        "kubernetes.io": BOUND,
        **changes,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, "RS256", {"kid": kid})


@pytest.mark.parametrize(
    ("namespace", "hostname"), [("media", "streamer-a-0"), (None, "streamer-a-0.media")]
)
async def test_a_pod_is_the_streamer_of_its_name(namespace: str | None, hostname: str) -> None:
    pods = await identities(ApiServer(OWN), namespace)
    assert pods.hostname(token()) == hostname
    assert pods.hostname(token()) == hostname


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other"},
        {"iss": None},
        {"aud": ["https://kubernetes.default.svc"]},
        {"aud": None},
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"kubernetes.io": {"namespace": "media"}},
        {"kubernetes.io": {"namespace": "other", "pod": {"name": "streamer-a-0"}}},
        {"kubernetes.io": "pod"},
        {"kubernetes.io": None},
    ],
)
async def test_another_token_is_worth_nothing(changes: dict[str, Any]) -> None:
    pods = await identities(ApiServer(OWN))
    assert pods.hostname(token(**changes)) is None


async def test_only_keys_of_the_api_server_count() -> None:
    pods = await identities(ApiServer(OWN))
    assert pods.hostname(token(FOREIGN)) is None
    assert pods.hostname(token(kid="9")) is None
    assert pods.hostname(jwt.encode({"aud": "media-central"}, "", "none")) is None
    assert pods.hostname(jwt.encode({"iss": ISSUER}, "x" * 32, "HS256", {"kid": "0"})) is None


async def test_what_was_judged_is_remembered_until_it_expires() -> None:
    pods = await identities(ApiServer(OWN))
    presented = token()
    assert pods.hostname(presented) == "streamer-a-0"
    pods._keys.clear()
    assert pods.hostname(presented) == "streamer-a-0"
    assert pods.hostname(presented, time.time() + 601) is None


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_clock_that_jumped_is_forgotten_once_it_is_right(
    monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """Who was known stays known for as long as the token says; nothing else is remembered."""
    pods, now = await identities(ApiServer(OWN)), int(time.time())
    known = token(nbf=now, iat=now)
    assert pods.hostname(known) == "streamer-a-0"
    presented = token(nbf=now, iat=now, jti="another")

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(hours=hours)

    with monkeypatch.context() as jumped:
        jumped.setattr(jwt.api_jwt, "datetime", Shifted)
        assert pods.hostname(presented, now + 3600 * hours) is None
        assert (pods.hostname(known, now + 3600 * hours) is not None) is (hours < 0)
    assert pods.hostname(presented) == "streamer-a-0"
    assert pods.hostname(known) == "streamer-a-0"


async def test_keys_that_change_are_read_again() -> None:
    server = ApiServer(OWN)
    pods = await identities(server)
    assert pods.hostname(token(FOREIGN, "1")) is None
    server.keys = (OWN, FOREIGN)
    await pods._refresh()
    assert pods.hostname(token(FOREIGN, "1")) == "streamer-a-0"


async def test_without_keys_nobody_is_known_and_the_log_says_the_way_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pods = await identities(ApiServer())
    assert pods.hostname(token()) is None
    assert "system:service-account-issuer-discovery" in caplog.text


@given(text=st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,40}(\.[A-Za-z0-9_-]{0,40}){2}"))
def test_any_text_is_judged(text: str) -> None:
    pods = PodIdentities(ApiServer(OWN), "media")  # type: ignore[arg-type]
    assert pods.hostname(text) is None
