r"""
Compiles a mapping of settings.yaml: a tree of literals and expressions in the form of the receiver's request.

::

    mapping:
      note: Handle with care                    # a literal; write \=x for the text =x
      customer_note: =notes                     # an expression: JMESPath over the canonical order
      shipping_method: =lookup('methods', metadata.payment_method)
      po_number: null                           # not sent
      meta_data: {channel: web, payment: =metadata.payment_method}
      shipping_address:
        when: =delivery_address.country == 'BE' # otherwise this branch has no effect
        state: =upper(delivery_address.region)
      order_lines:
        each: =lines                            # one element per line, named `item`; the order's fields remain
        do: {article_code: =item.sku, quantity: =item.quantity, description: =default(item.name, item.sku)}
      language: {when: =language, then: =language, else: nl}

The tree overrides the receiver's default mapping key by key. A mapping in the tree is merged with the default's;
everything else, including a list, replaces the default's value. `mapped` is the result of the default mapping. A key
whose expression results in null or empty text is not sent. A part that the default cannot map holds the order only if
the tree does not replace that part (partial.py). `defaults: false` at the top starts from an empty request.
`external_id` is not a key of a mapping: the connector sets it (identity.py). To write a key that is one of the words
above, prefix it with \.

A webhook and a file accept any keys, so the tree may produce any shape. Amounts in it are text with all their digits,
or JSON numbers by `number()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from connector.errors import Unmappable, readable
from connector.mapping.code_tables import Tables
from connector.mapping.expressions import Expression, ExpressionError, ExpressionParser
from connector.mapping.field_types import ANY, FieldType, ListType, RecordType, element_type, root
from connector.mapping.identity import ID, REFUSAL, carries_identity
from connector.mapping.request_fields import UNKNOWN, Field
from connector.mapping.scope import scope_of
from connector.order import Order
from connector.settings.problems import did_you_mean

__all__ = ["CompiledMapping", "Mistake", "compile_mapping"]

Path = tuple[str | int, ...]
Scope = dict[str, Any]
Node = Callable[[Scope, Any], Any]
"""Evaluates one place of the tree; the second argument is the default mapping's value at that place."""

OMITTED: Any = type("Omitted", (), {"__repr__": lambda _: "OMITTED"})()
"""The value of a branch whose `when` is false."""

WORDS = ("when", "then", "else", "each", "do", "defaults")
FALSE: tuple[Any, ...] = ("", [], {}, None)


class Mistake(msgspec.Struct, frozen=True):
    """A mistake in a mapping: in the key at `path`, or in its value."""

    path: Path
    text: str
    at_key: bool = False


class CompiledMapping(msgspec.Struct, frozen=True):
    """A compiled mapping; `defaults` is True if it overrides the receiver's default mapping."""

    defaults: bool
    used: frozenset[str]
    node: Node

    def apply(self, order: Order, mapped: Mapping[str, Any]) -> Any:
        """
        Return the request for `order` as plain values; `mapped` is the result of the default mapping and is not
        changed.
        """
        scope = scope_of(order, self.used)
        scope["mapped"] = mapped
        return self.node(scope, mapped if self.defaults else None) or {}


def compile_mapping(tree: Mapping[str, Any], request: Any, tables: Tables) -> tuple[CompiledMapping, list[Mistake]]:
    """
    Compile a mapping for a receiver whose requests are of the type `request`; return it with all its mistakes.

    A mapping with mistakes must not be used. These are found before the first order: expressions that cannot be parsed,
    unknown functions, tables and fields, keys that the receiver does not know, literals that it does not accept, and
    required keys that nothing provides. A receiver of free form accepts any keys with any values.
    """
    defaults = tree.get("defaults", True)
    compiler = _Compiler(request, tables, over=request if defaults is not False else None)
    if not isinstance(defaults, bool):
        compiler.add(("defaults",), "must be true or false")
    compiler.identity = request is Any or carries_identity(request)
    if compiler.identity and ID in tree:
        compiler.add((ID,), REFUSAL, at_key=True)
    ours = ("defaults", ID) if compiler.identity else ("defaults",)
    fields = {key: value for key, value in tree.items() if key not in ours}
    target = UNKNOWN if getattr(request, "free_form", False) else Field(request)
    node = compiler.fields(fields, (), target, compiler.root, fresh=defaults is False)
    return CompiledMapping(defaults is not False, frozenset(compiler.used), node), compiler.mistakes


