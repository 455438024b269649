"""Whom SRT calls: options of the line and of the URL, refusals without secrets."""

from typing import Any

import pytest
from media_api.input import InputConfig
from media_streamer.protocols.srt.address import SrtAddress
from media_streamer.protocols.srt.libsrt import Option


def address(url: str, **options: Any) -> SrtAddress:
    return SrtAddress.of(InputConfig.model_validate({"url": url, **options}))


def test_options_of_the_line_go_before_those_of_the_url() -> None:
    url = "srt://h.example:9998?streamid=#!::r=a,m=request&passphrase=from-the-url&pbkeylen=32"
    found = address(f"{url}&latency=500", latency=200, connect_timeout=7)
    options = dict(found.options)
    assert (found.host, found.port, found.latency) == ("h.example", 9998, 200)
    assert options[Option.STREAMID] == "#!::r=a,m=request"
    assert options[Option.PASSPHRASE] == "from-the-url"
    assert options[Option.PBKEYLEN] == 32
    assert options[Option.CONNTIMEO] == 7000
    found = address(url, passphrase="of the line", streamid="b", minversion="1.3.0")
    options = dict(found.options)
    assert options[Option.PASSPHRASE] == "of the line"
    assert options[Option.STREAMID] == "b"
    assert options[Option.MINVERSION] == 0x010300
    assert found.latency == 120
    assert Option.PASSPHRASE not in dict(address("srt://[::1]:1").options)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("srt://h", "lacks host or port"),
        ("srt://:9998", "lacks host or port"),
        ("srt://h:x", "cannot be read"),
        ("srt://0.0.0.0:9998?mode=listener", "srt_play"),
        ("srt://h:9998?mode=rendezvous", "mode=caller"),
        ("srt://h:1?passphrase=sh0rt", "10 to 79"),
    ],
)
def test_what_cannot_be_called_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        address(url)
    assert "sh0rt" not in str(raised.value)


def test_an_input_may_be_called() -> None:
    config = InputConfig.model_validate({"url": "srt://:9998?mode=listener&latency=300"})
    found = SrtAddress.of(config, may_listen=True)
    assert (found.host, found.port, found.listens) == ("", 9998, True)
    assert Option.STREAMID not in dict(found.options)


def test_a_version_is_a_lowest_one_and_the_rest_is_sent() -> None:
    options = dict(address("srt://h:1", minversion="1.3.0", version="1.4.1", linger=5).options)
    assert (options[Option.MINVERSION], options[Option.LINGER]) == (0x010401, 5)
    options = dict(address("srt://h:1", version="1.3.0").options)
    assert options[Option.MINVERSION] == 0x010300
    assert Option.LINGER not in options


def test_a_version_that_is_none() -> None:
    with pytest.raises(ValueError, match="no version of SRT"):
        address("srt://h:1", minversion="one")
