"""URLs are taken apart, or refused in words that repeat none of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.outgoing.url import MAX_URL_CHARACTERS, Url, UrlError

PORTS = {"rtsp": 554, "rtsps": 322}


def test_the_parts() -> None:
    found = Url.of("RTSP://us%40er:pa%3Ass@[::1]:5/a%20b?x=1#y", PORTS, "rtsp")
    assert (found.scheme, found.host, found.port) == ("rtsp", "::1", 5)
    assert (found.user, found.password) == ("us@er", "pa:ss")
    assert (found.path, found.bare) == ("/a%20b?x=1", "rtsp://[::1]:5/a%20b?x=1")
    assert "pa" not in repr(found)
    assert Url.of("rtsps://h", PORTS, "rtsp").port == 322


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rtsp:///name", "lacks a host: write rtsp://HOST/NAME"),
        ("rtsp://u:secret@/x", "lacks a host"),
        ("rtsp://h:x/secret", "cannot be read"),
        ("rtsp://h:70000/", "cannot be read"),
        ("rtsp://[/secret", "cannot be read"),
        ("rtsp://h/" + "x" * MAX_URL_CHARACTERS, "too long"),
        ("http://u:secret@h/", "a http address, not rtsp"),
        ("/secret", "a relative address, not rtsp"),
    ],
)
def test_what_leads_nowhere(url: str, words: str) -> None:
    with pytest.raises(UrlError, match=words) as refused:
        Url.of(url, PORTS, "rtsp")
    assert "secret" not in str(refused.value)


@given(st.one_of(st.text(), st.text().map(lambda rest: f"rtsp://{rest}")))
def test_any_text_is_read_or_refused(url: str) -> None:
    try:
        found = Url.of(url, PORTS, "rtsp")
    except UrlError:
        return
    assert found.host
    assert 0 < found.port < 65536
