"""No secret is printed: not in a message, an echo, a repr or a traceback."""

from __future__ import annotations

import traceback

import pytest
import rich.console
import rich.pretty

from connector.errors import SettingsError
from connector.settings import echo
from tests.settings.vendors import CANARY, ENVIRON, GOOD, changed, good, problems

USER, TOKEN, PASSWORD = "username: me", "token: ${SHOP_TOKEN}", "password: ${WMS_PASSWORD}"

WRONG = {
    "literal with a line break": (PASSWORD, f'password: "{CANARY}\\n"'),
    "filled in with a line break": (PASSWORD, "password: ${BROKEN}"),
    "list": (PASSWORD, f"password: [{CANARY}]"),
    "mapping": (PASSWORD, f"password: {{a: {CANARY}}}"),
    "default": (PASSWORD, f'password: "${{X:-{CANARY}}}\\n"'),
    "half a reference": (PASSWORD, f"password: ${{{CANARY}"),
    "alias": (PASSWORD, f"password: *{CANARY}"),
    "anchor": (PASSWORD, f"password: &{CANARY} x"),
    "tag": (PASSWORD, f"password: !{CANARY} x"),
    "broken quotes": (PASSWORD, f'password: "{CANARY}'),
    "broken braces": (PASSWORD, f"password: {{{CANARY}"),
    "in the address": ("base_url: https://wms.example", f"base_url: https://me:{CANARY}@wms.example"),
    "in the port": ("base_url: https://wms.example", f"base_url: https://me:{CANARY}/x@wms.example"),
    "in the query": ("base_url: https://wms.example", f"base_url: https://wms.example?key={CANARY}"),
    "as a type": ("type: wms", "type: ${SHOP_TOKEN}"),
    "as an environment": ("environment: sandbox", "environment: ${SHOP_TOKEN}"),
    "as a number": (USER, USER + "\n    concurrency: ${SHOP_TOKEN}"),
    "as a duration": (USER, USER + "\n    timeout: ${SHOP_TOKEN}"),
    "as a rate": (USER, USER + "\n    rate_limit: ${SHOP_TOKEN}"),
    "as an address": ("base_url: https://wms.example", "base_url: ${SHOP_TOKEN}"),
    "as a choice": (USER, USER + "\n    price_unit: ${SHOP_TOKEN}"),
    "as a code": (USER, USER + "\n    code: ${SHOP_TOKEN}"),
    "as a list": (TOKEN, TOKEN + "\n    statuses: ${SHOP_TOKEN}"),
    "as an endpoint": ("routes:", "  more: ${SHOP_TOKEN}\nroutes:"),
    "refused by the struct": (USER, USER + "\n    zone: Mars/${SHOP_TOKEN}"),
    "as a source": ("source: shop", "source: ${SHOP_TOKEN}"),
    "as a receiver": ("[wms]", "['${SHOP_TOKEN}']"),
    "as a mapping": ("[wms]", "[wms]\n    mapping: ${SHOP_TOKEN}"),
    "as a file": (USER, "username: ${file:/no/${SHOP_TOKEN}}"),
}


@pytest.mark.attack(24, 25)
@pytest.mark.parametrize(("old", "new"), WRONG.values(), ids=WRONG)
def test_no_mistake_shows_a_secret(old: str, new: str) -> None:
    """A wrong value that is or may be a secret is reported by its place and never shown, not even in the traceback."""
    with pytest.raises(SettingsError) as caught:
        good(changed(old, new), {**ENVIRON, "BROKEN": f"{CANARY}\n"})
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert CANARY not in repr(caught.value)


def test_a_filled_in_value_is_shown_as_written() -> None:
    """A wrong value from a reference is shown as the reference in the file."""
    (problem,) = problems(
        changed(USER, USER + "\n    timeout: ${WMS_TIMEOUT:-30s}"), {**ENVIRON, "WMS_TIMEOUT": CANARY}
    )
    assert "'${WMS_TIMEOUT:-30s}' is not valid" in problem


@pytest.mark.attack(25)
def test_settings_print_without_secrets() -> None:
    """Settings can be printed, formatted and echoed: a secret is always `***`."""
    settings = good()
    console = rich.console.Console(width=200, record=True, file=None, quiet=True)
    console.print(rich.pretty.Pretty(settings))
    printed = [repr(settings), f"{settings}", f"{settings.sources['shop'].token:>9}", echo(settings)]
    assert all("***" in text and CANARY not in text for text in printed)
    assert CANARY not in rich.pretty.pretty_repr(settings)


def test_the_secret_is_there_all_the_same() -> None:
    """`reveal` returns the secret itself, for the wire."""
    assert good(GOOD).sources["shop"].token.reveal() == CANARY
