"""
Validates the bodies of creates, updates and documents (seed 004; vendors.md sections 4 and 6).

Only documented keys are accepted, all required keys must be present, and each value must have its type. Where the
vendor's rule is unknown (null for an optional field, for example), the stand-in refuses the body, so that clients keep
to the documentation.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from connector.mapping.iso_codes import WITHOUT_POSTAL_CODES

__all__ = ["EwarehousingBadRequest", "day", "document_problems", "order_problems"]

Problem = tuple[str, str]
"""The dotted path of a field, and the problem with its value. An empty path is the request as a whole."""
Check = Callable[[Any, str], Iterator[Problem]]

BLANK = "This value should not be blank."
MISSING = "This field is missing."
EXTRA = "This form should not contain extra fields."
META_KEY = re.compile(r"[a-z0-9_-]+")
DAY = re.compile(r"\d{4}-\d\d-\d\d")


class EwarehousingBadRequest(Exception):
    """The vendor's 400 response; `problems` are the reasons."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"{path}: {text}" if path else text for path, text in problems))
        self.problems = problems

    def content(self) -> dict[str, Any]:
        """Return the vendor's body: numbered texts, and lists under the camelCase names of the fields."""
        named: dict[str, list[str]] = {}
        for path, text in self.problems:
            if path:
                named.setdefault(_camel(path), []).append(text)
        numbered = {str(number): text for number, (_, text) in enumerate(self.problems)}
        return {"errors": numbered | {name: texts for name, texts in named.items() if name not in numbered}}


def order_problems(body: Any, articles: Collection[str] | None, *, update: bool = False) -> list[Problem]:
    """
    Return the problems of the body of a create, or of an `update`.

    An update may have any key but those of the identity, and requires none; its order lines must be complete.
    `articles` are the known article codes; None accepts any code.
    """

    def line(value: Any, path: str) -> Iterator[Problem]:
        yield from _object(value, path, _LINE, {"article_code", "quantity", "description"})
        code = value.get("article_code") if isinstance(value, dict) else None
        if articles is not None and isinstance(code, str) and code and code not in articles:
            yield f"{path}.article_code", f'Variant "{code}" was not found.'

    def address(value: Any, path: str) -> Iterator[Problem]:
        yield from _object(value, path, _ADDRESS, () if update else {"street", "city", "country", "addressed_to"})
        # An update without a zipcode keeps the old one.
        if not isinstance(value, dict) or value.get("zipcode") or (update and "zipcode" not in value):
            return
        if str(value.get("country")) not in WITHOUT_POSTAL_CODES:
            yield f"{path}.zipcode", BLANK if "zipcode" in value else MISSING

    fields = {**_ORDER, "order_lines": _list(line, least=1), "shipping_address": address}
    required: Collection[str] = ()
    if not update:
        fields |= {"external_reference": _text, "external_id": _text}
        required = _REQUIRED
    return list(_object(body, "", fields, required))


def document_problems(body: Any) -> list[Problem]:
    """Return the problems of a document for an order."""
    return list(_document(body, ""))


def day(value: str) -> date | None:
    """Return the date for a text in the form YYYY-MM-DD, or None."""
    try:
        return date.fromisoformat(value) if DAY.fullmatch(value) else None
    except ValueError:
        return None


def _object(value: Any, path: str, fields: Mapping[str, Check], required: Collection[str]) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield path, "This value should be of type object."
        return
    prefix = f"{path}." if path else ""
    for name in fields:
        if name in required and name not in value:
            yield prefix + name, MISSING
    for name, part in value.items():
        check = fields.get(name)
        if check is None:
            yield prefix + name, EXTRA
        elif name in required and part == "":
            yield prefix + name, BLANK
        else:
            yield from check(part, prefix + name)


def _list(check: Check, *, least: int = 0) -> Check:
    def checked(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield path, "This value should be of type array."
        elif len(value) < least:
            yield path, f"This collection should contain {least} element or more."
        else:
            for number, part in enumerate(value):
                yield from check(part, f"{path}.{number}")

    return checked


def _simple(is_valid: Callable[[Any], bool], problem: str) -> Check:
    def checked(value: Any, path: str) -> Iterator[Problem]:
        if not is_valid(value):
            yield path, problem

    return checked


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or isinstance(value, Decimal | float)


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value.lower()
    except ValueError:
        return False


def _is_file(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        return False


def _meta_data(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield path, "This value should be of type object."
        return
    for key, part in value.items():
        if not META_KEY.fullmatch(key):
            yield f"{path}.{key}", "Keys must be lowercase and should use `_` or `-` as separators."
        elif not isinstance(part, str):
            yield f"{path}.{key}", "This value should be of type string."


_text = _simple(_is_text, "This value should be of type string.")
_flag = _simple(lambda value: isinstance(value, bool), "This value should be of type boolean.")
_whole = _simple(_is_whole, "This value should be of type integer.")
_number = _simple(_is_number, "This value should be of type number.")
_positive = _simple(lambda value: _is_whole(value) and value >= 1, "This value should be a positive integer.")
_uuid = _simple(_is_uuid, "This is not a valid UUID.")
_day = _simple(lambda value: _is_text(value) and day(value) is not None, "This value is not a valid date.")
_file = _simple(_is_file, "This value should be a base64 encoded file.")
_country = _simple(
    lambda value: _is_text(value) and re.fullmatch("[A-Z]{2}", value) is not None, "This value is not a valid country."
)
_currency = _simple(
    lambda value: _is_text(value) and re.fullmatch("[A-Z]{3}", value) is not None, "This value is not a valid currency."
)
_terms = _simple(lambda value: value in ("DAP", "DDP"), "The value you selected is not a valid choice.")

_DOCUMENT: dict[str, Check] = {
    "file": _file,
    "title": _text,
    "quantity": _positive,
    "order_price": _number,
    "shipping_label": _flag,
}


def _document(value: Any, path: str) -> Iterator[Problem]:
    yield from _object(value, path, _DOCUMENT, {"file", "title"})


_LINE: dict[str, Check] = {
    "article_code": _text,
    "quantity": _positive,
    "description": _text,
    "price": _number,
    "meta_data": _meta_data,
}

_ADDRESS: dict[str, Check] = {
    "street": _text,
    "street_number": _text,
    "street_number_addition": _text,
    "street2": _text,
    "city": _text,
    "state": _text,
    "country": _country,
    "zipcode": _text,
    "phone_number": _text,
    "mobile_number": _text,
    "fax_number": _text,
    "invalid": _flag,
    "addressed_to": _text,
}

_REQUIRED = frozenset(
    {"external_reference", "order_lines", "shipping_address", "shipping_contactperson", "requested_delivery_date"}
)

_ORDER: dict[str, Check] = {
    "po_number": _text,
    "shipping_method": _uuid,
    "shipping_contactperson": _text,
    "shipping_email": _text,
    "requested_delivery_date": _day,
    "documents": _list(_document),
    "ioss_number": _text,
    "eori_number": _text,
    "vat_number": _text,
    "inbound_vat_number": _text,
    "inbound_eori_number": _text,
    "meta_data": _meta_data,
    "language": _text,
    "note": _text,
    "customer_note": _text,
    "order_amount": _whole,
    "assured_amount": _whole,
    "inco_terms": _terms,
    "currency": _currency,
}
"""Fields of both creates and updates, without the two fields whose rules differ between them."""


def _camel(path: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), path)
