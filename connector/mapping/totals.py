"""Whether an order's lines add up to the total that its source states."""

from __future__ import annotations

from decimal import Context, Decimal

from connector.order import Order

__all__ = ["CAUSE", "check_totals"]

CAUSE = "totals do not add up"
"""The cause under which such an order is held, where the route wants that."""

_CONTEXT = Context(prec=60)


def check_totals(order: Order, tolerance: Decimal) -> str | None:
    """
    Return what is wrong with the order's total, or None if nothing is, or nobody can tell. Changes nothing.

    The total without tax is compared with the lines plus shipping, and with that less the discount: sources differ in
    whether a stated discount is in the prices already. A percentage may be of the lines, or of the shipping as well.
    Vendors' own samples miss by a cent (vendors.md 6/000 #5), which is what `tolerance`, in units of the currency, is
    for. A line without a price, or rows that are no articles (`other_rows`), leave nothing to compare.
    """
    stated = order.totals.excluding_tax
    prices = [line.unit_price for line in order.lines]
    if stated is None or not prices or None in prices or order.metadata.get("other_rows"):
        return None
    percentage = order.totals.discount_percentage
    numbers = [stated, order.totals.shipping_excluding_tax, order.totals.discount, percentage]
    numbers += [number for line in order.lines for number in (line.quantity, line.unit_price)]
    if not all(number is None or (number.is_finite() and abs(number.adjusted()) <= 20) for number in numbers):
        return None
    lines = Decimal(0)
    for line in order.lines:
        lines = _CONTEXT.add(lines, _CONTEXT.multiply(line.quantity, line.unit_price or Decimal(0)))
    shipping = order.totals.shipping_excluding_tax or Decimal(0)
    full = _CONTEXT.add(lines, shipping)
    less = _CONTEXT.subtract(full, abs(order.totals.discount or Decimal(0)))
    sums = [full, less]
    if percentage:
        share = _CONTEXT.divide(abs(percentage), Decimal(100))
        sums += [_CONTEXT.subtract(full, _CONTEXT.multiply(share, part)) for part in (lines, full)]
    if min(abs(_CONTEXT.subtract(stated, each)) for each in sums) <= tolerance:
        return None
    parts = f"lines {lines:f}" + (f" and shipping {shipping:f}" if shipping else "")
    return f"{parts} make {full:f}, the order says {stated:f} {order.currency}".rstrip()
