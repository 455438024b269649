"""Stored files go only to whom the origin let in."""

from media_streamer.cache.grants import GRANT_SECONDS, Grants


def test_a_token_is_good_for_its_stream_and_time_only():
    grants = Grants()
    assert not grants.allows("a", "token=x", 0, public=False)
    grants.accepted("a", "token=x", 0)
    assert grants.allows("a", "token=x", GRANT_SECONDS - 1, public=False)
    assert not grants.allows("a", "token=x", GRANT_SECONDS, public=False)
    assert not grants.allows("b", "token=x", 1, public=False)
    assert not grants.allows("a", "token=y", 1, public=False)
    assert not grants.allows("a", "", 1, public=False)


def test_refusal_ends_a_grant_at_once():
    grants = Grants()
    grants.accepted("a", "token=x", 0)
    grants.refused("a", "token=x")
    assert not grants.allows("a", "token=x", 1, public=False)


def test_public_files_until_an_anonymous_viewer_is_refused():
    grants = Grants()
    assert grants.allows("a", "", 0, public=True)
    assert grants.allows("a", "token=any", 0, public=True)
    grants.refused("a", "token=any")
    assert grants.allows("a", "", 0, public=True), "a wrong token says nothing about the stream"
    grants.refused("a", "")
    assert not grants.allows("a", "", 0, public=True)
    assert not grants.allows("a", "token=any", 0, public=True)
    assert grants.allows("b", "", 0, public=True)
    grants.accepted("a", "", 0)
    assert grants.allows("a", "token=any", 0, public=True)


def test_bounded():
    grants = Grants(most=3)
    for number in range(10):
        grants.accepted("a", str(number), 0)
    assert [n for n in range(10) if grants.allows("a", str(n), 1, public=False)] == [7, 8, 9]
