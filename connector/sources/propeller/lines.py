"""
Sorts the rows of a Propeller order into lines, discounts and costs (vendors.md section 1, item fields).

- Products are lines. A row "incentive" that names its parent is a discount on that line.
- Rows of costs (surcharge, postage, payment, an incentive of the whole order) are no goods; they are metadata.
- A row of any other class holds the order, because without it something unknown would be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, Inexact

from connector.errors import Unmappable
from connector.order import Line
from connector.sources.parsing import number_of, number_text, present, scalar_text
from connector.sources.propeller.wire import Item, Text

__all__ = ["lines_of"]

COSTS = frozenset({"incentive", "payment", "postage", "surcharge"})
_EXACT = Context(prec=28, traps=[Inexact])


def lines_of(items: Sequence[Item]) -> tuple[tuple[Line, ...], dict[str, str]]:
    """Return the order's lines, and the other rows as metadata. Raises `Unmappable` for a row of an unknown class."""
    if all(item.class_ is None or item.class_ == "product" for item in items):  # nearly always
        return tuple([_line(item, ()) for item in items]), {}
    products: list[Item] = []
    costs: list[Item] = []
    for item in items:
        kind = _kind(item)
        if kind != "product" and kind not in COSTS:
            raise Unmappable(f"unknown row class: {item.class_}", _named(item))
        (costs if kind in COSTS else products).append(item)
    ids = {_text(item.id) for item in products} - {""}
    discounts: dict[str, list[Item]] = {}
    others: list[Item] = []
    for item in costs:
        parent = _text(item.parent_order_item_id)
        if _kind(item) == "incentive" and parent in ids:
            discounts.setdefault(parent, []).append(item)
        else:
            others.append(item)
    lines = tuple([_line(item, discounts.get(_text(item.id), ())) for item in products])
    return lines, _as_metadata(others)


def _line(item: Item, incentives: Sequence[Item]) -> Line:
    quantity = number_of(item.quantity, "quantity")
    if quantity is None:
        raise Unmappable("missing field: quantity", _named(item))
    ean = scalar_text(item.ean_code)
    sku = _text(item.sku)
    metadata = {
        "product_id": _text(item.product_id),
        "parent_line_id": _text(item.parent_order_item_id),
        "ean": ean,
        "original_price": scalar_text(item.original_price),
        "price_total": scalar_text(item.price_total),
        "discount": scalar_text(item.discount),
        "tax_code": scalar_text(item.tax_code),
        "is_bonus": scalar_text(item.is_bonus),
        "supplier": scalar_text(item.supplier),
        "supplier_code": scalar_text(item.supplier_code),
    }
    price = number_of(item.price, "price")
    if incentives:
        price = _less(price, quantity, incentives)
        metadata |= _as_metadata(incentives)
    return Line(
        line_id=_text(item.id),
        sku=sku if sku.strip() else ean,
        name=item.name or "",
        quantity=quantity,
        unit_price=price,
        tax_percentage=number_of(item.tax_percentage, "taxPercentage"),
        notes=item.notes or "",
        metadata=present(metadata),
    )


def _less(price: Decimal | None, quantity: Decimal, incentives: Sequence[Item]) -> Decimal | None:
    """Return the unit price less the line's incentives; None if a piece has no exact price."""
    if price is None or not quantity:
        return None
    for item in incentives:
        amount, times = number_of(item.price, "price"), number_of(item.quantity, "quantity")
        if amount is None or times is None:
            return None
        try:
            share = amount if times == quantity else _EXACT.divide(_EXACT.multiply(amount, times), quantity)
            price = _EXACT.add(price, share)
        except Inexact:
            return None
    return price if price else abs(price)  # no -0


def _as_metadata(rows: Sequence[Item]) -> dict[str, str]:
    """Return rows that are not lines as metadata, counted by class."""
    found: dict[str, str] = {}
    counted: dict[str, int] = {}
    for row in rows:
        kind = _kind(row)
        counted[kind] = number = counted.get(kind, 0) + 1
        found |= present(
            {
                f"{kind}_{number}_sku": _text(row.sku),
                f"{kind}_{number}_name": row.name or "",
                f"{kind}_{number}_quantity": number_text(number_of(row.quantity, "quantity")),
                f"{kind}_{number}_price": number_text(number_of(row.price, "price")),
                f"{kind}_{number}_notes": row.notes or "",
                f"{kind}_{number}_parent_line_id": _text(row.parent_order_item_id),
            }
        )
    return found


def _kind(item: Item) -> str:
    return (item.class_ or "").strip().casefold() or "product"


def _named(item: Item) -> str:
    return f"row {_text(item.id) or _text(item.sku)} {item.name or ''}".strip()


def _text(value: Text) -> str:
    return "" if value is None else str(value)
