"""Files as people get them wrong: what is said, at which word, and what to write instead."""

import io
from pathlib import Path

import pytest
from media_api.events import EVENTS
from media_streamer.config.check import check

FAKE = "input fake://fake;"
WRONG = [
    # Grammar.
    ("strem a { }", "1:1", "did you mean stream?"),
    ("stream a {\n  input fake://fake\n  title X;\n}", "2:20", "; is missing before title"),
    ("stream a {\n  title X;\nstream b { }", "3:1", "is } missing before it?"),
    (f"stream a {{ {FAKE} }} }}", "1:33", "} closes nothing"),
    ("// main\n", "1:1", "# begins a comment"),
    ('{"streams": []}', "1:1", "JSON stands in a file whose name ends in .json"),
    # Directives in the wrong place.
    (FAKE, "1:1", "it stands in stream NAME { … }"),
    (f"stream a {{ {FAKE} allowed_countries DE; }}", "1:31", "it stands in on_play { … }"),
    # Units and types.
    (f"stream a {{ {FAKE} dvr /x 7days; }}", "1:38", "durations are 90, 48h or 7d"),
    (f"stream a {{ {FAKE} dvr /x 7d 40X; }}", "1:41", "sizes 40G"),
    ("total_bandwidth 10 Gbit;", "1:20", "rates 10M, in one word"),
    (f"stream a {{ {FAKE} segment_count many; }}", "1:45", "segment_count must be a whole number"),
    (f"stream a {{ {FAKE} segment_duration 0; }}", "1:48", "milliseconds; a file has seconds"),
    (f"stream a {{ {FAKE} epg_enabled perhaps; }}", "1:43", "epg_enabled must be true or false"),
    (
        f"stream a {{ {FAKE} srt_play {{ port 9999; passphrase short; }} }}",
        "1:64",
        "passphrase must have at least 10 characters",
    ),
    (f"stream a {{ {FAKE} transcoder vb=1M size=640; }}", "1:53", "write WIDTHxHEIGHT"),
    (f"stream a {{ {FAKE} dvr archive 1d; }}", "1:35", "a path begins with /: /archive"),
    ("pulsedb data;", "1:9", "write /…/data"),
    # Addresses.
    ("stream a { input timeshift://cam; }", "1:18", "write timeshift://NAME/3600"),
    ("stream a { input rtsp:///cam; }", "1:18", "names no host: write rtsp://HOST/…"),
    ("stream a { input rtsp://h:99999/cam; }", "1:18", "the port is no number of 1 to 65535"),
    ("stream a { input udp://239.0.0.1; }", "1:18", "names no port: write udp://HOST:PORT"),
    ("stream a { input rtmp://h; }", "1:18", "write rtmp://HOST/APPLICATION/NAME"),
    (f"stream a {{ {FAKE} push rtmp://h/; }}", "1:36", "push: the URL names no stream"),
    ("api_allowed_from 10.0.0.0/33;", "1:18", "write 10.0.0.0/8 or 10/8"),
    ("webrtc 8443;\nwebrtc 8444;", "2:8", "2 workers have 8443 to 8444"),
    ("webrtc 8443;\nsrt 8444;", "2:5", "give them two"),
    # Names.
    (f"stream a {{ {FAKE} }}\nstream a {{ {FAKE} }}", "2:8", "declared at"),
    ("stream a* { }", "1:8", "only Latin letters"),
    ("stream a { input copy://camera; }\nstream camera1 { }", "1:18", "did you mean camera1?"),
    ("stream a { input copy://b; }\nstream b { input copy://a; }", "1:18", "copy what it copies"),
    ("template t { prefix x; }\ntemplate u { prefix x; }", "2:21", "is that of template 't'"),
    (f"stream a {{ template nope; {FAKE} }}", "1:21", "no template is called 'nope'"),
    ("cache kept /c 2d;\nsource h;", "1:1", "write `cache @kept;` in a source, a stream or"),
    ("notify x { sink http://h; only event=play_open; }", "1:1", "no event is called play_open"),
]  # fmt: skip


def checked(path: Path, text: str) -> list[str]:
    path.write_text(text)
    out = io.StringIO()
    check(path, {"STREAMER_EGRESS_WORKERS": "2"}, out)
    return [line.removeprefix(f"{path}:") for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(("text", "place", "words"), WRONG)
def test_what_is_wrong_is_said_at_its_word(
    tmp_path: Path, text: str, place: str, words: str
) -> None:
    lines = checked(tmp_path / "a.conf", text)
    assert any(line.startswith(f"{place}: ") and words in line for line in lines), lines


def test_films_that_are_not_there(tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    text = (
        f"vod films {{ storage {films}; }}\nvod far {{ storage http://h/films; }}\n"
        "stream a { input file://films/a.mp4; backup films/b.mp4; }\n"
        "stream b { input fake://fake; backup far/b.mp4; }\n"
    )
    lines = checked(tmp_path / "a.conf", text)[:-1]
    assert [line.partition(": ")[0] for line in lines] == ["3:18", "3:45"], lines
    assert "vod films has no file b.mp4" in lines[1]
    for name in ("a.mp4", "b.mp4"):
        (films / name).touch()
    assert checked(tmp_path / "a.conf", text)[:-1] == []


@pytest.mark.parametrize(
    "text",
    [
        "stream a { input udp://:5000; input udp://@239.0.0.1:5000; }",
        "stream a { input srt://:9000?mode=listener; }",
        "stream a { input srt://h:9000?streamid=#!::r=a; input rtmp://h/a/b; }",
        "stream a { input rtsp://user:p%40ss@[::1]:554/cam; push udp://239.0.0.1:5000; }",
        "stream a { input copy://live/x; }\nlive live { }",
        "source h.example.com;\nstream a { input copy://x; }",
        "cache c /c;\ncache d /d;\nsource h { cache @c; group g { cache @d; } }",
        "notify x { sink http://h; only event=stream_*,play_opened media=a; except event=*; }",
    ],
)  # fmt: skip
def test_nothing_is_said_of_what_is_right(tmp_path: Path, text: str) -> None:
    assert checked(tmp_path / "a.conf", text)[:-1] == []


def test_events_are_those_of_the_page() -> None:
    page = Path(__file__).parents[4] / "docs/events.md"
    rows = [line.split("|")[1] for line in page.read_text().splitlines() if line.startswith("| `")]
    told = {word.strip(" `,") for row in rows for word in row.split(",") if "_" in word}
    assert told >= EVENTS
    assert {one for one in told if one.startswith(("stream_", "play_", "push_"))} <= EVENTS
