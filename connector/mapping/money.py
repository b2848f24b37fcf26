"""Converts amounts between `Decimal`, text and minor units by the decimals of their currency, and checks totals."""

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
"""The cause under which an order is held whose lines do not add up to its total, if the route requires that."""

# ISO 4217: currencies that are not listed here have two decimals.
_DECIMALS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"), 0),
    **dict.fromkeys(("PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}

_LARGEST_EXPONENT = 9
"""Amounts stay below 10^10: far more than any order, and small enough that a JSON number holds them exactly."""
_SMALLEST_EXPONENT = -30
_MOST_DIGITS = 15
"""The most digits before the point of a number that is written as text; `1E+400000000` would fill the memory."""
_CONTEXT = Context(prec=60, rounding=ROUND_HALF_UP)
"""A context of our own: the caller's may round differently, and its 28 digits are fewer than a source can send."""
_LONGEST = Context(prec=28, traps=[Rounded])
"""Signals a number of more than 28 digits; counting the digits takes ten times as long."""


def exact(text: str) -> Decimal:
    """
    Return a JSON number with every digit.

    Raises:
        ValueError: the exponent has 20 digits or so; decoders raise the same.
    """
    try:
        return Decimal(text)
    except InvalidOperation:  # not a ValueError, so no reader would catch it
        raise ValueError("a number beyond all measure") from None


def sensible(number: Decimal) -> bool:
    """Return True if a number can be calculated with: adding 1 to 1E+400000000 takes forever (faults.md 3, #13)."""
    if not number.is_finite() or not -13 < number.adjusted() < 13:
        return False
    try:
        _LONGEST.plus(number)
    except Rounded:
        return False
    return True


def decimals(currency: str) -> int:
    """Return the number of decimals of amounts in `currency` (ISO 4217, upper case)."""
    return _DECIMALS.get(currency, 2)


def digits(amount: Decimal) -> str:
    """
    Return the digits of `amount`: 2, 49.99, 0.0000001. Trailing zeros are kept, as they state the precision.

    Raises:
        Unmappable: it is not a number, or so large or small that its digits would fill the memory.
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
    """Return the digits of `amount` with at least as many decimals as `currency` has: 1250.5 NOK is 1250.50."""
    whole, _, fraction = digits(amount).partition(".")
    fraction = fraction.ljust(decimals(currency), "0")
    return f"{whole}.{fraction}" if fraction else whole


def rounded(amount: Decimal, currency: str) -> Decimal:
    """
    Return `amount` rounded half up (away from zero) to the decimals of `currency`.

    Raises:
        Unmappable: it is not a number, or absurdly large: `Decimal("1E+400000000")` is valid JSON, and converting it to
            an integer would take the process down (faults.md, 8.4).
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

    Rounds half up, never through a float (vendors.md 6/004 #2 and #3).

    Raises:
        Unmappable: as `rounded` does.
    """
    # Prices repeat, so results are cached by text: equal amounts may differ in form, and one form may be rejected
    # where the other is not.
    return _minor_units(str(amount), currency)


def exact_minor_units(amount: Decimal, currency: str) -> int | Decimal:
    """
    Return `amount` in the smallest unit of `currency` without rounding: 0.0045 EUR are 0.45 cents.

    The result is an integer if it is whole, otherwise a `Decimal` whose text has no exponent.

    Raises:
        Unmappable: there is no such number.
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
    # Nearly all amounts need no rounding: their digits are those of the minor units.
    if len(fraction) <= places and len(whole) <= _LARGEST_EXPONENT + 1 and (whole + fraction).isdecimal():
        return int(whole + fraction.ljust(places, "0"))
    return int(rounded(Decimal(amount), currency).scaleb(places, context=_CONTEXT))


def check_totals(order: Order, tolerance: Decimal) -> str | None:
    """
    Return a description of the mismatch between an order's lines and its total; None if they agree or cannot be
    compared.

    The total without tax is compared with the lines plus shipping, and with that minus the discount: sources differ in
    whether the prices already include a stated discount. A percentage may apply to the lines, or to the shipping as
    well. Vendors' own samples are off by a cent (vendors.md 6/000 #5); `tolerance`, in units of the currency, allows
    for that. With a line without a price, or rows that are not articles (`other_rows`), there is nothing to compare.
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
    return f"{parts} make {full:f}, the order states {stated:f} {order.currency}".rstrip()
