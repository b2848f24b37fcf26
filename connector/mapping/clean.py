"""
Foreign text made fit for a label or a screen: no control characters, and no space but one between words.

Nearly all text is fit as it comes. To find that out for all texts of an order together costs as much as to clean two
of them, so `tidied` looks first, and cleans only an order that needs it (faults.md, section 3, #16).

What is unfit is listed here. What Python can print depends on its tables of Unicode: by those, an order with a newer
sign in it would be another order after a change of Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import astuple, replace

from connector.order import Address, Contact, Order

__all__ = ["UNFIT", "are_clean", "block", "one_line", "tidied"]

UNFIT: dict[int, str | None] = {
    # Controls, breaks between words and lines, half characters: each parts what stands beside it.
    **dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x200B, 0x2028, 0x2029, *range(0xD800, 0xE000)), " "),
    # Without width: the soft hyphen, marks and overrides of direction, the byte order mark, tags. None parts a word.
    # The two joiners stay: names in Persian and Hindi are spelt with them.
    **dict.fromkeys((0xAD, 0x61C, 0x180E, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070))),
    **dict.fromkeys((0xFEFF, *range(0xFFF9, 0xFFFC), 0xFFFE, 0xFFFF, *range(0xE0000, 0xE0080))),
}


def one_line(value: str) -> str:
    """Return `value` as one line without control characters."""
    if not value:
        return ""
    if not value.isprintable():
        value = value.translate(UNFIT)
    return " ".join(value.split())


def block(value: str) -> str:
    """Return `value` like `one_line`, with its line breaks."""
    if value.isprintable():
        return " ".join(value.split())
    return "\n".join(one_line(line) for line in value.splitlines()).strip()


def are_clean(texts: Iterable[str]) -> bool:
    """Tell whether `one_line` and `block` would return each of `texts` as it is."""
    joined = " ".join(filter(None, texts))
    if not joined.isprintable():
        return joined == one_line(joined)
    # One space is ours, between two texts: a second one is of the texts. Of all kinds of space only this is printable.
    return "  " not in joined and joined[:1] != " " != joined[-1:]


def tidied(order: Order) -> Order:
    """
    Return `order` with clean texts where people will read them: as a rule that is `order` itself.

    These are the contact and the delivery address, the names of the lines, and all metadata, whose values keep their
    line breaks. Identity, references, article codes and notes stay as they are.
    """
    texts: list[str] = [order.currency, order.language, *astuple(order.contact), *order.metadata.values()]
    address = order.delivery_address
    if address is not None:
        texts += astuple(address)
    for line in order.lines:
        texts.append(line.name)
        if line.metadata:
            texts += line.metadata.values()
    if are_clean(texts):
        return order
    return replace(
        order,
        currency=one_line(order.currency),
        language=one_line(order.language),
        contact=Contact(**_lines_of(order.contact)),
        delivery_address=None if address is None else Address(**_lines_of(address)),
        lines=tuple(replace(line, name=one_line(line.name), metadata=_blocks(line.metadata)) for line in order.lines),
        metadata=_blocks(order.metadata),
    )


def _lines_of(struct: Address | Contact) -> dict[str, str]:
    return {name: one_line(getattr(struct, name)) for name in struct.__struct_fields__}


def _blocks(pairs: Mapping[str, str]) -> dict[str, str]:
    return {key: block(value) for key, value in pairs.items()}
