import pytest
from media_central.streamers.link import _first_ports, _same_backend

WANTED = "http://key@central:9019/streamer/api/v3/streamers/s1"


@pytest.mark.parametrize(
    ("found", "same"),
    [
        (WANTED, True),
        (WANTED + "/", True),
        (WANTED.replace("key@", "***@"), True),
        (WANTED.replace("key@", "other@"), False),
        (WANTED.replace("key@", ""), False),
        (WANTED.replace("s1", "s2"), False),
        (None, False),
        ({"url": WANTED}, False),
    ],
)
def test_a_hidden_key_counts_as_right_a_wrong_one_does_not(found, same):
    assert _same_backend(found, WANTED) is same


@pytest.mark.parametrize(
    ("config", "port"),
    [
        ({"listeners": {"rtmp": [{"port": 1935}, {"port": 1936}]}}, 1935),
        ({"listeners": {"rtmp": []}}, None),
        ({"listeners": []}, None),
        ({}, None),
        ({"listeners": {"rtmp": [{"port": "many"}]}}, None),
    ],
)
def test_the_first_port_of_a_listener(config, port):
    assert _first_ports(config).get("rtmp") == port
