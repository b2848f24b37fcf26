"""Money on the wire: `Decimal` amounts to whole minor units, by the currency's own number of decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation, Rounded
from functools import lru_cache

from connector.errors import Unmappable
from connector.order import Order

__all__ = [
    "TOTALS_CAUSE",
    "check_totals",
    "decimals",
    "digits",
    "exact",
    "exact_minor_units",
    "exact_units",
    "minor_units",
    "rounded",
    "sensible",
    "with_decimals",
]

TOTALS_CAUSE = "totals do not add up"
"""The cause under which an order is held whose lines do not add up to its total, where the route wants that."""

# ISO 4217: everything that is not named here has two decimals.
_DECIMALS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"), 0),
    **dict.fromkeys(("PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}

_LARGEST_EXPONENT = 9
"""Amounts stay below 10^10: far beyond any order, and small enough that a JSON number still holds them exactly."""
_SMALLEST_EXPONENT = -30
_MOST_DIGITS = 15
"""Of a number that is written as text, before its point; with `1E+400000000` they would fill the memory."""
_CONTEXT = Context(prec=60, rounding=ROUND_HALF_UP)
"""An own context: the caller's may round differently, and 28 digits are fewer than a source can send."""
_LONGEST = Context(prec=28, traps=[Rounded])
"""Trips over a number of more than 28 digits; to count them takes ten times as long."""


def exact(text: str) -> Decimal:
    """Return a JSON number with every digit. Raises `ValueError`, as a decoder does, for an exponent of 20 digits."""
    try:
        return Decimal(text)
    except InvalidOperation:  # which is no ValueError, and would pass every reader
        raise ValueError("a number beyond all measure") from None


def sensible(number: Decimal) -> bool:
    """Tell whether a number can be reckoned with: adding 1 to 1E+400000000 takes for ever (faults.md 3, #13)."""
    if not number.is_finite() or not -13 < number.adjusted() < 13:
        return False
    try:
        _LONGEST.plus(number)
    except Rounded:
        return False
    return True


def decimals(currency: str) -> int:
    """Return how many decimals amounts in `currency` (ISO 4217, upper case) have."""
    return _DECIMALS.get(currency, 2)


def digits(amount: Decimal) -> str:
    """
    Return the digits of `amount`: 2, 49.99, 0.0000001; the zeros at its end are kept, they say how exact it is.

    Raises `Unmappable` for what is no number, or so large or small that its digits would fill the memory.
    """
    return _digits(str(amount))


@lru_cache(maxsize=4096)
def _digits(text: str) -> str:
    amount = Decimal(text)
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or amount.adjusted() > _MOST_DIGITS or exponent < _SMALLEST_EXPONENT:
        raise Unmappable("amount out of range", text[:100])
    return format(amount if amount else abs(amount), "f")


def with_decimals(amount: Decimal, currency: str) -> str:
    """Return the digits of `amount`, and at least as many decimals as `currency` has: 1250.5 NOK is 1250.50."""
    whole, _, fraction = digits(amount).partition(".")
    fraction = fraction.ljust(decimals(currency), "0")
    return f"{whole}.{fraction}" if fraction else whole


def rounded(amount: Decimal, currency: str) -> Decimal:
    """
    Return `amount` rounded half up (away from zero) to the decimals of `currency`.

    Raises `Unmappable` for amounts that are not numbers or absurdly large: `Decimal("1E+400000000")` is valid JSON,
    and turning it into an integer would take the process with it (faults.md, 8.4).
    """
    if not amount.is_finite() or amount.adjusted() > _LARGEST_EXPONENT:
        raise Unmappable("amount out of range", f"{amount} {currency}")
    if amount.adjusted() < _SMALLEST_EXPONENT:
        amount = Decimal(0)
    digits = amount.as_tuple().digits
    if len(digits) > _CONTEXT.prec // 2:
        raise Unmappable("amount out of range", f"{len(digits)} digits")
    result = amount.quantize(Decimal(1).scaleb(-decimals(currency)), context=_CONTEXT)
    return result if result else abs(result)  # no "-0.00" on the wire


def minor_units(amount: Decimal, currency: str) -> int:
    """
    Return `amount` in the smallest unit of `currency`: cents for EUR, yen for JPY, fils for BHD.

    Rounds half up, never through a float; raises `Unmappable` as `rounded` does (vendors.md 6/004 #2 and #3).
    """
    # Prices come again and again. By their text: amounts that are equal need not be of one form, and one of them may
    # be refused for its own.
    return _minor_units(str(amount), currency)


def exact_minor_units(amount: Decimal, currency: str) -> int | Decimal:
    """
    Return `amount` in the smallest unit of `currency` without rounding it: 0.0045 EUR are 0.45 cents.

    Whole where it is whole, else a `Decimal` whose text has no exponent. Raises `Unmappable` where there is none.
    """
    return _exact(str(amount), decimals(currency))


def exact_units(amount: Decimal) -> int | Decimal:
    """Return `amount` as `exact_minor_units` does, in units of its currency."""
    return _exact(str(amount), 0)


@lru_cache(maxsize=4096)
def _exact(text: str, places: int) -> int | Decimal:
    amount = Decimal(text)
    if not amount.is_finite() or amount.adjusted() > _LARGEST_EXPONENT or len(amount.as_tuple().digits) > 28:
        raise Unmappable("amount out of range", text[:100])
    amount = amount.scaleb(places, context=_CONTEXT)
    if not amount:
        return 0
    if amount == (whole := amount.to_integral_value(context=_CONTEXT)):
        return int(whole)
    if "E" in str(amount := amount.normalize(_CONTEXT)):
        raise Unmappable("amount out of range", f"{text} is too small to be written without an exponent")
    return amount


@lru_cache(maxsize=4096)
def _minor_units(amount: str, currency: str) -> int:
    places = decimals(currency)
    whole, _, fraction = amount.partition(".")
    # Nearly all amounts have nothing to be rounded: their digits are those of the minor units.
    if len(fraction) <= places and len(whole) <= _LARGEST_EXPONENT + 1 and (whole + fraction).isdecimal():
        return int(whole + fraction.ljust(places, "0"))
    return int(rounded(Decimal(amount), currency).scaleb(places, context=_CONTEXT))


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
