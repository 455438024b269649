"""Statistics and answers of servers."""

import pytest
from media_api.status import ConfigExternalStatus, ServerStats, SessionInfo, StreamState, is_alive


@pytest.mark.parametrize(
    ("delay", "alive"), [(None, False), (0, True), (12_000, True), (12_001, False)]
)
def test_alive(delay: int | None, alive: bool) -> None:
    assert is_alive(delay) is alive


def test_stream_answer_keeps_what_the_server_added() -> None:
    answer = {
        "name": "a",
        "named_by": "external",
        "inputs": [{"url": "fake://fake", "stats": {"active": True, "bytes": 5}}],
        "config_on_disk": {"name": "a"},
        "stats": {
            "status": "running",
            "alive": True,
            "media_info": {"tracks": [{"content": "video", "track_id": "v1", "codec": "h264"}]},
            "input": {"bytes": 5, "errors_lost_packets": 1},
        },
    }
    assert StreamState.parse(answer).explicit() == answer


def test_reserved_words_keep_their_names() -> None:
    status = ConfigExternalStatus.parse({"status": "error", "while": "refresh", "code": 500})
    assert status.explicit() == {"status": "error", "while": "refresh", "code": 500}


def test_defaults_of_counters() -> None:
    assert ServerStats().effective()["total_clients"] == 0
    assert SessionInfo(id="x").effective()["type"] == "play"
