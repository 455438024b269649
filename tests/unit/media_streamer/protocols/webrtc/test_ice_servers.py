"""What a peer is told of STUN and TURN servers."""

import base64
import hashlib
import hmac

from media_streamer.protocols.webrtc.ice_servers import ice_links
from media_streamer.wire.control import IceServer


def test_each_server_is_a_link() -> None:
    servers = [
        IceServer("stun:stun.example.org", "never", "told"),
        IceServer("turn:turn.example.org?transport=tcp", "me", 'a "word" \\ two'),
    ]
    assert ice_links(servers, 0) == [
        '<stun:stun.example.org>; rel="ice-server"',
        '<turn:turn.example.org?transport=tcp>; rel="ice-server"; username="me";'
        ' credential="a \\"word\\" \\\\ two"; credential-type="password"',
    ]
    assert ice_links([], 0) == []


def test_credentials_of_a_secret_hold_for_a_while_and_do_not_tell_it() -> None:
    (link,) = ice_links([IceServer("turn:t", secret="se cret", lifetime_seconds=60)], 1000.7)
    digest = hmac.digest(b"se cret", b"1060:media", hashlib.sha1)
    assert 'username="1060:media"' in link
    assert f'credential="{base64.b64encode(digest).decode()}"' in link
    assert "se cret" not in link
