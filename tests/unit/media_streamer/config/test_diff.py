"""What a reload has to do."""

from media_streamer.config import diff, parse


def test_streams_and_globals() -> None:
    old = parse("http 80; loglevel info; stream a { } stream b { title x; } stream c { }").config
    new = parse("http 80; loglevel debug; stream b { title y; } stream c { } stream d { }").config
    change = diff(old, new)
    assert change.streams_added == {"d"}
    assert change.streams_removed == {"a"}
    assert change.streams_changed == {"b"}
    assert change.globals_changed == {"loglevel"}
    assert change


def test_the_same_is_no_change() -> None:
    config = parse("stream a { } stream b { static true; }").config
    assert not diff(config, parse("stream b { } stream a { }").config)
