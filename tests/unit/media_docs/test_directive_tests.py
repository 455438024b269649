"""Each directive of the server that does something names the test that saw it do so."""

import ast
from pathlib import Path

from media_docs.configuration import short_name
from media_docs.directive_tests import directive_tests, option_tests, unit_tests_suffice
from media_streamer.config.outcome import NOT_KNOWN_HERE
from media_streamer.config.outline import DirectiveRow, outline

TESTS = Path(__file__).resolve().parents[2]


def served() -> dict[str, DirectiveRow]:
    server = outline()[0]
    return {row.name: row for row in server.rows if row.outcome.state != "none"}


def test_every_directive_of_the_server_is_told_with_its_test() -> None:
    named = directive_tests()
    assert named.keys() == served().keys()
    assert [name for name, test in named.items() if not test] == []


def test_the_tests_exist_and_have_the_directive() -> None:
    for name, test in directive_tests().items():
        file, _, function = test.partition("::")
        text = (TESTS / file).read_text()
        functions = [
            node.name
            for node in ast.parse(text).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        assert function in functions, test
        row = served()[name]
        spellings = {row.name, *row.others, row.key} - {""}
        assert any(spelling in text for spelling in spellings), (name, test)


def served_options() -> dict[str, dict[str, list[DirectiveRow]]]:
    """By object and directive; several objects may have the same name."""
    found: dict[str, dict[str, list[DirectiveRow]]] = {}
    for block in outline()[1:]:
        for row in block.rows:
            if row.outcome.state != "none" and row.outcome.reason != NOT_KNOWN_HERE:
                options = found.setdefault(short_name(block), {})
                options.setdefault(row.name, []).append(row)
    return found


def test_every_option_of_other_objects_is_told_with_its_test() -> None:
    """Whoever adds one adds a test, or says in `media_api.unsupported` that nothing reads it."""
    told = {name: set(options) for name, options in option_tests().items()}
    assert told == {name: set(options) for name, options in served_options().items()}
    assert [one for options in option_tests().values() for one in options if not options[one]] == []


def test_the_tests_of_options_exist_and_set_them() -> None:
    for name, options in option_tests().items():
        for option, test in options.items():
            file, _, function = test.partition("::")
            text = (TESTS / file).read_text()
            assert f"def {function}(" in text, test
            rows = served_options()[name][option]
            spellings = {word for row in rows for word in (row.name, *row.others, row.key)} - {""}
            plural = {f"{word}s" for word in spellings}
            directives = {form for word in spellings for form in _as_directive(word)}
            assert any(word in text for word in spellings | plural | directives), (option, test)


def test_what_only_a_unit_test_sees_says_why_that_is_enough() -> None:
    by_units = {
        f"{name}.{option}"
        for name, options in option_tests().items()
        for option, test in options.items()
        if test.startswith("unit/")
    }
    assert unit_tests_suffice().keys() <= by_units


def _as_directive(key: str) -> set[str]:
    """`allow_countries` of the API is `allow country` in a file."""
    words = key.replace("_", " ")
    if words == key:
        return set()
    return {words, words.removesuffix("s"), words.removesuffix("ies") + "y"}
