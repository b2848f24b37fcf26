"""
Splits house numbers off streets: `Keizersgracht 100-2` becomes the street `Keizersgracht` and the number `100-2`.

Only on request (vendors.md 6/004 #19), and only where the form of the street is unambiguous; other streets stay whole.
No word is ever lost, changed or moved: the parts, put together again, read as the original.
"""

from __future__ import annotations

import re

import msgspec

from connector.order import Address, Order

__all__ = ["SplitStreet", "split", "split_address", "split_addresses"]

NUMBER = re.compile(r"\d{1,5}[A-Za-z]?(?:[-/+]\d{0,4}[A-Za-z]{0,2})*", re.ASCII)
YEAR = re.compile(r"(?:1[5-9]|20)\d\d(?:-\d{2,4})?", re.ASCII)
"""`Plein 1944` is a square in Nijmegen, without a number 1944."""

ADDITION = re.compile(r"[A-Za-z]|[IVX]{1,5}|[-/]\w{1,4}|bis|ter|quater|hs|huis|rd|zw|boven|beneden", re.ASCII)
BOX = frozenset({"app", "app.", "apt", "apt.", "box", "bte", "bus", "unit"})
"""Words that belong to the number after them, as in `Kanaalstraat 12 bus 3`."""

ORDINAL = re.compile(r"\d{1,3}(?:\.|e|de|ste|er|re|ere|ère|eme|ème|st|nd|rd|th|º|ª)", re.IGNORECASE)
"""`1e Jan Steenstraat`, `350 5th Ave`, `Straße des 17. Juni`: numbers that count streets or days, not houses."""
_MONTHS = """
januari februari maart april mei juni juli augustus september oktober november december
januar februar märz mai august oktober dezember janvier février mars avril juin juillet août septembre octobre novembre
décembre january february march may june july october
"""
MONTHS = frozenset(_MONTHS.split())
"""A number before one of these names is a day: `Rue du 8 Mai 1945`."""

NUMBER_FIRST = frozenset({"AU", "CA", "FR", "GB", "IE", "LU", "MC", "NZ", "US"})
"""Countries (ISO 3166) where the number comes before the street."""


class SplitStreet(msgspec.Struct, frozen=True):
    """A street and the number in it. Without a number the street is unchanged."""

    street: str
    number: str = ""
    addition: str = ""
    leads: bool = False
    """True if the number came before the street."""

    @property
    def whole(self) -> str:
        """The parts put together again, in their original order."""
        number = (self.number, self.addition)
        return " ".join(part for part in ((*number, self.street) if self.leads else (self.street, *number)) if part)


def split(street: str, country: str = "") -> SplitStreet:
    """Split the number off `street` by the custom of `country` (ISO 3166); leave the street whole if in doubt."""
    words = street.split()
    if country.strip().upper() in NUMBER_FIRST:
        return _leading(words) or SplitStreet(street)
    return _trailing(words) or SplitStreet(street)


def split_address(address: Address) -> Address:
    """Return `address` with the number of its street in `number`; an address that already has a number is unchanged."""
    if address.number or address.number_addition:
        return address
    found = split(address.street, address.country)
    if not found.number:
        return address
    return msgspec.structs.replace(address, street=found.street, number=found.number, number_addition=found.addition)


def split_addresses(order: Order) -> Order:
    """Return `order` with the numbers of its streets split off, see `split_address`."""
    delivery, invoice = order.delivery_address, order.invoice_address
    return msgspec.structs.replace(
        order,
        delivery_address=delivery and split_address(delivery),
        invoice_address=invoice and split_address(invoice),
    )


def _trailing(words: list[str]) -> SplitStreet | None:
    at = next((i for i in range(len(words) - 1, 0, -1) if NUMBER.fullmatch(words[i])), 0)
    if at > 1 and words[at - 1].lower() in BOX:
        at = next((i for i in range(at - 2, 0, -1) if NUMBER.fullmatch(words[i])), 0)
    before, after = words[:at], words[at + 1 :]
    if not at or YEAR.fullmatch(words[at]) or not _is_addition(after) or not _is_street(before):
        return None
    if _holds_a_number(before):
        return None  # "Dam 10 2", "Kade 5 hoog 12", "Kerkstraat 12 - 14": it is not clear which is the house number
    return SplitStreet(" ".join(before), words[at], " ".join(after))


def _leading(words: list[str]) -> SplitStreet | None:
    if len(words) < 2 or not NUMBER.fullmatch(words[0]):
        return None
    at = 2 if words[1].lower() in ("bis", "ter", "quater") else 1
    rest = words[at:]
    if not _is_street(rest) or _holds_a_number(rest):
        return None
    return SplitStreet(" ".join(rest), words[0], " ".join(words[1:at]), leads=True)


def _holds_a_number(words: list[str]) -> bool:
    """Return True if a word of a street may be the house number: not a year, a day, or an ordinal."""
    for index, word in enumerate(words):
        if not any(map(str.isdigit, word)) or YEAR.fullmatch(word) or ORDINAL.fullmatch(word):
            continue
        if word.isdecimal() and index + 1 < len(words) and words[index + 1].lower() in MONTHS:
            continue
        return True
    return False


def _is_addition(words: list[str]) -> bool:
    if len(words) == 2 and words[0].lower() in BOX:
        return NUMBER.fullmatch(words[1]) is not None or ADDITION.fullmatch(words[1]) is not None
    return len(words) < 2 and all(ADDITION.fullmatch(word) for word in words)


def _is_street(words: list[str]) -> bool:
    return any(sum(c.isalpha() for c in word) > 1 for word in words)
