import pytest
from media_central.server import external_url, own_url, url_for_streamers
from media_central.settings import Settings


@pytest.mark.parametrize(
    "api_url",
    ["http://c:9019", "http://c:9019/streamer/api/v3", "http://c:9019/central/api/v3"],
)
def test_the_address_given_to_streamers_has_the_key_and_escapes_names(api_url):
    settings = Settings(database_url="postgres://x/y", api_key="k/1", api_url=api_url)
    assert external_url(url_for_streamers(settings), "k/1", "a/b") == (
        "http://k%2F1@c:9019/streamer/api/v3/streamers/a%2Fb"
    )
    assert external_url("http://c:9019", "", "a") == "http://c:9019/streamer/api/v3/streamers/a"


def test_a_person_on_this_machine_gets_a_usable_address():
    assert own_url(Settings(database_url="postgres://x/y")) == "http://127.0.0.1:9019"
    assert own_url(Settings(http_address="::1")) == "http://[::1]:9019"
