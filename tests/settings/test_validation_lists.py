"""Values in a list are checked like values outside of lists."""

from __future__ import annotations

import msgspec
import pytest

from connector.errors import SettingsError
from connector.settings import Settings, SourceSettings, Url, parse
from tests.settings.vendors import ENVIRON, GOOD, RECEIVERS


class Mirror(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of several addresses."""

    url: Url
    first: int = 0
    last: int = 9

    def problems(self) -> list[tuple[str, str]]:
        """Report a last number before the first."""
        return [("last", "it comes before the first")] if self.last < self.first else []


class ManySettings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="many"):
    """A source with lists of everything."""

    hosts: list[Url] = msgspec.field(default_factory=list)
    mirrors: list[Mirror] = msgspec.field(default_factory=list)
    named: dict[str, list[Mirror]] = msgspec.field(default_factory=dict)


TEXT = GOOD.replace(
    "    type: shop\n    base_url: https://shop.example\n    token: ${SHOP_TOKEN}\n", "    type: many\n"
)


def parsed(keys: str) -> Settings:
    """Read settings whose source has these keys."""
    text = TEXT.replace("    type: many\n", f"    type: many\n{keys}")
    return parse(text, sources={"many": ManySettings}, receivers=RECEIVERS, environ=ENVIRON)


@pytest.mark.parametrize(
    ("keys", "mistake"),
    [
        (
            "    hosts: [https://a.example, https://10.0.0.5]\n",
            "settings.yaml:5:32: sources.shop.hosts.1: this address",
        ),
        (
            "    mirrors: [{url: https://10.0.0.5}]\n",
            "settings.yaml:5:21: sources.shop.mirrors.0.url: this address is on",
        ),
        (
            "    mirrors:\n      - url: https://a.example\n      - {url: https://b.example, first: 5, last: 2}\n",
            "settings.yaml:7:50: sources.shop.mirrors.1.last: it comes before the first",
        ),
        ("    named: {eu: [{url: https://a.example, first: 9, last: 2}]}\n", "sources.shop.named.eu.0.last: it comes"),
    ],
)
def test_a_mistake_in_a_list_is_found_at_its_place(keys: str, mistake: str) -> None:
    """An address on a private network, and the problems that a nested struct reports."""
    with pytest.raises(SettingsError) as caught:
        parsed(keys)
    (line,) = caught.value.problems
    assert mistake in line


def test_a_list_without_a_mistake_is_taken() -> None:
    """`allow_private` applies to the addresses in it."""
    assert "shop" in parsed("    hosts: [https://10.0.0.5]\n    allow_private: true\n").sources
