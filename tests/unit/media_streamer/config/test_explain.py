"""`--check --explain`: a line a directive, with what becomes of it and without secrets."""

import io
from pathlib import Path

from media_streamer.config.check import check

CONFIG = """\
http 80;
edit_auth admin SECRET;
cluster_key SECRET;
iptv;
geoip /countries.mmdb;
stream a {
  url rtsp://user:SECRET@cam/1 timeout=10;
  drm aes128;
  push rtmp://host/live2/SECRET;
  password SECRET;
  labels { a b; }
  on_play securetoken://SECRET;
}
stream b {
  input fake://fake bogus=1;
  drm aes128;
}
"""


def explained(tmp_path: Path, text: str) -> tuple[int, list[str]]:
    path = tmp_path / "a.conf"
    path.write_text(text)
    out = io.StringIO()
    status = check(path, {}, out, every=True)
    return status, [line.removeprefix(f"{path}:") for line in out.getvalue().splitlines()]


def verdicts(lines: list[str]) -> dict[int, str]:
    found = {}
    for line in lines:
        number, colon, rest = line.partition(": ")
        if colon and number.isdigit():
            found[int(number)] = rest.partition(": ")[0]
    return found


def test_each_directive_has_its_verdict(tmp_path: Path) -> None:
    status, lines = explained(tmp_path, CONFIG)
    assert status == 1
    assert verdicts(lines) == {
        1: "works",
        2: "works",
        3: "works",
        4: "no effect",
        5: "differs",
        6: "works",
        7: "works",
        8: "no effect",
        9: "works",
        10: "works",
        11: "works",
        12: "works",
        14: "works",
        15: "error",
        16: "no effect",
    }
    assert lines[-2:] == [" 10 works, 1 differs, 3 no effect, 1 error", " 1 error"]


def test_no_secret_is_shown(tmp_path: Path) -> None:
    assert "SECRET" not in "\n".join(explained(tmp_path, CONFIG)[1])


def test_an_object_with_an_option_that_does_nothing_works_partly(tmp_path: Path) -> None:
    _, lines = explained(tmp_path, "stream a { input fake://x; dvr /a 7d replicate; }\n")
    assert lines[2].startswith("1: partly: dvr /a …: dvr_replicate of dvr")


def test_an_older_spelling_is_told(tmp_path: Path) -> None:
    assert (
        "1: works: notify h: written event_sink here"
        in explained(tmp_path, "notify h { sink http://b/; }\n")[1]
    )


def test_a_file_that_is_none_is_explained_too(tmp_path: Path) -> None:
    status, lines = explained(tmp_path, "stream a {\n")
    assert status == 1
    assert any("never closed" in line for line in lines)
    assert explained(tmp_path, "")[1] == [" no directives", " ok, 0 streams"]


def test_a_file_that_is_not_there_is_a_reason_and_no_verdict(tmp_path: Path) -> None:
    _, lines = explained(tmp_path, "notify a { sink /no/events.lua; }\nvod v { path /no; }\n")
    text = "\n".join(lines)
    assert (
        "works: sink /no/events.lua: written url here; the script /no/events.lua does not exist"
        in text
    )
    assert "there is no directory /no" in text
    assert verdicts(lines) == {1: "works", 2: "works"}
