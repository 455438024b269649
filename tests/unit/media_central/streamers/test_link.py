import pytest
from media_central.streamers.link import _first_ports


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
