"""House numbers in streets are split off where unambiguous, and no word is lost in any case."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.mapping.house_numbers import SplitStreet, split, split_address, split_addresses
from connector.order import Address, Order


@pytest.mark.parametrize(
    ("street", "country", "expected"),
    [
        ("Keizersgracht 100", "NL", ("Keizersgracht", "100", "")),
        ("Keizersgracht 100-2", "NL", ("Keizersgracht", "100-2", "")),
        ("Keizersgracht 100a", "NL", ("Keizersgracht", "100a", "")),
        ("Keizersgracht 100 hs", "NL", ("Keizersgracht", "100", "hs")),
        ("Karl Johans gate 1 B", "NO", ("Karl Johans gate", "1", "B")),
        ("1e Jan Steenstraat 12 III", "NL", ("1e Jan Steenstraat", "12", "III")),
        ("Plein 1944 12", "NL", ("Plein 1944", "12", "")),
        ("Laan van 1940-1945 7", "NL", ("Laan van 1940-1945", "7", "")),
        ("Straße des 17. Juni 135", "DE", ("Straße des 17. Juni", "135", "")),
        ("Kanaalstraat 12 bus 3", "BE", ("Kanaalstraat", "12", "bus 3")),
        ("  Dorpsstraat   5 ", "", ("Dorpsstraat", "5", "")),
        ("12 Rue de la Paix", "FR", ("Rue de la Paix", "12", "")),
        ("12 bis Rue de la Paix", "fr", ("Rue de la Paix", "12", "bis")),
        ("221B Baker Street", "GB", ("Baker Street", "221B", "")),
        ("350 5th Ave", "US", ("5th Ave", "350", "")),
        ("8 Rue du 8 Mai 1945", "FR", ("Rue du 8 Mai 1945", "8", "")),
        ("2e Kade 12", "NL", ("2e Kade", "12", "")),
        ("Straat van 5 mei 12", "NL", ("Straat van 5 mei", "12", "")),
    ],
)
def test_a_number_is_split_off(street: str, country: str, expected: tuple[str, str, str]) -> None:
    """By the custom of the country: after the street, or before it."""
    found = split(street, country)
    assert (found.street, found.number, found.addition) == expected


@pytest.mark.parametrize(
    ("street", "country"),
    [
        ("", "NL"),
        ("Keizersgracht", "NL"),
        ("Plein 1944", "NL"),
        ("Rue du 8 Mai 1945", "BE"),
        ("12 Rue de la Paix", "NL"),
        ("12 Rue de la Paix", ""),
        ("Dam 10 2", "NL"),
        ("Route 66 West", "NL"),
        ("Hauptstraße 5, Hinterhaus", "DE"),
        ("Keizersgracht 100 tweede verdieping achter", "NL"),
        ("100", "NL"),
        ("A 12", "NL"),
        ("Rue de la Paix 12", "FR"),
        ("12", "FR"),
        ("12 Main Street 4", "US"),
        ("Flat 3, 12 High Street", "GB"),
        ("Postbus 12  B  C", "NL"),
        ("Kanaalstraat bus 3", "BE"),
        ("Kade 5 hoog 12", "NL"),
        ("Kerkstraat 12 - 14", "NL"),
        ("Kerkstraat 12 t/m 14", "NL"),
        ("Via Roma 12, int. 5", "IT"),
        ("Calle 5 No. 12", "ES"),
        ("12 Kerkstraat 14", "NL"),
        ("Gebouw 4 Kerkstraat 12", "NL"),
        ("Strasse C3 12", "DE"),
        ("Kerkstraat 12 bus 3 4", "BE"),
        ("10 Unit 4 Baker Street", "GB"),
        ("10 Downing Street Flat 2a", "GB"),
    ],
)
def test_a_street_that_leaves_a_doubt_is_left_whole(street: str, country: str) -> None:
    """To the letter, including spaces."""
    assert split(street, country) == SplitStreet(street)


WORDS = st.sampled_from(
    ["12", "1e", "100-2", "1944", "B", "III", "bus", "bis", "Plein", "Rue", "la", "5th", "12,", "°"]
)


@given(
    st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=6).map(" ".join)),
    st.sampled_from(["", "NL", "FR", "US", "nl", "??"]),
)
def test_no_word_is_lost_changed_or_moved(street: str, country: str) -> None:
    """For any street: put together again, the parts are its words in their order."""
    assert split(street, country).whole.split() == street.split()


def test_an_address_with_a_number_of_its_own_stays() -> None:
    """The source has already separated them."""
    address = Address(street="Plein 1944 12", number="3", country="NL")
    assert split_address(address) is address
    other = Address(street="Keizersgracht 100", number_addition="II")
    assert split_address(other) is other


def test_both_addresses_of_an_order_are_split() -> None:
    """Nothing else in it changes."""
    order = Order(
        source="shop",
        order_id="1",
        delivery_address=Address(street="Keizersgracht 100 B", city="Amsterdam", country="NL"),
        invoice_address=Address(street="Dam", country="NL"),
    )
    found = split_addresses(order)
    expected = Address(street="Keizersgracht", number="100", number_addition="B", city="Amsterdam", country="NL")
    assert found == msgspec.structs.replace(order, delivery_address=expected)
    bare = Order(source="shop", order_id="1")
    assert split_addresses(bare) == bare
