"""Words, quotes, positions and recovery after syntax errors; no text breaks the parser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.config.grammar import Directive, parse_tree, quote, unquote


def shape(nodes: list[Directive] | None) -> list[object]:
    """Names, arguments and blocks without positions."""
    return [
        [node.name.value, *(word.value for word in node.args)]
        + ([shape(node.children)] if node.children is not None else [])
        for node in nodes or ()
    ]


def codes(text: str) -> list[tuple[str, int, int]]:
    return [(item.code, item.line, item.col) for item in parse_tree(text).problems]


def test_the_minimal_file_of_the_reference_server() -> None:
    text = (
        "http 80; edit_auth flussonic password;"
        " stream example { input udp://239.0.0.1:5000; dvr /storage 7d; }"
    )
    assert shape(parse_tree(text).directives) == [
        ["http", "80"],
        ["edit_auth", "flussonic", "password"],
        ["stream", "example", [["input", "udp://239.0.0.1:5000"], ["dvr", "/storage", "7d"]]],
    ]
    assert codes(text) == []


def test_comments_and_quotes() -> None:
    text = (
        "# all of this; is { a comment }\n"
        'title "two words; { } # no comment" key="a b"; # comment\n'
        "url srt://h:1?streamid=#!::r=a;  a 'single # \"' it's;\n"
        r'b "say \"x\" \\ \n";'
    )
    assert shape(parse_tree(text).directives) == [
        ["title", "two words; { } # no comment", "key=a b"],
        ["url", "srt://h:1?streamid=#!::r=a"],
        ["a", 'single # "', "it's"],
        ["b", 'say "x" \\ \n'],
    ]


def test_positions_are_those_of_an_editor() -> None:
    (node,) = parse_tree("\n  stream a {\n    input  x;\n  }").directives
    assert (node.name.line, node.name.col) == (2, 3)
    assert node.children is not None
    word = node.children[0].args[0]
    assert (word.line, word.col) == (3, 12)
    assert (node.start, node.end) == (3, 31)


@pytest.mark.parametrize(
    ("text", "problems", "tree"),
    [
        ("http 80", [("missing_semicolon", 1, 8)], [["http", "80"]]),
        ("a { b c }", [("missing_semicolon", 1, 8)], [["a", [["b", "c"]]]]),
        ("a { b;", [("unclosed_block", 1, 3)], [["a", [["b"]]]]),
        ("a; } b;", [("syntax_error", 1, 4)], [["a"], ["b"]]),
        ("a b } c;", [("missing_semicolon", 1, 4), ("syntax_error", 1, 5)], [["a", "b"], ["c"]]),
        ('a "b;\nc d;', [("unterminated_quote", 1, 3)], [["a", "b"], ["c", "d"]]),
        ("a;; ; b;", [], [["a"], ["b"]]),
        ("", [], []),
    ],
)
def test_every_syntax_error_is_told_and_the_rest_is_read(
    text: str, problems: list[tuple[str, int, int]], tree: list[object]
) -> None:
    assert codes(text) == problems
    assert shape(parse_tree(text).directives) == tree


def test_the_number_of_syntax_errors_is_bounded() -> None:
    problems = parse_tree("} " * 5000).problems
    assert len(problems) == 101
    assert problems[-1].code == "too_many_errors"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
def test_quoted_text_reads_back(value: str, force: bool) -> None:
    assert unquote(quote(value, force=force)) == value
    (node,) = parse_tree(
        f"a {quote(value, force=force)} k={quote(value, after_equals=True)};\n#"
    ).directives
    assert node.args[0].value == value
    option = node.args[1].option()
    assert option is not None
    assert option[1].value == value


@given(st.text(alphabet="ab=;{}#\"'\\ \n\t\x00é\u2028", max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    parse_tree(text)
