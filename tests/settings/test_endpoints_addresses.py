"""Addresses of endpoints are unambiguous, use https, and are on a private network only if the settings allow it."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from connector.errors import SettingsError
from connector.settings.values import Url
from tests.settings.vendors import changed, good, problems

SHOP_URL = "base_url: https://shop.example"

REFUSED = [
    "file:///etc/passwd",
    "ftp://shop.example",
    "gopher://shop.example",
    "javascript:alert(1)",
    "//shop.example",
    "shop.example",
    "https:shop.example",
    "https:///shop.example",
    "https://",
    "http://shop.example",
    "http://8.8.8.8",
    "http://[2001:4860:4860::8888]",
    "https://user:password@shop.example",
    "https://user@shop.example",
    "https://@shop.example",
    "https://good.example@evil.example",
    "https://good.example\\@evil.example",
    "https://shop.example.",
    "https://.shop.example",
    "https://shop..example",
    "https://127.1",
    "https://0177.0.0.1",
    "https://0x7f.0.0.1",
    "https://0x7f000001",
    "https://2130706433",
    "https://127.0.0.1.",
    "https://256.256.256.256",
    "https://1.2.3.4.5",
    "https://shop.example.0x1",
    "https://[fe80::1%25eth0]",
    "https://[::1",
    "https://0[::1]",
    "https://[::1]0",
    "https://[::1][::2]",
    "https://[8.8.8.8]",
    "https://shop.example:8\u0661",
    "https://ｓｈｏｐ.example",  # noqa: RUF001 - some programs read these as letters
    "https://shоp.example",  # noqa: RUF001 - the o is Cyrillic
    "https://shop。example",
    "https://münchen.example",
    "https://shop%2eexample",
    "https://shop.example:0",
    "https://shop.example:99999",
    "https://shop.example:",
    "https://shop.example:8o",
    "https://shop.example/?access_token=x",
    "https://shop.example/#x",
    "https://shop.example/a b",
    "https://shop.example/\r\nX-Evil: 1",
    "https://shop.example/\u202eevil",
    "https://-shop.example",
    "https://" + "a" * 64 + ".example",
]


@pytest.mark.attack(5, 23)
@pytest.mark.fault(124)
@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_no_plain_https_one_is_refused(address: str) -> None:
    """Addresses that two programs could read in two ways, and addresses without encryption, are rejected."""
    with pytest.raises(ValueError, match=r"address|host|plain http"):
        Url.parse(address)


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("https://api.helice.cloud", "public"),
        ("https://SHOP.example:8443/api/", "public"),
        ("https://xn--mnchen-3ya.example", "public"),
        ("https://8.8.8.8", "public"),
        ("https://[2001:4860:4860::8888]:443", "public"),
        ("http://127.0.0.1:18081", "machine"),
        ("http://localhost:8080/api", "machine"),
        ("http://[::1]:8080", "machine"),
        ("http://[::ffff:127.0.0.1]:8080", "machine"),
        ("http://127.9.9.9", "machine"),
        ("https://10.0.0.5", "private"),
        ("http://192.168.1.10:8069", "private"),
        ("https://169.254.169.254", "private"),
        ("https://[::ffff:10.0.0.1]", "private"),
        ("https://[fd00::1]", "private"),
        ("https://[fe80::1]", "private"),
        ("https://100.64.0.1", "private"),
        ("https://0.0.0.0", "private"),
        ("http://erp:8069", "private"),
        ("http://erp.lan", "private"),
        ("http://metadata.google.internal", "private"),
        ("http://erp_service:80", "private"),
    ],
)
def test_how_far_an_address_is(address: str, reach: str) -> None:
    """The reach of an address is this machine, a private network, or the public internet."""
    assert Url.parse(address).reach == reach


@pytest.mark.attack(5)
@given(st.text(st.sampled_from("htps:/[]@.%\\0178af%x-_é。\t "), max_size=24).map("https://{}".format))
@example("https://[::1]:8")
@example("https://0[::]")
@settings(max_examples=1000, deadline=None)
def test_the_client_reads_the_host_that_we_read(address: str) -> None:
    """An accepted address has one host, for the check and for the client that calls it."""
    try:
        accepted = Url.parse(address)
    except ValueError:
        return
    assert URL(accepted, encoded=True).host == accepted.host


@pytest.mark.attack(5)
@pytest.mark.parametrize("address", ["https://10.0.0.5", "http://erp.lan", "https://169.254.169.254/latest"])
def test_a_private_address_has_to_be_meant(address: str) -> None:
    """A private address is a mistake until the endpoint has `allow_private: true`."""
    text = changed(SHOP_URL, f"base_url: {address}")
    (said,) = problems(text)
    assert said.startswith("settings.yaml:5:15: sources.shop.base_url: this address is on a private network")
    meant = good(text.replace(f"base_url: {address}", f"base_url: {address}\n    allow_private: true"))
    assert meant.sources["shop"].allow_private


@pytest.mark.attack(5)
def test_in_production_this_machine_has_to_be_meant() -> None:
    """In production a missing variable would send orders to a stand-in; in the sandbox loopback is normal."""
    text = changed(SHOP_URL, "base_url: http://127.0.0.1:18081")
    assert good(text).sources["shop"]
    production = text.replace("environment: sandbox", "environment: production")
    (said,) = problems(production)
    assert "in production an address on this machine needs allow_private: true" in said
    assert good(production.replace(":18081", ":18081\n    allow_private: true")).environment == "production"


def test_allow_private_does_not_allow_plain_http_to_anybody() -> None:
    """Calls to public addresses are always encrypted."""
    with pytest.raises(SettingsError, match="plain http"):
        good(changed(SHOP_URL, "base_url: http://shop.example\n    allow_private: true"))
