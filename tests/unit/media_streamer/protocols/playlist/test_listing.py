"""What a playlist says, and what of it is due."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.playlist.listing import Listing, NotYet, Piece, due, parse

TEXT = """#EXTM3U
#EXT-X-MEDIA-SEQUENCE:20

#EXT-X-PROGRAM-DATE-TIME:2013-02-12T12:58:08Z
vod/one.mp4
#EXTINF:64,A title
vod/a film with spaces.mp4
#EXTINF:-1
#EXT-X-UTC:1360674000
vod/three.mp4
"""
BEGINS = 1_360_673_888.0


def names(listing: Listing, now: float, count: int) -> list[str]:
    """What is played one after another while the clock stands."""
    found, after = [], None
    for _ in range(count):
        one = due(listing, after, now)
        after = one.number
        found.append(one.piece.name)
    return found


def test_a_list_is_read() -> None:
    assert parse(TEXT) == Listing(
        (
            Piece("vod/one.mp4", BEGINS),
            Piece("vod/a film with spaces.mp4", None, 64.0),
            Piece("vod/three.mp4", 1_360_674_000.0),
        ),
        20,
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no file"),
        ("#EXTINF:a\nb", "line 1 of the playlist: 'a' are no seconds"),
        ("\n#EXT-X-UTC:-1\nb", "line 2 of the playlist: '-1' is no number"),
        ("#EXT-X-UTC:1764220000000\nb", "1764220000000 are no Unix seconds"),
        ("#EXT-X-PROGRAM-DATE-TIME:tomorrow\nb", "'tomorrow' is no time such as"),
        ("a\n" * 10_001, "more than 10000 files"),
    ],
)
def test_what_is_no_list_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(text)


@given(st.text())
def test_any_text_is_a_list_or_refused(text: str) -> None:
    found: Listing | str
    try:
        found = parse(text)
    except ValueError as error:
        found = str(error)
    assert "playlist" in found if isinstance(found, str) else found.pieces


def test_a_list_without_times_is_repeated() -> None:
    assert names(parse("a\nb\nc\n"), 0.0, 7) == list("abcabca")


def test_what_stands_between_two_times_is_repeated_until_the_later_one() -> None:
    listing = parse("a\n#EXT-X-UTC:100\nb\nc\n#EXT-X-UTC:200\nd\n")
    assert names(listing, 50.0, 2) == ["a", "a"]
    assert names(listing, 150.0, 3) == ["b", "c", "b"]
    assert names(listing, 250.0, 2) == ["d", "d"]
    assert due(listing, None, 50.0).until == 100.0
    assert due(listing, None, 150.0).until == 200.0
    assert due(listing, None, 250.0).until is None


def test_nothing_is_due_before_the_first_time() -> None:
    with pytest.raises(NotYet) as raised:
        due(parse("#EXT-X-UTC:100\na"), None, 99.0)
    assert raised.value.begins_at == 100.0


def test_a_list_whose_beginning_was_taken_away_goes_on_where_it_was() -> None:
    before, after = parse("a\nb\nc\nd"), parse("#EXT-X-MEDIA-SEQUENCE:2\nc\nd\ne")
    played = due(before, 0, 0.0)
    assert played.piece.name == "b"
    assert due(after, played.number, 0.0).piece.name == "c"
    gone = parse("#EXT-X-MEDIA-SEQUENCE:9\nx\ny")
    assert due(gone, played.number, 0.0).piece.name == "x"


PIECES = st.lists(st.none() | st.integers(1, 50), min_size=1, max_size=8).map(
    lambda times: tuple(
        Piece(str(n), float(time) if time else None) for n, time in enumerate(times)
    )
)


@given(PIECES, st.integers(0, 5), st.none() | st.integers(0, 12), st.floats(0, 60))
def test_what_is_due_has_begun_and_ends_later(
    pieces: tuple[Piece, ...], first: int, after: int | None, now: float
) -> None:
    listing = Listing(pieces, first)
    first_time = pieces[0].begins_at
    if first_time is not None and all(
        one.begins_at is None or one.begins_at > now for one in pieces
    ):
        with pytest.raises(NotYet):
            due(listing, after, now)
        return
    found = due(listing, after, now)
    assert pieces[found.number - first] == found.piece
    assert found.until is None or found.until > now
    assert found.piece.begins_at is None or found.piece.begins_at <= now
