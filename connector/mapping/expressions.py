"""
Parses and checks expressions, JMESPath over the canonical order, before the first order arrives.

JMESPath defines the literals and operators; functions.py defines the functions. Within an expression, text is in single
quotes and numbers are in backquotes: ``=default(item.name, 'nameless')``, ``=mul(price, `2`)``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from jmespath.exceptions import EmptyExpressionError, ParseError
from jmespath.lexer import Lexer
from jmespath.parser import Parser
from jmespath.visitor import Options, TreeInterpreter

from connector.mapping.code_tables import Tables
from connector.mapping.field_types import FieldType, check_fields, nodes
from connector.mapping.functions import MappingFunctions, arity, known_functions, takes_expression
from connector.settings.problems import did_you_mean

__all__ = ["Expression", "ExpressionError", "ExpressionParser"]

LONGEST = 2000
NO_TABLE = "the first argument of lookup() is the name of a table, in single quotes"
NO_EXPRESSION = "& is only for arguments of sort_by(), min_by(), max_by() and map(); write && for a logical and"
EXACT = 15
"""The most digits that a number with a fraction may have in backquotes: a JSON number holds that many exactly."""


class ExpressionError(ValueError):
    """An expression that cannot be used. Each of `mistakes` is one line, with a `^` before the position."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


class Expression(msgspec.Struct, frozen=True):
    """
    A parsed expression: `find` evaluates it, `shape` is the type of its result, `used` are the root fields that it
    reads.
    """

    text: str
    find: Callable[[Any], Any]
    shape: FieldType
    used: frozenset[str]


class ExpressionParser:
    """Parses expressions; `tables` are the tables that they may look codes up in."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._visit = TreeInterpreter(Options(custom_functions=MappingFunctions(tables))).visit

    def read(self, text: str, start: FieldType) -> Expression:
        """
        Parse an expression, without its leading `=`, whose fields are those of `start`.

        Raises:
            ExpressionError: with all mistakes.
        """
        node = _parsed(text)
        tree: Any = node  # the library has a type of its own for it
        shape, unknown, used = check_fields(node, start)
        wrong = self._calls(node)
        if not any(why is NO_TABLE for _, why, _ in wrong):  # a table name without quotes is not an unknown field
            wrong += [(word, why, False) for word, why in unknown]
        if wrong:
            raise ExpressionError([_marked(text, why, _position(text, word, call=call)) for word, why, call in wrong])
        visit = self._visit

        def find(scope: Any) -> Any:
            return visit(tree, scope)

        return Expression(text, find, shape, frozenset(used))

    def _calls(self, node: dict[str, Any]) -> list[tuple[str, str, bool]]:
        """Return the mistakes in function calls: the function's name and the message."""
        found = []
        known = known_functions()
        for call in nodes(node, "function_expression"):
            name, arguments = call["value"], call["children"]
            if name not in known:
                hint = did_you_mean(name, known) or f"; the functions are {', '.join(known)}"
                found.append((name, f"there is no function {name}(){hint}", True))
                continue
            least, most = arity(name)
            if len(arguments) < least or (most is not None and len(arguments) > most):
                wanted = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
                found.append((name, f"{name}() takes {wanted} argument(s), not {len(arguments)}", True))
            elif why := self._arguments(name, arguments):
                found.append((name, why, True))
        return found

    def _arguments(self, name: str, arguments: list[dict[str, Any]]) -> str:
        """Return the mistake in the arguments that can be found before there is an order; empty if there is none."""
        texts = [each["value"] if each["type"] == "literal" else None for each in arguments]
        if name == "lookup":
            table = texts[0]
            if not isinstance(table, str):
                return NO_TABLE
            if table not in self._tables:
                listed = f"; the tables are {', '.join(self._tables)}" if self._tables else "; there are no tables"
                return f"there is no table '{table}'{did_you_mean(table, self._tables) or listed}"
        if name == "date" and len(texts) > 2 and texts[2] is not None:
            try:
                ZoneInfo(str(texts[2]))
            except (KeyError, ValueError, OSError):  # unknown, malformed, a folder of the time zone database
                return f"'{texts[2]}' is not a time zone such as Europe/Amsterdam"
        return ""


def _parsed(text: str) -> dict[str, Any]:
    if len(text) > LONGEST:
        raise ExpressionError([f"the expression is longer than {LONGEST} characters"])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PendingDeprecationWarning)
            # A copy, because the library caches its result for the next caller.
            node: dict[str, Any] = deepcopy(dict(Parser().parse(text).parsed))
    except EmptyExpressionError:
        raise ExpressionError(["the expression is empty; write \\= for text that begins with ="]) from None
    except ParseError as exc:
        raise ExpressionError([_marked(text, _explain(exc), exc.lex_position)]) from None
    except PendingDeprecationWarning:
        raise ExpressionError(["the content of backquotes must be JSON; write text in single quotes: 'x'"]) from None
    except RecursionError:
        raise ExpressionError(["the expression is nested too deeply"]) from None
    if any(_reads_a_negation(node) for node in _descendants(node)):
        raise ExpressionError([_negation_message(text)])
    for literal in nodes(node, "literal"):
        literal["value"] = _exact(literal["value"])
    if _has_stray_reference(node):
        (first, *more) = [token["start"] for token in Lexer().tokenize(text) if token["type"] == "expref"]
        raise ExpressionError([_marked(text, NO_EXPRESSION, None if more else first)])
    return node