class _Compiler:
    def __init__(self, request: Any, tables: Tables, *, over: Any) -> None:
        self.mistakes: list[Mistake] = []
        self.identity = False  # True if requests have an `external_id`, which the connector sets
        self.used: set[str] = set()
        self.root = root(over)
        self._over = over
        self._reader = ExpressionParser(tables)

    def add(self, path: Path, text: str, *, at_key: bool = False) -> None:
        self.mistakes.append(Mistake(path, text, at_key))

    def node(self, value: Any, path: Path, target: Field, scope: RecordType, *, fresh: bool) -> Node:
        """Compile the value at `path`; `fresh` is True if no default can lie under it."""
        if isinstance(value, str):
            if value.startswith("="):
                return self._expression(value[1:], path, target, scope)
            value = value[1:] if value.startswith("\\") and value.lstrip("\\").startswith("=") else value
        elif isinstance(value, dict):
            return self._mapping(value, path, target, scope, fresh=fresh)
        elif isinstance(value, list):
            self._expect(list, path, target)
            items = [
                self.node(each, (*path, index), target.item, scope, fresh=True) for index, each in enumerate(value)
            ]
            return lambda scope, _: [one for item in items if (one := item(scope, None)) not in (None, OMITTED)]
        return self._literal(value, path, target)

    def fields(self, tree: Mapping[str, Any], path: Path, target: Field, scope: RecordType, *, fresh: bool) -> Node:
        """Compile a mapping whose keys are those of the request."""
        named = {key.removeprefix("\\") if key[1:] in WORDS else key: key for key in tree}
        known = target.fields
        if known is not None and not path and self.identity:
            known = {name: field for name, field in known.items() if name != ID}
        if known is not None:
            for name in named.keys() - known.keys():
                meant = did_you_mean(name, known.keys() - named.keys()) or did_you_mean(name, known)
                text = "the receiver has no such key" + (meant or f"; its keys are {', '.join(known)}")
                self.add((*path, named[name]), text, at_key=True)
            for name in target.required if fresh else ():
                if name not in named and name in known:
                    self.add(path, f"the receiver requires the key '{name}'; add it", at_key=True)
        else:
            self._expect(dict, path, target)
            for name, key in named.items():
                if why := target.key.refusal(name):
                    self.add(
                        (*path, key), f"the receiver does not accept this key: {why[0].lower()}{why[1:]}", at_key=True
                    )
        nodes = {
            name: self.node(tree[key], (*path, key), target.at(name), scope, fresh=fresh) for name, key in named.items()
        }
        return lambda scope, base: _merged(nodes, scope, base)

    def _mapping(self, tree: dict[str, Any], path: Path, target: Field, scope: RecordType, *, fresh: bool) -> Node:
        if "each" in tree:
            return self._each(tree, path, target, scope)
        condition = self._condition(tree, path, scope) if "when" in tree else None
        rest = {key: value for key, value in tree.items() if key != "when"}
        if "then" in tree or "else" in tree:
            return self._choice(rest, condition, path, target, scope, fresh=fresh)
        node = self.fields(rest, path, target, scope, fresh=fresh)
        return node if condition is None else _when(condition, node, _omitted)

    def _choice(
        self,
        tree: dict[str, Any],
        condition: Node | None,
        path: Path,
        target: Field,
        scope: RecordType,
        *,
        fresh: bool,
    ) -> Node:
        self._only(tree, ("then", "else"), path)
        if condition is None:
            self.add(path, "'then' and 'else' need a 'when' beside them", at_key=True)
        branches = [
            self.node(tree[key], (*path, key), target, scope, fresh=fresh) if key in tree else _omitted
            for key in ("then", "else")
        ]
        return _when(condition or _omitted, branches[0], branches[1])

    def _each(self, tree: dict[str, Any], path: Path, target: Field, scope: RecordType) -> Node:
        self._only(tree, ("each", "do", "when"), path)
        self._expect(list, path, target)
        over, shape = self._required_expression(tree["each"], (*path, "each"), scope)
        if not (isinstance(shape, ListType) or shape is ANY):
            self.add((*path, "each"), "this is not a list")
        if "do" not in tree:
            self.add(path, "'each' needs a 'do' beside it, the mapping of each element", at_key=True)
            return _omitted
        inner = root(self._over, element_type(shape))
        do = self.node(tree["do"], (*path, "do"), target.item, inner, fresh=True)
        where = _dotted(path)

        def run(scope: Scope, _base: Any) -> Any:
            items = over(scope, None)
            if items is None:
                return None
            if not isinstance(items, list):
                raise Unmappable(f"mapping failed: {where}", "the value of 'each' is not a list", ours=True)
            within = dict(scope)
            found = []
            for item in items:
                within["item"] = item
                if (one := do(within, None)) is not None and one is not OMITTED:
                    found.append(one)
            return found

        condition = self._condition(tree, path, scope) if "when" in tree else None
        return run if condition is None else _when(condition, run, _omitted)

    def _condition(self, tree: dict[str, Any], path: Path, scope: RecordType) -> Node:
        return self._required_expression(tree["when"], (*path, "when"), scope)[0]

    def _required_expression(self, value: Any, path: Path, scope: RecordType) -> tuple[Node, FieldType]:
        """Compile a value that must be an expression; its result is used as it is, without conversion."""
        if not isinstance(value, str) or not value.startswith("="):
            self.add(path, f"must be an expression, such as {'=lines' if path[-1] == 'each' else '=notes'}")
            return _omitted, ANY
        found = self._read(value[1:], path, scope)
        return (_evaluation(found, path), found.shape) if found else (_omitted, ANY)

    def _read(self, text: str, path: Path, scope: RecordType) -> Expression | None:
        try:
            found = self._reader.read(text, scope)
        except ExpressionError as exc:
            for mistake in exc.mistakes:
                self.add(path, mistake)
            return None
        self.used |= found.used
        return found

    def _expression(self, text: str, path: Path, target: Field, scope: RecordType) -> Node:
        found = self._read(text, path, scope)
        if found is None:
            return _omitted
        find, fit = _evaluation(found, path), target.fit
        return lambda scope, _: fit(find(scope, None))

    def _literal(self, value: Any, path: Path, target: Field) -> Node:
        if isinstance(value, float) and not target.any:
            value = Decimal(repr(value))
        fitted = target.fit(value) if isinstance(value, Decimal) else value
        if fitted is not None and (why := target.refusal(fitted)):
            self.add(path, f"the receiver does not accept this value: {why[0].lower()}{why[1:]}")
        return lambda _, __: fitted

    def _expect(self, kind: type, path: Path, target: Field) -> None:
        """Report a list or a mapping in a place where the receiver accepts none."""
        if not target.takes(kind):
            self.add(path, f"the receiver accepts no {'list' if kind is list else 'mapping'} here", at_key=True)

    def _only(self, tree: Mapping[str, Any], known: tuple[str, ...], path: Path) -> None:
        for key in tree.keys() - set(known):
            hint = did_you_mean(key, known) or f"; the keys here are {', '.join(known)}"
            self.add((*path, key), f"unknown key{hint}", at_key=True)


def _merged(nodes: Mapping[str, Node], scope: Scope, base: Any) -> Any:
    result = dict(base) if isinstance(base, Mapping) else {}
    for key, node in nodes.items():
        value = node(scope, result.get(key))
        if value is OMITTED:
            continue
        if value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result if result or not nodes else None


def _when(condition: Node, then: Node, other: Node) -> Node:
    def run(scope: Scope, base: Any) -> Any:
        value = condition(scope, None)
        return (other if value is False or value in FALSE else then)(scope, base)

    return run


def _omitted(_scope: Scope, _base: Any) -> Any:
    return OMITTED


def _evaluation(expression: Expression, path: Path) -> Node:
    """Return the evaluation of `expression`; every failure of it holds the order and has no other effect."""
    find, where = expression.find, _dotted(path)

    def run(scope: Scope, _base: Any) -> Any:
        try:
            return find(scope)
        except Unmappable:
            raise
        except Exception as exc:
            why = f"={expression.text}: {exc}" if isinstance(exc, TypeError) else f"={expression.text}: {exc!r}"
            raise Unmappable(f"mapping failed: {where}", readable(why), ours=True) from exc

    return run


def _dotted(path: Path) -> str:
    return ".".join(str(step) for step in path)
