"""Texts are cleaned for labels, and clean texts are recognised."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from connector.mapping.text import are_clean, block, one_line, tidied
from connector.order import Contact, Order, Parcel
from tests.contracts.receiver_harness import EXAMPLE

odd = st.text(alphabet=st.one_of(st.sampled_from(" \n\t\x00\x7f\xa0\u200b\u2028\ud800ab"), st.characters()), max_size=6)


def test_of_all_kinds_of_space_only_one_can_be_printed() -> None:
    """`are_clean` relies on this and does not check the others."""
    spaces = [chr(n) for n in range(sys.maxunicode + 1) if chr(n).isspace()]

    assert [space for space in spaces if space.isprintable()] == [" "]


@settings(max_examples=500, deadline=None)
@given(st.lists(odd, max_size=4))
def test_clean_texts_are_those_that_cleaning_leaves_alone(texts: list[str]) -> None:
    """For any texts together: they are clean if and only if neither way of cleaning changes one."""
    assert are_clean(texts) == all(one_line(text) == text == block(text) for text in texts)


@pytest.mark.parametrize(
    "text",
    [
        "\U0001f6d8",
        "\U0001fadf x",
        "\ue000",
        "\U0001f469\u200d\U0001f680",
        "\u0646\u0645\u06cc\u200c\u0634\u0648\u062f",
    ],
)
def test_a_sign_that_this_python_does_not_know_stays(text: str) -> None:
    """
    Characters of Unicode 16 and 17, private and joined ones stay, so an order
    is the same in every Python version.
    """
    assert one_line(text) == block(text) == text
    assert one_line(f"{text}\n") == text
    assert are_clean(["a", text, "b"])


def test_what_nobody_sees_is_left_out() -> None:
    """Direction marks and overrides, a soft hyphen, a byte order mark, tags; none separates words."""
    assert one_line("\ufeffDonau\xaddampf \u202e\u2066schiff\u2069\u202c\U000e0041 ") == "Donaudampf schiff"


@pytest.mark.fault(151)
@pytest.mark.parametrize(
    "unseen", ["\x00", "\x07", "\x1b", "\x7f", "\x9f", "\u200b", "\xad", "\u2060", "\ufeff", "\u202e"]
)
def test_what_has_no_width_parts_no_word(unseen: str) -> None:
    """They become neither a space nor a character; a space between two words stays."""
    assert one_line(f"Søn{unseen}dergade{unseen} 4{unseen}") == "Søndergade 4"
    assert block(f"Søn{unseen}dergade\n{unseen}4") == "Søndergade\n4"


@pytest.mark.parametrize("broken", ["\t", "\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\xa0", "\u3000"])
def test_what_has_width_stays_a_blank(broken: str) -> None:
    """A tab, a line end and every kind of space separate words."""
    assert one_line(f"Dam{broken}1") == "Dam 1"


def test_half_a_sign_is_shown_as_lost() -> None:
    """A lone surrogate cannot be encoded, and is not dropped silently."""
    assert one_line("a\ud83db") == "a\ufffdb"


@pytest.mark.parametrize("text", [" a", "a ", "a  b", " ", "\xa0", "a\x00", "a\nb", "a\u200b", "\ud800", "a\x7f"])
@pytest.mark.parametrize("others", [[], ["x"]])
def test_one_unclean_text_is_found_among_others(text: str, others: list[str]) -> None:
    """At the beginning, in the middle and at the end."""
    assert not are_clean([text, *others])
    assert not are_clean([*others, text, *others])
    assert not are_clean([*others, text])
    assert are_clean(["a b", "", *others, "ø", "😀"])


def test_a_clean_order_is_not_copied() -> None:
    """Nearly all orders are clean, and take the fast path."""
    assert tidied(EXAMPLE) is EXAMPLE
    bare = Order(source="s", order_id="1")
    assert tidied(bare) is bare


@pytest.mark.parametrize("text", [" x\ty  z ", "\x1b[31mx", "a\r\nb\x00"])
def test_every_text_that_people_read_is_tidied(text: str) -> None:
    """One at a time: each is found, and nothing else changes."""
    line, address = EXAMPLE.lines[0], EXAMPLE.delivery_address
    assert address is not None

    def orders(one: str, several: str) -> Iterator[Order]:
        """Yield the example with a text at each place: `several` where line breaks are kept, `one` elsewhere."""
        yield replace(EXAMPLE, currency=one)
        yield replace(EXAMPLE, language=one)
        yield replace(EXAMPLE, lines=(line, replace(line, name=one)))
        yield replace(EXAMPLE, lines=(line, replace(line, metadata={"a": "b", "note": several})))
        yield replace(EXAMPLE, metadata={"a": "b", "note": several})
        yield replace(EXAMPLE, references=("a", one))
        for name in ("purchase_order", "delivery_method", "carrier", "pickup_location"):
            yield replace(EXAMPLE, **{name: one})
        for name in ("cash_on_delivery_currency", "cash_on_delivery_reference"):
            yield replace(EXAMPLE, **{name: one})
        for name in EXAMPLE.contact.__struct_fields__:
            yield replace(EXAMPLE, contact=replace(EXAMPLE.contact, **{name: one}))
            yield replace(EXAMPLE, contacts=(Contact(**{name: one}),))
        for name in EXAMPLE.customer.__struct_fields__:
            yield replace(EXAMPLE, customer=replace(EXAMPLE.customer, **{name: one}))
        for name in address.__struct_fields__:
            there = replace(address, **{name: several if name == "notes" else one})
            yield replace(EXAMPLE, delivery_address=there)
            yield replace(EXAMPLE, invoice_address=there)
            yield replace(EXAMPLE, sender=there)
        for name in ("line_id", "notes"):
            yield replace(EXAMPLE, lines=(replace(line, **{name: several if name == "notes" else one}),))
        for name in ("parcel_id", "description", "barcode", "notes"):
            yield replace(EXAMPLE, parcels=(replace(Parcel(), **{name: several if name == "notes" else one}),))
        yield replace(EXAMPLE, parcels=(Parcel(metadata={"a": several}),))

    assert [tidied(order) for order in orders(text, text)] == list(orders(one_line(text), block(text)))


def test_what_is_sent_as_it_is_is_not_tidied() -> None:
    """Identity, article codes and the source's own bytes."""
    line = replace(EXAMPLE.lines[0], sku="A  1", name="n  n")
    odd = replace(EXAMPLE, source="s ", order_id="1\t", reference=" r", notes="n \n", lines=(line,), raw=b" ")

    assert tidied(odd) == replace(odd, lines=(replace(line, name="n n"),))
