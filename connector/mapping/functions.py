"""
The functions that expressions can call: JMESPath's own, and these for orders.

==================================  ==================================================================================
`add(a, b, ...)`, `mul(a, b, ...)`  exact; null if any of them is null
`total(list)`                       the sum of a list of numbers
`round(n, digits)`                  half up; `digits` is 0 if left out
`cents(n, currency)`                an amount in the currency's smallest unit, rounded half up
`upper(t)`, `lower(t)`, `trim(t)`   null stays null
`replace(t, old, new)`              replaces every `old` by `new`
`concat(a, b, ...)`, `text(x)`      as text; null becomes empty
`join(separator, list)`             skips null and empty elements
`number(x)`                         a JSON number, for receivers of any shape, where amounts are text otherwise
`default(a, b, ...)`                the first that is neither null nor empty
`date(x, format, zone)`             as Python's strftime; the defaults are `%Y-%m-%d` and UTC
`lookup('table', code, other)`      see code_tables.py; `other` for an unknown code, otherwise the order is held
`street(address)`,                  see house_numbers.py; uses the address's own number if it has one
`house_number(address)`,
`house_number_addition(address)`
==================================  ==================================================================================

Numbers are `Decimal` or whole, never `float`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from jmespath.functions import Functions

from connector.mapping.code_tables import Tables, look_up
from connector.mapping.house_numbers import SplitStreet, split
from connector.mapping.json_types import (
    JsonNumber,
    as_text,
    bounded,
    kind_of,
    kind_phrase,
    require_number,
    require_text,
)
from connector.mapping.money import minor_units

__all__ = ["MappingFunctions", "arity", "known_functions"]

F = TypeVar("F", bound=Callable[..., Any])

_CONTEXT = Context(prec=80, rounding=ROUND_HALF_UP)


def takes(least: int, most: int | None) -> Callable[[F], F]:
    """Register a method as a function of `least` to `most` arguments of any type; None means no limit."""

    def register(method: F) -> F:
        method.signature = [{"types": []}] * least  # type: ignore[attr-defined]  # the library reads this attribute
        method.arity = (least, most)  # type: ignore[attr-defined]
        return method

    return register


def _kinds(*kinds: str) -> Callable[[F], F]:
    """Register a method as a function of one argument of these types, as JMESPath names them."""

    def register(method: F) -> F:
        method.signature = [{"types": list(kinds)}]  # type: ignore[attr-defined]
        return method

    return register


class MappingFunctions(Functions):
    """The functions of one mapping, with its `tables`. They raise `Unmappable`, or an error that names no order."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def call_function(self, function_name: str, resolved_args: Any) -> Any:
        """Call a function whose name and number of arguments were checked when the mapping was compiled."""
        found = self.FUNCTION_TABLE[function_name]
        for argument, wanted in zip(resolved_args, found["signature"], strict=False):
            if wanted["types"]:
                _check(function_name, argument, wanted["types"])
        return found["function"](self, *resolved_args)

    def _convert_to_jmespath_type(self, name: str) -> str:
        """Return the type name that the library's sort_by, min_by and max_by use; they do not know Decimal."""
        return {"Decimal": "number", "JsonNumber": "number", "int": "number", "str": "string"}.get(name, name)

    @takes(1, None)
    def _func_add(self, *numbers: Any) -> Decimal | None:
        return None if None in numbers else self._func_total(list(numbers))

    @takes(1, None)
    def _func_mul(self, *numbers: Any) -> Decimal | None:
        if None in numbers:
            return None
        result = Decimal(1)
        for number in numbers:
            result = bounded(_CONTEXT.multiply(result, require_number(number)))
        return result

    @takes(1, 1)
    def _func_total(self, numbers: Any) -> Decimal | None:
        if numbers is None:
            return None
        if not isinstance(numbers, list):
            raise TypeError(f"expected a list of numbers, got {kind_phrase(numbers)}")
        result = Decimal(0)
        for number in numbers:
            result = bounded(_CONTEXT.add(result, require_number(number)))
        return result

    @_kinds("array")
    def _func_sum(self, numbers: list[Any]) -> Decimal | None:
        return self._func_total(numbers)

    @_kinds("array-number")
    def _func_avg(self, numbers: list[Any]) -> Decimal | None:
        total = self._func_total(numbers)
        return _CONTEXT.divide(total, len(numbers)) if numbers and total is not None else None

    @_kinds("number")
    def _func_ceil(self, number: Any) -> int:
        return math.ceil(require_number(number))

    @_kinds("number")
    def _func_floor(self, number: Any) -> int:
        return math.floor(require_number(number))

    @takes(1, 2)
    def _func_round(self, number: Any, digits: Any = 0) -> Decimal | None:
        if number is None:
            return None
        if not isinstance(digits, int) or not 0 <= digits <= 12:
            raise TypeError("the digits must be a whole number from 0 to 12")
        return Decimal(require_number(number)).quantize(Decimal(1).scaleb(-digits), context=_CONTEXT)

    @takes(2, 2)
    def _func_cents(self, number: Any, currency: Any) -> int | None:
        if number is None or not currency:
            return None
        return minor_units(Decimal(require_number(number)), require_text(currency).strip().upper())

    @takes(1, 1)
    def _func_to_number(self, value: Any) -> Decimal | int | None:
        if isinstance(value, str):
            return Decimal(value) if re.fullmatch(r"\s*[+-]?\d{1,28}(\.\d{1,28})?\s*", value, re.ASCII) else None
        return value if isinstance(value, Decimal | int) and not isinstance(value, bool) else None

    @takes(1, 1)
    def _func_number(self, value: Any) -> JsonNumber | None:
        if value is None or value == "":
            return None
        found = self._func_to_number(value)
        if found is None:
            raise TypeError(f"expected a number, or text that is one, got {kind_phrase(value)}")
        return JsonNumber(require_number(found))

    @takes(1, 1)
    def _func_upper(self, value: Any) -> str | None:
        return None if value is None else require_text(value).upper()

    @takes(1, 1)
    def _func_lower(self, value: Any) -> str | None:
        return None if value is None else require_text(value).lower()

    @takes(1, 1)
    def _func_trim(self, value: Any) -> str | None:
        return None if value is None else require_text(value).strip()

    @takes(3, 3)
    def _func_replace(self, value: Any, old: Any, new: Any) -> str | None:
        if not require_text(old):
            raise TypeError("the text to replace is empty")
        return None if value is None else require_text(value).replace(old, require_text(new))

    @takes(1, None)
    def _func_concat(self, *values: Any) -> str:
        return "".join(as_text(value) for value in values)

    @takes(1, 1)
    def _func_text(self, value: Any) -> str | None:
        return None if value is None else as_text(value)

    @takes(1, 1)
    def _func_to_string(self, value: Any) -> str:
        return json.dumps(value, default=as_text) if isinstance(value, list | dict) else as_text(value)

    @takes(2, 2)
    def _func_join(self, separator: Any, values: Any) -> str | None:
        if values is None:
            return None
        if not isinstance(values, list):
            raise TypeError(f"expected a separator and a list, got {kind_phrase(values)}")
        return require_text(separator).join(text for value in values if (text := as_text(value)))

    @takes(1, 1)
    def _func_type(self, value: Any) -> str:
        return kind_of(value)

    @takes(1, None)
    def _func_default(self, *values: Any) -> Any:
        return next((value for value in values if value is not None and value != ""), None)

    @takes(1, 3)
    def _func_date(self, value: Any, form: Any = "%Y-%m-%d", zone: Any = "UTC") -> str | None:
        if value is None or value == "":
            return None
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(at, datetime):
            at = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(ZoneInfo(require_text(zone)))
        if not isinstance(at, date):
            raise TypeError(f"expected a date, got {kind_phrase(value)}")
        return at.strftime(require_text(form))

    @takes(2, 3)
    def _func_lookup(self, table: Any, code: Any, *other: Any) -> Any:
        found = as_text(code)
        if other and found not in self._tables[table]:
            return other[0]
        return look_up(self._tables, table, found) if found else None

    @takes(1, 1)
    def _func_street(self, address: Any) -> str | None:
        found = _split(address)
        return found.street if found else None

    @takes(1, 1)
    def _func_house_number(self, address: Any) -> str | None:
        found = _split(address)
        return found.number if found else None

    @takes(1, 1)
    def _func_house_number_addition(self, address: Any) -> str | None:
        found = _split(address)
        return found.addition if found else None


