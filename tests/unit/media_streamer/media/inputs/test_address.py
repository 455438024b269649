"""Credentials never leave through a URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.inputs.address import without_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://admin:pw@10.0.0.1:554/ch", "rtsp://***@10.0.0.1:554/ch"),
        ("rtsp://admin@10.0.0.1/ch", "rtsp://***@10.0.0.1/ch"),
        ("rtsp://a:p@b@host/ch", "rtsp://***@host/ch"),
        ("tshttp://host/a?token=abc&x=1", "tshttp://host/a?token=***&x=***"),
        ("srt://host:9000?passphrase=abc", "srt://host:9000?passphrase=***"),
        ("fake://fake", "fake://fake"),
        ("publish://", "publish://"),
        ("file:///a/b.mp4", "file:///a/b.mp4"),
        ("udp://[ff15::1]:5000", "udp://[ff15::1]:5000"),
        ("no url pw", "***"),
        ("rtsp://user:p/w?x#y@host/ch", "rtsp://***@host/ch"),
    ],
)
def test_shown(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


@given(st.text(alphabet="abc:@/?&=#[]%", max_size=20))
def test_user_and_password_are_never_shown(rest: str) -> None:
    assert "S3CRET" not in without_credentials(f"rtsp://user:S3CRET@host{rest}")
