"""Play URLs of a stream."""

from dataclasses import asdict

from media_api.play_urls import play_urls
from media_api.playback import ProtocolsSpec, denied_switches


def urls(*args: object, **kwargs: object) -> dict[str, str]:
    return {entry.title: entry.url for entry in play_urls(*args, **kwargs)}  # type: ignore[arg-type]  # test shorthand


def test_every_form() -> None:
    assert urls("sport/one", "http://media.example:8080/", {"rtmp": 1935}) == {
        "HLS": "http://media.example:8080/sport/one/index.m3u8",
        "LL-HLS": "http://media.example:8080/sport/one/index.ll.m3u8",
        "HLS, fragmented MP4": "http://media.example:8080/sport/one/index.fmp4.m3u8",
        "DASH": "http://media.example:8080/sport/one/index.mpd",
        "DASH, low latency": "http://media.example:8080/sport/one/index.ll.mpd",
        "HTTP MPEG-TS": "http://media.example:8080/sport/one/mpegts",
        "HTTP-FLV": "http://media.example:8080/sport/one.flv",
        "MSE over a WebSocket": "ws://media.example:8080/sport/one/mse_ld",
        "WebRTC (WHEP)": "http://media.example:8080/sport/one/whep",
        "Player page": "http://media.example:8080/sport/one/embed.html",
        "Last picture": "http://media.example:8080/sport/one/preview.jpg",
        "RTMP": "rtmp://media.example/static/sport/one",
    }


def test_denied_protocols_are_left_out() -> None:
    assert "HLS" not in urls("a", "http://h", denied={"hls"})
    assert "RTMP" not in urls("a", "http://h", {"rtmp": 1935}, denied=["rtmp"])


def test_rtmp_port_and_ipv6_host() -> None:
    assert urls("a", "http://[::1]:8080", {"rtmp": 19350})["RTMP"] == "rtmp://[::1]:19350/static/a"
    assert "RTMP" not in urls("a", "http://h")


def test_of_an_encrypted_stream_what_is_encrypted_is_told() -> None:
    off = denied_switches(ProtocolsSpec(mseld=False), encrypted=False)
    assert off == {"mseld"}
    assert set(urls("a", "http://h", {"rtmp": 1}, denied_switches(None, encrypted=True))) == {
        "HLS",
        "Player page",
    }
    assert denied_switches(ProtocolsSpec(hls=False), encrypted=True) >= {"hls", "dash"}


def test_json_has_every_field() -> None:
    first = play_urls("a", "http://h")[0]
    assert first.as_json() == asdict(first)


def test_places_are_those_of_the_ports_that_are_given() -> None:
    ports = [{"rtmp": 1935}, {"rtmp": 1936}, {}, {"rtmp": 1935}]
    found = [urls("a", "http://h", given).get("RTMP") for given in ports]
    assert found == ["rtmp://h/static/a", "rtmp://h:1936/static/a", None, "rtmp://h/static/a"]
