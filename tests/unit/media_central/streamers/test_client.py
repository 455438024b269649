import pytest
from media_central.streamers.client import StreamerError, api_base, stream_path


@pytest.mark.parametrize(
    ("url", "base"),
    [
        (None, "http://host1/streamer/api/v3"),
        ("http://h:80", "http://h:80/streamer/api/v3"),
        ("http://h:80/", "http://h:80/streamer/api/v3"),
        ("https://h/streamer/api/v3", "https://h/streamer/api/v3"),
        ("http://h/flussonic/api/v3/", "http://h/streamer/api/v3"),
    ],
)
def test_the_api_is_found_with_and_without_its_path(url, base):
    assert api_base("host1", url) == base


def test_the_path_of_a_stream_escapes_slashes():
    assert stream_path("a/b c") == "/streams/a%2Fb%20c"


def test_errors_hide_credentials():
    assert "hidden" not in str(StreamerError("cannot open http://user:hidden@host/x"))
