"""Every mistake in settings.yaml is reported with its line and column, and with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.errors import SettingsError
from tests.http.certificates import AUTHORITY
from tests.settings.vendors import CANARY, ENVIRON, GOOD, changed, good, problems

SHOP_URL = "base_url: https://shop.example"
WMS_URL = "base_url: https://wms.example"
USER = "username: me"
TOKEN = "token: ${SHOP_TOKEN}"

WRONG = [
    # Surprises of YAML, and attacks by it.
    ("tab", USER, "\tusername: me", "11:5", "indent with spaces"),
    ("not yaml", "[wms]", "[wms", "16:1", "this is not YAML"),
    ("flow braces", TOKEN, "retry: {first: ${X:-1s}}", "6:21", "needs quotes"),
    (
        "duplicate key",
        USER,
        USER + "\n    username: you",
        "12:5",
        "receivers.wms.username: this key is already used in",
    ),
    ("anchor", SHOP_URL, "base_url: &u https://shop.example", "5:15", "anchors are not accepted"),
    ("alias", "[wms]", "&r [wms, *r]", "15:25", "aliases are not accepted"),
    ("merge", USER, USER + "\n    <<: {a: 1}", "12:5", "merge keys are not accepted"),
    ("tag", USER, "username: !!python/object:os.system me", "11:15", "tags are not accepted"),
    ("second document", "routes:", "---\nroutes:", "13:1", "a second document"),
    ("directive", "environment: sandbox", "%YAML 1.1\n---\nenvironment: sandbox", "2:1", "% directive"),
    ("octal", USER, "username: 0123", "11:15", 'must be text, not 0123; write it in quotes: "0123"'),
    ("number", USER, "username: 123", "11:15", 'write it in quotes: "123"'),
    ("true", USER, "username: true", "11:15", 'must be text, not true; write it in quotes: "true"'),
    ("nothing", USER, "username:", "11:5", "must be text, not nothing"),
    ("no", TOKEN, TOKEN + "\n    archived: no", "7:15", "must be true or false, not 'no'"),
    ("sexagesimal", TOKEN, TOKEN + "\n    timeout: 22:30", "7:14", "'22:30' is not valid: a duration is written 500ms"),
    ("infinite", TOKEN, TOKEN + "\n    timeout: .inf", "7:14", "this number cannot be used"),
    ("number as key", "  wms:", "  12:", "8:3", 'YAML does not read the key 12 as text; write it in quotes: "12"'),
    ("long number", TOKEN, TOKEN + "\n    page_size: " + "9" * 5000, "7:16", "this number cannot be used"),
    # Keys and types.
    ("unknown key", USER, USER + "\n    usernam: you", "12:5", "wms.usernam: unknown key, did you mean 'username'?"),
    ("misspelt key", USER, "usernam: me", "11:5", "receivers.wms.usernam: unknown key, did you mean 'username'?"),
    ("unlike any", "routes:", "zzz: 1\nroutes:", "13:1", "zzz: unknown key; the keys here are environment, journal"),
    ("missing key", "    " + USER + "\n", "", "8:3", "receivers.wms: the key 'username' is missing"),
    ("unknown type", "type: shop", "type: shopp", "4:11", "unknown type 'shopp' (known: shop), did you mean 'shop'?"),
    ("other type", "type: shop", "type: [a]", "4:11", "must be text, not a list; write one of shop"),
    ("no type", "    type: shop\n", "", "3:3", "sources.shop: the key 'type' is missing; write type: with one of shop"),
    ("misspelt type", "type: shop", "typ: shop", "4:5", "sources.shop.typ: unknown key, did you mean 'type'?"),
    ("not a mapping", "routes:", "server: 8080\nroutes:", "13:9", "server: must be a mapping"),
    ("text for list", "[wms]", "wms", "15:16", "must be a list; write it in [ ]"),
    ("text for number", TOKEN, TOKEN + "\n    page_size: many", "7:16", "must be a whole number, not 'many'"),
    ("fraction", TOKEN, TOKEN + "\n    page_size: 2.5", "7:16", "must be a whole number, not 2.5"),
    ("whole fraction", TOKEN, TOKEN + "\n    page_size: 8.0", "7:16", "must be a whole number, not 8.0"),
    ("union", TOKEN, TOKEN + "\n    filters: [{key: a, value: 1}]", "7:31", "must be text or a list, not 1"),
    ("in a union", TOKEN, TOKEN + "\n    filters: [{key: a, value: [x, 1]}]", "7:35", "must be text, not 1"),
    # Values.
    ("environment", "environment: sandbox", "environment: prod", "1:14", "'prod' is not one of production, sandbox"),
    ("enum", USER, USER + "\n    price_unit: cent", "12:17", "not one of cents, units, did you mean 'cents'?"),
    ("scheme", SHOP_URL, "base_url: ftp://shop.example", "5:15", "an address must start with https://"),
    ("plain http", SHOP_URL, "base_url: http://shop.example", "5:15", "private networks; use https"),
    ("negative", TOKEN, TOKEN + "\n    timeout: -5s", "7:14", "'-5s' is not valid: a duration is written"),
    ("negative number", TOKEN, TOKEN + "\n    timeout: -5", "7:14", "-5 is not valid: a duration is between 0"),
    ("no time", TOKEN, TOKEN + "\n    timeout: 0s", "7:14", "'0s' is not valid: it must be greater than 0"),
    ("duration", TOKEN, TOKEN + "\n    timeout: true", "7:14", "must be a duration such as 30s, not true"),
    ("rate", TOKEN, TOKEN + "\n    rate_limit: 60/day", "7:17", "'60/day' is not valid: a rate is written 60/min"),
    ("concurrency", TOKEN, TOKEN + "\n    concurrency: 0", "7:18", "must be at least 1, not 0"),
    ("most", TOKEN, TOKEN + "\n    page_size: 101", "7:16", "must be at most 100, not 101"),
    ("empty list", TOKEN, TOKEN + "\n    statuses: []", "7:15", "must have at least 1 item"),
    ("pattern", USER, USER + "\n    code: nl", "12:11", "'nl' is not of the form ^[A-Z]+$"),
    ("retry", TOKEN, TOKEN + "\n    retry: {first: 10m}", "7:20", "retry.first: the first wait is longer"),
    ("keys together", TOKEN, TOKEN + "\n    client_id: a", "6:12", "sources.shop.token: give token or client_id"),
    ("absent key", "    " + TOKEN + "\n", "", "3:3", "sources.shop.token: give token or client_id"),
    ("own rule", USER, USER + "\n    zone: Mars/X", "12:11", "wms.zone: 'Mars/X' is not on this planet"),
    ("empty secret", TOKEN, 'token: ""', "6:12", "sources.shop.token: a secret must not be empty"),
    ("secret number", TOKEN, "token: 4711", "6:12", "must be text; write it in quotes"),
    ("journal", "routes:", 'journal: ""\nroutes:', "13:10", "a path must not be empty"),
    # References.
    ("variable", USER, "username: ${NOPE}", "11:15", "the environment variable NOPE is not set"),
    ("reference", USER, "username: a${b", "11:15", "a reference is ${VAR}, ${VAR:-default} or ${file:/path}"),
    ("nested", USER, "username: ${A:-${B}}", "11:15", "a reference is"),
    ("no file", USER, "username: ${file:/no/such}", "11:15", "the file /no/such cannot be read: No such file"),
    ("filled number", TOKEN, TOKEN + "\n    page_size: ${X:-many}", "7:16", "whole number, not '${X:-many}'"),
    ("filled default", TOKEN, "token: ${X:-}", "6:12", "a secret must not be empty"),
    # Between the parts.
    ("name", "  wms:", "  -wms:", "8:3", "'-wms' is not a valid name; a name has 1 to 40 letters"),
    ("source", "source: shop", "source: shpo", "14:13", "there is no source 'shpo', did you mean 'shop'?"),
    (
        "receiver",
        "[wms]",
        "[wms, erp]",
        "15:22",
        "routes.0.receivers.1: there is no receiver 'erp'; the receivers are wms",
    ),
    (
        "optional",
        "[wms]",
        "[wms]\n    optional: [arhive]",
        "16:16",
        "routes.0.optional.0: there is no receiver 'arhive'",
    ),
    ("twice, optional", "[wms]", "[wms]\n    optional: [wms]", "16:16", "the receiver 'wms' is listed twice"),
    ("twice", "[wms]", "[wms, wms]", "15:22", "the receiver 'wms' is listed twice"),
    ("mapping", "[wms]", "[wms]\n    mapping: my.module", "16:14", "'my.module' is not of the form module:function"),
    (
        "two routes",
        "[wms]",
        "[wms]\n  - source: shop\n    receivers: [wms]",
        "16:13",
        "already has a route in line 14; list all its receivers in one route",
    ),
    (
        "no route",
        "receivers:\n  wms:",
        "  idle:\n    type: shop\n    base_url: https://s.example\n    client_id: a\nreceivers:\n  wms:",
        "7:3",
        "sources.idle: no route uses this source",
    ),
]


@pytest.mark.attack(26)
@pytest.mark.fault(124)
@pytest.mark.parametrize(("old", "new", "place", "words"), [each[1:] for each in WRONG], ids=[e[0] for e in WRONG])
def test_a_mistake_is_reported_at_its_place(old: str, new: str, place: str, words: str) -> None:
    """A mistake is reported with its line and column, and with the remedy."""
    found = [line for line in problems(changed(old, new)) if line.startswith(f"settings.yaml:{place}: ")]
    assert len(found) == 1, problems(changed(old, new))
    assert words in found[0]


FOLLOW_UP = {"number as key", "alias", "merge", "tag", "name"}
"""Mistakes whose part of the file is dropped, so that the rest no longer fits."""


@pytest.mark.parametrize(("old", "new"), [e[1:3] for e in WRONG if e[0] not in FOLLOW_UP])
def test_one_mistake_is_one_line(old: str, new: str) -> None:
    """A mistake is reported once, without its consequences."""
    assert len(problems(changed(old, new))) == 1, problems(changed(old, new))


EIGHT = """\
environment: prod
sources:
  shop:
    type: shopp
    base_url: https://shop.example
  other:
    type: shop
    base_url: http://shop.example
    token: ${NOPE}
    page_sze: 3
