"""Event sinks write below one directory."""

from pathlib import Path

import pytest
from media_streamer.config.load import load
from media_streamer.config.log_files import log_directory, log_file


def test_files_below_the_directory() -> None:
    logs = Path("/var/log/x")
    assert log_file("log:///var/log/x/a.log", logs) == logs / "a.log"
    assert log_file("jsonlog://sub/a.json", logs) == logs / "sub/a.json"
    assert log_directory({}) == Path("/var/log/flussonic")
    assert log_directory({"STREAMER_LOG_DIR": "/srv/logs"}) == Path("/srv/logs")


@pytest.mark.parametrize(
    "url",
    ["log:///etc/cron.d/x", "log:///var/log/x", "log:///var/log/x/../y", "log://../y",
     "log:///var/log/xy/a", "log://", "log:///var/log/x/a\0b"],
)  # fmt: skip
def test_files_elsewhere(url: str) -> None:
    with pytest.raises(ValueError, match="STREAMER_LOG_DIR"):
        log_file(url, Path("/var/log/x"))


def test_the_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "flussonic.conf"
    path.write_text("http 80;\nevent_sink s { url log:///etc/passwd; }\n")
    [error] = load(path, {"STREAMER_LOG_DIR": str(tmp_path)}).errors
    assert (error.line, error.code) == (2, "bad_url")
    assert str(tmp_path) in error.detail
