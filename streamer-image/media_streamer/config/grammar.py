"""Text of a configuration file -> tree of directives with positions.

    directive = word+ ( ";" | "{" directive* "}" )

Role: the lexical rules only; what a directive means is told by `directives.py`.

A word is plain characters, quoted parts, or both (`key="two words"`). `"…"` knows the escapes
\\" \\\\ \\n \\r \\t; `'…'` takes everything literally and counts as a quote only at the start of a
word or after `=`, so that an apostrophe in a title is harmless. A quote ends on its line. `#`
starts a comment only where a word could start: `srt://h:1?streamid=#!::r=a` is one word.

Invariants: every syntax error is reported and parsing goes on behind it; any text gives a tree in
linear time, except that after MAX_SYNTAX_ERRORS the rest is not read.
"""

import contextlib
import re
import threading
from dataclasses import dataclass, field
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from media_streamer.config.problems import ConfigProblem

MAX_SYNTAX_ERRORS = 100
"""Behind so many the file is no configuration; each costs a resumed parse."""

GRAMMAR = r"""
start: item*
item: head SEMICOLON                -> simple
    | head LBRACE item* RBRACE      -> block
    | SEMICOLON                     -> stray
head: WORD+

WORD: /(?:"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[^\s;{}"#])(?:"(?:\\.|[^"\\\n])*"|='[^'\n]*'|[^\s;{}"])*/
SEMICOLON: ";"
LBRACE: "{"
RBRACE: "}"
COMMENT: /#[^\n]*/
SPACE: /\s+/
%ignore COMMENT
%ignore SPACE
"""

_QUOTED = re.compile(r'"((?:\\.|[^"\\\n])*)"|(?:(?<==)|^)\'([^\'\n]*)\'')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_OPTION = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_NEEDS_QUOTES = re.compile(r'[\s;{}"]|^[#\']|=\'|^$|^[A-Za-z_][A-Za-z0-9_.-]*=')


_PLAIN_VALUE = re.compile(r"[^\s;{}\"'#]+")


def _unescape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[0])


def unquote(raw: str) -> str:
    """Value of a word as it stands in the file."""
    if '"' not in raw and "'" not in raw:
        return raw
    return _QUOTED.sub(
        lambda m: m[2] if m[1] is None else _ESCAPE.sub(_unescape, m[1]),
        raw,
    )


def quote(value: str, *, after_equals: bool = False, force: bool = False) -> str:
    """`value` as a word of the file: unquote(quote(x)) == x for any text.

    `force` quotes what would be legal without, so that it is taken for no option and no flag.
    """
    plain = not _NEEDS_QUOTES.search(value) or (after_equals and _PLAIN_VALUE.fullmatch(value))
    if plain and not force:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    for letter, character in (("n", "\n"), ("r", "\r"), ("t", "\t")):
        escaped = escaped.replace(character, f"\\{letter}")
    return f'"{escaped}"'


@dataclass(slots=True)
class Word:
    """One word: `value` without quotes, `raw` as written; offsets into the text of `file`."""

    value: str
    raw: str
    line: int
    col: int
    file: str = ""
    start: int = 0
    end: int = 0
    end_line: int = 0

    def option(self) -> "tuple[Word, Word] | None":
        """(key, value) of `key=value`; None if it is no option or begins with a quote."""
        match = _OPTION.fullmatch(self.raw)
        if match is None:
            return None
        shift = len(match[1]) + 1
        key = Word(match[1], match[1], self.line, self.col, self.file)
        # The quote behind `=` is at the start of the value now.
        value = Word(unquote(match[2]), match[2], self.line, self.col + shift, self.file)
        return key, value


@dataclass(slots=True)
class Directive:
    """`name arg…;` (children is None) or `name arg… { children }`; offsets include `;` or `}`."""

    name: Word
    args: list[Word] = field(default_factory=list)
    children: "list[Directive] | None" = None
    start: int = 0
    end: int = 0
    end_line: int = 0


@dataclass(slots=True)
class Tree:
    """Directives of one file and the syntax errors met on the way."""

    directives: list[Directive]
    problems: list[ConfigProblem]


