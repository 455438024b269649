import pytest
from media_central.cluster_stats import by_pool, cluster_stats, stream_state, streamer_state


@pytest.mark.parametrize(
    ("stream", "state"),
    [
        ({"disabled": True}, "disabled"),
        ({"stats": {"status": "running", "alive": True}}, "operational"),
        ({"stats": {"status": "running", "alive": False}}, "degradated"),
        ({"stats": {"status": "waiting", "running_on": ["s1"]}}, "operational"),
        ({"stats": {"status": "waiting"}}, "outage"),
        ({"stats": {"status": "error"}}, "outage"),
        ({"static": False, "stats": {"status": "waiting"}}, "operational"),
    ],
)
def test_states_of_streams(stream, state):
    assert stream_state(stream) == state


@pytest.mark.parametrize(
    ("streamer", "state"),
    [
        ({}, "outage"),
        ({"stats": {"cpu_usage": 10}}, "operational"),
        ({"stats": {"cpu_usage": 95}}, "degradated"),
        ({"stats": {"id": "x"}, "healthcheck_status": {"status": "error"}}, "partial_outage"),
    ],
)
def test_states_of_streamers(streamer, state):
    assert streamer_state(streamer) == state


def test_an_empty_cluster():
    stats = cluster_stats([], [], 7)
    assert stats["collected_at"] == 7
    assert stats["stream_metrics_total"]["total"] == 0


def test_figures_by_pool_are_of_streamers_that_answer() -> None:
    devices = [{"gpu_enc": 20}, {"gpu_enc": 55}, {"gpu_enc": None}]
    stats = {"cpu_usage": 40, "output_kbit": 900, "transcoder_devices": devices}
    pod = {"hostname": "p-0", "stats": stats, "labels": {"app.kubernetes.io/instance": "p"}}
    streamers = [pod, {"hostname": "out", "stats": {"cpu_usage": 5}}, {"hostname": "silent"}]
    metrics = cluster_stats([], streamers, 0)["streamer_metrics"]
    rows = by_pool(metrics, streamers)
    assert [labels for _, labels in rows] == [
        {"hostname": "p-0", "pool": "p"},
        {"hostname": "out", "pool": ""},
    ]
    assert [figures.get("gpu") for figures, _ in rows] == [55, None]
    assert rows[0][0]["cpu"]["usage"] == 40
