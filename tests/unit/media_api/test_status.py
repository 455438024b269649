"""Statistics and answers of servers."""

from media_api.status import ConfigExternalStatus, ServerStats, SessionInfo, StreamState


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