class _Builder(Transformer[Token, Any]):
    """Builds directives while lark reduces, so that no lark tree is ever made."""

    file = ""

    def head(self, words: list[Token]) -> list[Word]:
        file = self.file
        return [
            Word(
                unquote(str(token)),
                str(token),
                token.line or 0,
                token.column or 0,
                file,
                token.start_pos or 0,
                token.end_pos or 0,
                token.end_line or 0,
            )
            for token in words
        ]

    def simple(self, items: list[Any]) -> Directive:
        head, end = items
        return Directive(head[0], head[1:], None, head[0].start, end.end_pos, end.line)

    def block(self, items: list[Any]) -> Directive:
        head, end = items[0], items[-1]
        children = [item for item in items[2:-1] if item is not None]
        return Directive(head[0], head[1:], children, head[0].start, end.end_pos, end.line)

    def stray(self, items: list[Token]) -> None:
        return None

    def start(self, items: list[Any]) -> list[Directive]:
        return [item for item in items if item is not None]


class _Recovery:
    """Tells each syntax error and puts the parser behind it."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.problems: list[ConfigProblem] = []

    def report(self, line: int, col: int, code: str, detail: str, hint: str = "") -> None:
        self.problems.append(ConfigProblem(line, col, (), code, detail, self.filename, hint))

    def __call__(self, error: UnexpectedInput) -> bool:
        if len(self.problems) >= MAX_SYNTAX_ERRORS:
            detail = f"more than {MAX_SYNTAX_ERRORS} syntax errors: the rest was not read"
            self.report(error.line, error.column, "too_many_errors", detail)
            return False
        if isinstance(error, UnexpectedCharacters):
            detail = 'a quote that does not end on its line: write "…"'
            self.report(error.line, error.column, "unterminated_quote", detail)
            return True  # lark leaves out this one character and goes on
        if not isinstance(error, UnexpectedToken):
            return False
        self._recover(error.token, error.interactive_parser)
        return True

    def _recover(self, token: Token, parser: InteractiveParser) -> None:
        line, col = token.line or 0, token.column or 0
        choices = parser.choices()  # type: ignore[no-untyped-call]  # lark has no types here
        if "SEMICOLON" in choices and "LBRACE" in choices:
            # Behind the words of a directive: `}` or the end of the file came instead of `;`.
            self._report_missing_semicolon(parser, line, col)
            parser.feed_token(_synthetic("SEMICOLON", ";", token))
        elif token.type == "LBRACE":
            self.report(line, col, "syntax_error", "a block without a name: write NAME { … }")
            parser.feed_token(_synthetic("WORD", "{", token))
            parser.feed_token(token)
            return
        elif token.type == "RBRACE":
            self.report(line, col, "syntax_error", "} closes nothing", "is a { missing above?")
            return
        if token.type == "RBRACE":
            if any(_is_brace(item) for item in parser.parser_state.value_stack):
                parser.feed_token(token)
            else:
                self.report(line, col, "syntax_error", "} closes nothing", "is a { missing above?")
        elif token.type == "$END":
            self._close_blocks(parser, token)

    def _report_missing_semicolon(self, parser: InteractiveParser, line: int, col: int) -> None:
        words = parser.parser_state.value_stack
        last = next((item for item in reversed(words) if isinstance(item, Token)), None)
        if last is None and words and isinstance(words[-1], list) and words[-1]:
            tail = words[-1][-1]
            last = tail if isinstance(tail, Token) else None
        if last is not None:
            line, col = last.end_line or line, last.end_column or col
        self.report(line, col, "missing_semicolon", "; is missing at the end of the directive")

    def _close_blocks(self, parser: InteractiveParser, token: Token) -> None:
        opened = [item for item in parser.parser_state.value_stack if _is_brace(item)]
        for brace in reversed(opened):
            detail = "this { is never closed by }"
            self.report(brace.line or 0, brace.column or 0, "unclosed_block", detail)
            parser.feed_token(_synthetic("RBRACE", "}", token))


def _is_brace(item: Any) -> bool:
    return isinstance(item, Token) and item.type == "LBRACE"


def _synthetic(kind: str, text: str, at: Token) -> Token:
    """A token that is not in the file, standing right before `at`."""
    return Token.new_borrow_pos(kind, text, at)


_builder = _Builder()
_lock = threading.Lock()  # the builder is shared: two threads may not reduce into it at once
_lark = Lark(GRAMMAR, parser="lalr", lexer="basic", transformer=_builder)


def parse_tree(text: str, filename: str = "") -> Tree:
    """Directives of `text`, and every syntax error in it. Never raises for any text."""
    recovery = _Recovery(filename)
    directives: list[Directive] = []
    with _lock, contextlib.suppress(UnexpectedInput):
        _builder.file = filename
        directives = cast(list[Directive], _lark.parse(text, on_error=recovery))
    return Tree(directives, recovery.problems)