receivers:
  wms:
    type: wms
    base_url: https://wms.example
    username: 0123
    password: ""
    zone: Mars/X
routes:
  - source: shop
    receivers: [wsm]
  - source: other
    receivers: [wms]
"""


@pytest.mark.fault(124)
def test_every_mistake_at_once() -> None:
    """Nine mistakes in five places are nine lines, in the order of the file; none hides another."""
    places = [line.split(": ")[0].removeprefix("settings.yaml:") for line in problems(EIGHT)]
    assert places == ["1:14", "4:11", "8:15", "9:12", "10:5", "15:15", "16:15", "17:11", "20:17"]


@pytest.mark.attack(26)
def test_several_aliases_do_not_blow_up() -> None:
    """A file that doubles in size with each alias is rejected without being expanded."""
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    assert any("aliases are not accepted" in line for line in problems("\n".join(lines)))


@pytest.mark.attack(26)
def test_nested_too_deeply() -> None:
    """A file nested more deeply than settings ever are is rejected, without recursion into it."""
    assert problems("a: " + "[" * 3000)[0].endswith("nested more than 24 levels deep")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- b\n", "hello", "null"])
def test_not_a_mapping(text: str) -> None:
    """A file that is not a mapping is reported with the keys that it needs."""
    (problem,) = problems(text)
    assert problem.startswith("settings.yaml:1:1: the file is ")
    assert "write sources:, receivers:, routes:" in problem


def test_control_character() -> None:
    """A control character is reported at its place."""
    assert problems("a: 1\nb: \x07\n") == ("settings.yaml:2:4: the file contains a control character; remove it",)


PIECES = [
    "sources:",
    "routes:",
    "shop",
    ": ",
    "\n",
    "  ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "*a",
    "&a ",
    "!x ",
    '"',
    "${A}",
    "1",
    "~",
]


@pytest.mark.attack(26)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@example("&a : &a ")
def test_no_text_breaks_the_loader(text: str) -> None:
    """For any content, the only error is `SettingsError`, and each line of it has a place."""
    with pytest.raises(SettingsError) as caught:
        good(text)
    assert all(line.startswith("settings.yaml:") for line in caught.value.problems)


@given(st.data())
def test_no_change_breaks_the_loader(data: st.DataObject) -> None:
    """For any text spliced into good settings, they load, or there is a `SettingsError` that contains no secret."""
    at = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(at, min(len(GOOD), at + 12)))
    text = GOOD[:at] + data.draw(st.lists(st.sampled_from(PIECES), max_size=4).map("".join)) + GOOD[end:]
    found: tuple[str, ...] = ()
    try:
        good(text, {**ENVIRON, "A": CANARY})
    except SettingsError as exc:
        found = exc.problems
    assert CANARY not in "".join(found)


def test_a_source_and_a_receiver_do_not_share_a_name() -> None:
    """Breakers, logs and `status` identify an endpoint by its name alone; the mistake is reported at the source."""
    (problem,) = problems(GOOD.replace("  wms:", "  shop:").replace("[wms]", "[shop]"))

    assert problem.startswith("settings.yaml:3:3: sources.shop: a receiver has the same name")


@pytest.mark.fault(137)
def test_a_file_of_authorities_is_read_with_the_settings(tmp_path: Path) -> None:
    """The path is relative to the settings file; a missing file, or one that is not PEM, is reported at its place."""
    (tmp_path / "authority.pem").write_text(AUTHORITY, "utf-8")
    (tmp_path / "notes.txt").write_text("the key is under the mat", "utf-8")
    name = str(tmp_path / "settings.yaml")

    def with_file(file: str) -> str:
        address = "base_url: https://shop.example"
        return changed(address, f"{address}\n    ca_file: {file}")

    assert good(with_file("authority.pem"), name=name).sources["shop"].ca_file == str(tmp_path / "authority.pem")
    for file, words in (
        ("missing.pem", "the file cannot be read: No such file or directory"),
        ("notes.txt", "this file contains no certificate in PEM form"),
        (".", "the file cannot be read"),
        ('""', "'' is not valid: a path must not be empty"),
    ):
        with pytest.raises(SettingsError) as caught:
            good(with_file(file), name=name)
        (problem,) = caught.value.problems
        assert problem.startswith(f"{name}:6:14: sources.shop.ca_file: {words}"), problem
