"""
The codes in orders: countries (ISO 3166-1), currencies (ISO 4217) and postal codes.

A code is valid if it is in the standard's list; two letters alone are not a country. The lists are text in this module,
so that checking a code loads nothing; a test compares them with pycountry's data. The names of countries, in the
languages of the vendors' customers, come from pycountry, which is loaded when an order first names a country by name.
"""

from __future__ import annotations

import gettext
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

__all__ = [
    "COUNTRIES",
    "CURRENCIES",
    "POSTAL_CODE_DIGITS",
    "WITHOUT_POSTAL_CODES",
    "country_code",
    "is_country",
    "is_currency",
    "postal_code_of",
    "read_country",
]

_COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW
BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI
FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN
IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME
MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF
PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV
SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE
YT ZA ZM ZW
XK
"""
_CURRENCIES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF
CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP
GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT
LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR
NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN
SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD
XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF XPT XSU XTS XUA XXX YER ZAR ZMW ZWG
"""
_WITHOUT_POSTAL_CODES = """
AE AG AO AW BF BI BJ BO BQ BS BW BZ CD CF CG CI CK CM CW DJ DM ER FJ GA GD GH GM GQ GY HK JM KI KM KN KP LY
ML MO MR MS MW NR NU PA QA RW SB SC SL SO SR SS ST SX SY TD TF TG TK TL TO TV UG VU YE ZW
"""
_DIGITS = {
    3: "FO IS LS MG OM PG",
    4: "AF AL AM AT AU BD BE BG CC CH CX CY DK GE GL GW HT HU LI LU LV MD MK MZ NE NF NO NZ PH PY SI SJ TN VE ZA",
    5: "AS AX BA BT CR CU CZ DE DO DZ EE EG ES FI FR GF GP GR GT GU HR ID IQ IT JO KE KR KW LA LK LT MA MC ME MM MP MQ"
    " MX MY NC NP PE PF PK PL PM PR RE RS SA SD SE SK SM SN TH TR TZ UA US UY VA VI WF XK YT ZM",
    6: "BY CN CO EC IN KG NG RO RU SG TJ TM UZ",
    7: "CL IL JP",
    8: "BR",
    10: "IR",
}

COUNTRIES = frozenset(_COUNTRIES.split())
"""ISO 3166-1 alpha-2, and XK, which is in common use for Kosovo."""

CURRENCIES = frozenset(_CURRENCIES.split())
"""ISO 4217."""

WITHOUT_POSTAL_CODES = frozenset(_WITHOUT_POSTAL_CODES.split())
"""Countries whose addresses have no postal code, or do not need one (Universal Postal Union)."""

POSTAL_CODE_DIGITS = {country: digits for digits, countries in _DIGITS.items() for country in countries.split()}
"""
The number of digits of a country's postal codes, where all have the same number and nothing else (Universal Postal
Union).
"""

ALIASES = {"UK": "GB", "EL": "GR"}
"""Other codes in use for a country: reserved for it in the standard, or those of the European Union."""

EVERYDAY = {
    "cape verde": "CV",
    "england": "GB",
    "great britain": "GB",
    "holland": "NL",
    "ivory coast": "CI",
    "kosovo": "XK",
    "macau": "MO",
    "northern ireland": "GB",
    "palestine": "PS",
    "republic of ireland": "IE",
    "schotland": "GB",
    "scotland": "GB",
    "skotland": "GB",
    "skottland": "GB",
    "svalbard": "SJ",
    "svejts": "CH",
    "turkey": "TR",
    "tyrkiet": "TR",
    "united arab emirates": "AE",
    "vatican": "VA",
    "vatican city": "VA",
    "wales": "GB",
}
"""Names in common use that the standard does not list."""

LOCALES = ("nb", "nn", "da", "sv", "nl", "de", "fr", "fi", "is", "es", "it", "pl", "pt", "et", "lv", "lt", "cs")
"""The languages in which names of countries are recognised, in addition to English."""

LONGEST_NAME = 100


def is_country(code: str) -> bool:
    """Return True if `code` is the code of a country, in upper case."""
    return code in COUNTRIES


def is_currency(code: str) -> bool:
    """Return True if `code` is the code of a currency, in upper case."""
    return code in CURRENCIES


@lru_cache(maxsize=1024)
def country_code(text: str) -> str | None:
    """Return the alpha-2 code of the country that `text` names, by code or by name; None if it names none."""
    found = text.strip()
    code = found.upper()
    if code in COUNTRIES:
        return code
    if code in ALIASES:
        return ALIASES[code]
    if len(found) < 3 or len(found) > LONGEST_NAME:
        return None
    name = _folded(found)
    return _names(()).get(name) or _names(LOCALES).get(name)


def read_country(text: str) -> str:
    """Return the alpha-2 code of the country that `text` names; `text` itself if it names no known country."""
    return text if text in COUNTRIES else country_code(text) or text.strip()


def postal_code_of(number: int, country: str) -> str | None:
    """
    Return a postal code that arrived as a number, with its leading zeros restored.

    None if their number is unknown, because the country's postal codes have no fixed length.
    """
    digits, text = POSTAL_CODE_DIGITS.get(country), str(number)
    if number < 0 or digits is None or len(text) > digits:
        return text if number >= 0 and country in WITHOUT_POSTAL_CODES else None
    return text.rjust(digits, "0")


@cache
def _names(locales: Sequence[str]) -> dict[str, str]:
    """Return the code for each name and each alpha-3 code; names shared by several countries are left out."""
    import pycountry

    translations: list[Callable[[str], str]] = [str]
    translations += [
        gettext.translation("iso3166-1", pycountry.LOCALES_DIR, [each], fallback=True).gettext for each in locales
    ]
    found: dict[str, set[str]] = {name: {code} for name, code in EVERYDAY.items()}
    for country in pycountry.countries:
        code = country.alpha_2
        names = [getattr(country, kind, None) for kind in ("name", "common_name", "official_name")]
        for name in {translated(name) for name in names if name for translated in translations} | {country.alpha_3}:
            found.setdefault(_folded(name), set()).add(code)
    return {name: min(codes) for name, codes in found.items() if len(codes) == 1}


def _folded(name: str) -> str:
    """Return a name without case, accents, punctuation and article, which people leave out."""
    lower = name.casefold().replace("\u00f8", "o").replace("\u00e6", "ae").replace("&", " and ")
    if not lower.isascii():
        lower = "".join(char for char in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(char))
    words = re.findall(r"[^\W_]+", lower)
    return " ".join(words[1:] if len(words) > 1 and words[0] == "the" else words)