def _split(address: Any) -> SplitStreet | None:
    if address is None:
        return None
    if not isinstance(address, dict) or "street" not in address:
        raise TypeError(f"expected an address, got {kind_phrase(address)}")
    if address["number"] or address["number_addition"]:
        return SplitStreet(address["street"], address["number"], address["number_addition"])
    return split(address["street"], address["country"])


def _check(name: str, argument: Any, kinds: list[str]) -> None:
    kind = kind_of(argument)
    for wanted in kinds:
        outer, _, inner = wanted.partition("-")
        if kind == outer and (not inner or all(kind_of(each) == inner for each in argument)):
            return
    raise TypeError(f"{name}() expects {' or '.join(kinds)}, got {kind_phrase(argument)}")


def known_functions() -> list[str]:
    """Return the names of all functions."""
    return sorted(MappingFunctions.FUNCTION_TABLE)


def arity(name: str) -> tuple[int, int | None]:
    """Return the smallest and the largest number of arguments of a function."""
    found = MappingFunctions.FUNCTION_TABLE[name]
    own: tuple[int, int | None] | None = getattr(found["function"], "arity", None)
    signature = found["signature"]
    return own or (len(signature), None if signature and signature[-1].get("variadic") else len(signature))


def takes_expression(name: str, position: int) -> bool:
    """Return True if the argument at `position`, from 0, is an expression reference such as `&item.sku`."""
    found = MappingFunctions.FUNCTION_TABLE.get(name)
    signature = found["signature"] if found else ()
    return position < len(signature) and "expref" in signature[position]["types"]
