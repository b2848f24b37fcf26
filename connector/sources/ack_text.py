"""
The text of an acknowledgement, from a template in the settings: `ERP order id = {reference}`.

A module of its own, because the settings of two vendors describe, check and fill the same template.
"""

from __future__ import annotations

import re
from string import Formatter

__all__ = ["DEFAULT", "DESCRIPTION", "check_template", "filled"]

DEFAULT = "{message}"
FIELDS = ("message", "reference", "order_id", "external_id")
DESCRIPTION = (
    "Text that goes with the acknowledgement. {reference} is the receiver's number for the order (of several receivers "
    "in the order of the route), {message} the same after the receiver's name, {order_id} the source's own id, "
    "{external_id} the id at the receiver; {{ and }} are braces. Empty: no text."
)

_receiver = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}: ")


def check_template(key: str, template: str) -> None:
    """Raise `ValueError`, which names `key`, unless `template` holds known fields only."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as exc:
        raise ValueError(f"{key}: {exc}") from None
    for _, field, spec, conversion in parts:
        if field is not None and (field not in FIELDS or spec or conversion):
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise ValueError(f"{key}: {{{field}}} is unknown; there are {known}")


def filled(template: str, *, message: str, order_id: str, external_id: str) -> str:
    """Fill in a checked template; `message` is the acknowledgement's, `NAME: REFERENCE; NAME: REFERENCE`."""
    reference = "; ".join(_receiver.sub("", part) for part in message.split("; "))
    return template.format(message=message, reference=reference, order_id=order_id, external_id=external_id)
