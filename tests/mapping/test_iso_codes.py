"""Countries, currencies and postal codes: membership in the standards' lists, and countries by name."""

from __future__ import annotations

import subprocess
import sys

import pycountry
import pytest

from connector.mapping.iso_codes import (
    COUNTRIES,
    CURRENCIES,
    POSTAL_CODE_DIGITS,
    WITHOUT_POSTAL_CODES,
    country_code,
    is_country,
    is_currency,
    postal_code_of,
    read_country,
)


@pytest.mark.fault(150)
def test_the_lists_are_those_of_the_standards() -> None:
    """ISO 3166-1 and ISO 4217 as pycountry has them, and XK."""
    assert {country.alpha_2 for country in pycountry.countries} | {"XK"} == COUNTRIES
    assert {currency.alpha_3 for currency in pycountry.currencies} == CURRENCIES
    assert not is_country("QQ")
    assert not is_country("UK")
    assert not is_currency("QQQ")
    assert WITHOUT_POSTAL_CODES | set(POSTAL_CODE_DIGITS) <= COUNTRIES
    assert not WITHOUT_POSTAL_CODES & set(POSTAL_CODE_DIGITS)


@pytest.mark.fault(150)
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nl", "NL"),
        (" NL ", "NL"),
        ("UK", "GB"),
        ("EL", "GR"),
        ("XK", "XK"),
        ("NLD", "NL"),
        ("Belgium", "BE"),
        ("Estonia", "EE"),
        ("FRANCE", "FR"),
        ("Norge", "NO"),
        ("Noreg", "NO"),
        ("Færøerne", "FO"),
        ("Frankrike", "FR"),
        ("Duitsland", "DE"),
        ("Österreich", "AT"),
        ("Etats-Unis", "US"),
        ("The Netherlands", "NL"),
        ("Turkey", "TR"),
        ("Czech Republic", "CZ"),
        ("Suomi", "FI"),
        ("Côte d'Ivoire", "CI"),
    ],
)
def test_a_country_is_read_by_code_and_by_name(text: str, code: str) -> None:
    """In English and in the vendors' languages; accents and articles may be missing."""
    assert country_code(text) == read_country(text) == code


@pytest.mark.parametrize("text", ["", "QQ", "XX", "EU", "N", "Atlantis", "N L", "1", "x" * 1000])
def test_what_is_no_country_stays_as_it_is(text: str) -> None:
    """It is held later, under its own name."""
    assert country_code(text) is None
    assert read_country(text) == text


def test_every_english_name_is_read() -> None:
    """All of ISO 3166-1, by each name that the standard lists."""
    for country in pycountry.countries:
        for name in (country.name, getattr(country, "common_name", ""), getattr(country, "official_name", "")):
            assert not name or country_code(name) == country.alpha_2, name


@pytest.mark.parametrize(
    ("number", "country", "code"),
    [
        (1067, "DE", "01067"),
        (155, "NO", "0155"),
        (12345, "US", "12345"),
        (123456, "DE", None),
        (1012, "NL", None),
        (-1, "DE", None),
        (5, "QQ", None),
        (999077, "HK", "999077"),
    ],
)
def test_a_postal_code_that_came_as_a_number(number: int, country: str, code: str | None) -> None:
    """It is padded to the country's fixed length; without a fixed length it cannot be restored."""
    assert postal_code_of(number, country) == code


def test_names_are_loaded_when_one_is_read() -> None:
    """The names do not slow a start down."""
    told = (
        "import sys, connector.cli, connector.mapping.iso_codes as codes\n"
        "codes.read_country('NL'); print('pycountry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