READING = frozenset(
    {"subexpression", "index_expression", "projection", "filter_projection", "value_projection", "flatten"}
)
ENDS = frozenset({"and", "or", "pipe", "comma", "colon", "eq", "ne", "lt", "lte", "gt", "gte", "eof"})
OPENS, CLOSES = frozenset({"lparen", "lbracket", "lbrace", "filter"}), frozenset({"rparen", "rbracket", "rbrace"})


def _descendants(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node and all its descendants."""
    yield node
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _descendants(child)


def _reads_a_negation(node: dict[str, Any]) -> bool:
    """Return True if a node reads a field of the result of `!`, which is true or false and has no fields."""
    return node["type"] in READING and bool(node["children"]) and node["children"][0]["type"] == "not_expression"


def _negation_message(text: str) -> str:
    """Return the message for a `!` before a path: it binds before dots and brackets, so the result is always null."""
    for place, path in _negated_paths(text):
        with suppress(ParseError):
            if any(_reads_a_negation(node) for node in _descendants(dict(Parser().parse(f"!{path}").parsed))):
                return _marked(text, f"! binds before . and [], so this is always null; write !({path})", place)
    return _marked(text, "! binds before . and [], so this is always null; write !( ) around the whole path", None)


def _negated_paths(text: str) -> Iterator[tuple[int, str]]:
    """Yield the position of each `!` and the path that follows it."""
    tokens = list(Lexer().tokenize(text))
    for number, token in enumerate(tokens):
        if token["type"] != "not":
            continue
        depth = 0
        for after in tokens[number + 1 :]:
            if depth == 0 and (after["type"] in ENDS or after["type"] in CLOSES):
                yield token["start"], text[token["start"] + 1 : after["start"]].strip()
                break
            depth += (after["type"] in OPENS) - (after["type"] in CLOSES)


def _has_stray_reference(node: dict[str, Any], *, wanted: bool = False) -> bool:
    """Return True if an expression reference (`&x`) is in a place where no function expects one."""
    if node["type"] == "expref" and not wanted:
        return True
    call = node["type"] == "function_expression"
    return any(
        _has_stray_reference(child, wanted=call and takes_expression(node["value"], number))
        for number, child in enumerate(node["children"])
        if isinstance(child, dict)
    )


def _exact(value: Any) -> Any:
    if isinstance(value, list):
        return [_exact(each) for each in value]
    if isinstance(value, dict):
        return {key: _exact(each) for key, each in value.items()}
    if not isinstance(value, float):
        return value
    number = Decimal(repr(value))
    if not number.is_finite() or len(number.normalize().as_tuple().digits) > EXACT or abs(number.adjusted()) > EXACT:
        raise ExpressionError([f"a number in backquotes has at most {EXACT} digits; write to_number('...')"])
    return number


def _explain(exc: ParseError) -> str:
    kind = str(exc.token_type or "").upper()
    message = str(getattr(exc, "message", None) or getattr(exc, "msg", ""))
    if type(exc).__name__ == "IncompleteExpressionError":
        return "the expression ends too soon"
    if kind == "NUMBER":
        return f"write numbers in backquotes: `{exc.token_value}`"
    if message.startswith("Unclosed"):
        return f"the {message.split()[1]} is not closed"
    if message.startswith("Quoted identifier"):
        return "write the name of a function without quotes"
    if message == "Unknown token '='":
        return "write == to compare"
    if message.startswith("Unknown token"):
        return "this character is not allowed here"
    return f"'{exc.token_value}' is not allowed here" if exc.token_value else "the expression cannot be parsed"


def _position(text: str, word: str, *, call: bool) -> int | None:
    """Return the first position of `word` as a name, or with `call`, as the name of a called function."""
    tokens = list(Lexer().tokenize(text))
    for token, after in pairwise(tokens):
        named = token["type"] in ("unquoted_identifier", "quoted_identifier") and token["value"] == word
        if named and (after["type"] == "lparen") == call:
            return int(token["start"])
    return None


def _marked(text: str, why: str, position: int | None) -> str:
    """Return a message on one line with a `^` before the position; the `=` counts as the first column."""
    if position is None:
        return f"{why}: ={text}"
    if text[position : position + 1] == '"':
        why += "; write text in single quotes"
    return f"{why} (column {position + 2}): ={text[:position]}^{text[position:]}"
