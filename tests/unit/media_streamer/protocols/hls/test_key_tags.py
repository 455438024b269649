"""EXT-X-KEY holds for what follows it."""

from media_streamer.protocols.hls.key_tags import NO_KEY, KeyTags, not_encrypted


def test_nothing_is_said_in_clear() -> None:
    tags = KeyTags(not_encrypted)
    assert [tags.before_section(), tags.before("a"), tags.before("b")] == [[], [], []]


def test_a_tag_stands_where_the_key_changes_and_sections_are_in_clear() -> None:
    tags = KeyTags(lambda name: name[:1].upper() if name != "clear" else "")
    assert tags.before_section() == []
    assert [tags.before(name) for name in ("a1", "a2", "b1")] == [["A"], [], ["B"]]
    assert tags.before_section() == [NO_KEY]
    assert tags.before_section() == []
    assert tags.before("b2") == ["B"]
    assert tags.before("clear") == [NO_KEY]
