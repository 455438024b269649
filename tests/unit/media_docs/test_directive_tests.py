"""Each directive of the server that does something names the test that saw it do so."""

import ast
from pathlib import Path

from media_docs.directive_tests import directive_tests
from media_streamer.config.outline import DirectiveRow, outline

TESTS = Path(__file__).resolve().parents[2]


def served() -> dict[str, DirectiveRow]:
    server = outline()[0]
    return {row.name: row for row in server.rows if row.outcome.state != "none"}


def test_every_directive_of_the_server_is_told_with_its_test() -> None:
    named = directive_tests()
    scripts = {"init_script"}  # served where it is a script, which the sample of the outline is not
    assert named.keys() - scripts == served().keys() - scripts
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
        row = served().get(name)
        spellings = {name} if row is None else {row.name, *row.others, row.key} - {""}
        assert any(spelling in text for spelling in spellings), (name, test)
