"""A mapping in settings.yaml: every mistake is reported with its line and column, before the first order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from connector import SettingsError, load_settings
from connector.clients.ewarehousing.requests import CreateOrder
from connector.mapping.mapper import for_route
from connector.receivers.ewarehousing.mapping import create_order
from connector.settings import Settings, echo
from tests.mapping.test_compiler import DEFAULT, METHOD
from tests.receivers.ewarehousing.test_mapping import PROPELLER

TO = 'type: ewarehousing, base_url: "http://127.0.0.1:1", username: a, password: b, wms_code: c'
SETTINGS = f"""\
sources:
  shop: {{type: propeller, base_url: "http://127.0.0.1:1", client_id: a, client_secret: b}}
receivers:
  warehouse: {{{TO}, customer_code: d}}
  other: {{{TO}, customer_code: e}}
tables:
  methods: {{rekening: {METHOD}, "1": 7}}
routes:
  - source: shop
    receivers: [warehouse]
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Settings]:
    """Load settings with extra text after their route."""

    def with_text(after: str, receivers: str = "[warehouse]", **environ: str) -> Settings:
        path = tmp_path / "settings.yaml"
        path.write_text(SETTINGS.replace("[warehouse]", receivers) + after, "utf-8")
        return load_settings(path, environ)

    return with_text


Load = Callable[..., Settings]


def lines_of(load: Load, after: str, receivers: str = "[warehouse]", **environ: str) -> list[str]:
    """Return the mistakes of settings with extra text after their route, without the file's name."""
    with pytest.raises(SettingsError) as caught:
        load(after, receivers, **environ)
    return [line.partition("settings.yaml:")[2] for line in caught.value.problems]


def test_a_tree_of_the_settings_is_used(load: Load) -> None:
    """The tree works with the tables beside it, and its echo loads again."""
    after = (
        "    mapping:\n      shipping_method: =lookup('methods', metadata.payment_method)\n      assured_amount: 5\n"
    )
    found = load(after)
    body = for_route(found.routes[0], "warehouse", CreateOrder, create_order, found.tables)(PROPELLER)
    assert msgspec.json.decode(body) == {**DEFAULT, "shipping_method": METHOD, "assured_amount": 5}
    assert "=lookup('methods', metadata.payment_method)" in echo(found)


MISTAKES = [
    ("note: =refrence", "12:13", "mapping.note: the order has no 'refrence', did you mean 'reference'? (column 2)"),
    ("note: \"=refrence\"", "12:13", "did you mean 'reference'?"),
    ("note: =upper(reference", "12:13", "the expression ends too soon (column 17): =upper(reference^"),
    ("note: =uper(reference)", "12:13", "there is no function uper(), did you mean 'upper'?"),
    ("note: =upper()", "12:13", "upper() takes 1 argument(s), not 0"),
    ("note: =lookup('method', notes)", "12:13", "there is no table 'method', did you mean 'methods'?"),
    ("noet: x", "12:7", "mapping.noet: the receiver has no such key, did you mean 'note'?"),
    ("zzz: x", "12:7", "the receiver has no such key; its keys are external_reference, po_number,"),
    ("shipping_address: {zip: x}", "12:26", "has no such key, did you mean 'zipcode'?"),
    ("shipping_address: x", "12:25", "does not accept this value: expected `object`, got `str`"),
    ("shipping_address: [x]", "12:7", "the receiver accepts no list here"),
    ("note: {a: b}", "12:7", "the receiver accepts no mapping here"),
    ("note: 5", "12:13", "expected `str | null`, got `int`"),
    ("order_amount: 1.5", "12:21", "the receiver does not accept this value"),
    ("inco_terms: DPP", "12:19", "invalid enum value 'DPP'"),
    ("meta_data: {A: x}", "12:19", "the receiver does not accept this key"),
    ("order_lines: {each: =lines, do: {article_code: x}}", "12:35", "requires the key 'quantity'"),
    ("order_lines: {each: =lines}", "12:7", "'each' needs a 'do'"),
    ("order_lines: {each: lines, do: x}", "12:27", "must be an expression, such as =lines"),
    ("order_lines: {each: =reference, do: x}", "12:27", "this is not a list"),
    ("order_lines: {each: =lines, as: x, do: x}", "12:35", "unknown key; the keys here are each, do, when"),
    ("note: {each: =lines, do: =item.sku}", "12:7", "the receiver accepts no list here"),
    ("note: =item.sku", "12:13", "item is the current element, within an each only"),
    ("note: {when: notes, then: x}", "12:20", "must be an expression, such as =notes"),
    ("note: {then: x}", "12:7", "'then' and 'else' need a 'when'"),
    ("note: {when: =notes, then: x, els: y}", "12:37", "unknown key, did you mean 'else'?"),
    ("defaults: no", "12:17", "must be true or false"),
    ("defaults: false", "11:5", "the receiver requires the key 'external_reference'"),
    ("note: =${NOTE}", "12:13", "an expression cannot contain ${...}"),
    ("note: ${EQUALS}", "12:13", "the value filled in here begins with ="),
    ("inco_terms: ${SECRET}", "12:19", "the receiver does not accept the value filled in here"),
    ("assured_amount: 1.1234567890123456789", "12:23", "this number has too many digits to be kept exactly"),
    ("note: ${NOPE}", "12:13", "the environment variable NOPE is not set"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "place", "words"), MISTAKES)
def test_a_mistake_is_reported_at_its_leaf(load: Load, line: str, place: str, words: str) -> None:
    """With its line and column in the file, and the remedy."""
    environ = {"NOTE": "reference", "EQUALS": "=reference", "SECRET": "canary-7f3a"}
    found = lines_of(load, f"    mapping:\n      {line}\n", **environ)
    assert [each for each in found if each.startswith(f"{place}: routes.0.mapping") and words in each], found
    assert "canary" not in "".join(found)


def test_every_mistake_of_a_mapping_at_once(load: Load) -> None:
    """In the order of the file, together with mistakes elsewhere."""
    after = "    mapping:\n      note: =a\n      noet: x\n      language: =b(\nserver: {port: x}\n"
    places = [line.split(": ")[0] for line in lines_of(load, after)]
    assert places == ["12:13", "13:7", "14:17", "15:16"]


@pytest.mark.parametrize(
    ("after", "place", "words"),
    [
        ("    mapping: [x]\n", "11:14", "must be text or a mapping"),
        ("    mapping: my.module\n", "11:14", "'my.module' is not of the form module:function"),
        ("    mapping: {warehouse: my.module}\n", "11:26", "must be a mapping, or text of the form module:function"),
        ("    split_street: 5\n", "11:19", "must be true or false"),
        ("    totals: {tolerance: -1}\n", "11:25", "must be at least 0"),
        ("    totals: {tolerance: a}\n", "11:25", "'a' is not of the form 0.02"),
        ("    totals: {on_mismatch: hld}\n", "11:27", "did you mean 'hold'?"),
        ("tables: {}\n", "11:1", "this key is already used"),
    ],
)
def test_mistakes_beside_the_tree(load: Load, after: str, place: str, words: str) -> None:
    """The keys of a route that belong to its mapping."""
    (line,) = lines_of(load, after)
    assert line.startswith(f"{place}: ")
    assert words in line


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("{a: true}", "must be text or a number"),
        ("{a: [b]}", "must be text or a number"),
        ("{1: b}", "YAML does not read the key 1 as text"),
        ("[a]", "must be a mapping"),
        ("{a: 0.1234567890123456789}", "too many digits to be kept exactly"),
    ],
)
def test_mistakes_in_a_table(tmp_path: Path, rows: str, words: str) -> None:
    """A table maps each code to text or a number."""
    path = tmp_path / "settings.yaml"
    path.write_text(SETTINGS.replace("tables:\n", f"tables:\n  more: {rows}\n"), "utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(path, {})
    assert [line for line in caught.value.problems if ":7:" in line and words in line]


def test_several_receivers_have_a_mapping_each(load: Load) -> None:
    """Under their names; a receiver without one has its default. A function is possible there as well."""
    found = load("    mapping: {other: {note: x}}\n", "[warehouse, other]")
    route = found.routes[0]
    assert (route.mapping_for("warehouse"), route.mapping_for("other")) == (None, {"note": "x"})
    optional = load("    optional: [other]\n    mapping: {other: my.own:function, warehouse: {note: y}}\n").routes[0]
    assert (optional.mapping_for("warehouse"), optional.mapping_for("other")) == ({"note": "y"}, "my.own:function")
    alone = load("    mapping: {warehouse: {note: x}}\n").routes[0]
    assert alone.mapping_for("warehouse") == {"note": "x"}
    same = load("    mapping: my.own:function\n", "[warehouse, other]").routes[0]
    assert same.mapping_for("other") == "my.own:function"


def test_with_several_receivers_a_tree_says_which_it_is_for(load: Load) -> None:
    """The receiver is not guessed, and each tree is checked against its own receiver."""
    (line,) = lines_of(load, "    mapping: {note: x}\n", "[warehouse, other]")
    assert line.startswith("11:15: routes.0.mapping.note: a route with several receivers has its mappings")
    (line,) = lines_of(load, "    mapping: {other: {noet: x}}\n", "[warehouse, other]")
    assert line.startswith("11:23: routes.0.mapping.other.noet: the receiver has no such key")


def test_the_tree_in_the_comments_of_the_example_works(tmp_path: Path) -> None:
    """Uncommented, the mapping does what its comments describe."""
    head, routes, rest = (Path(__file__).parents[2] / "settings.yaml").read_text("utf-8").partition("\nroutes:\n")
    path = tmp_path / "settings.yaml"
    path.write_text(head + routes + rest.replace("#   ", "").replace("# tables:", "tables:"), "utf-8")
    found = load_settings(path, {})
    assert found.tables["shipping_methods"] == {"rekening": METHOD}
    body = for_route(found.routes[0], "warehouse", CreateOrder, create_order, found.tables)(PROPELLER)
    expected = {**DEFAULT, "note": "Handle with care", "po_number": "PO-20106", "shipping_method": METHOD}
    assert msgspec.json.decode(body) == expected


@pytest.mark.fault(125)
@pytest.mark.parametrize("given", ["null", "=reference", "=external_id", "x"])
def test_a_mapping_that_sets_the_identity_is_refused(load: Load, given: str) -> None:
    """It is reported at its line, because receivers are looked up by that id."""
    (line,) = lines_of(load, f"    mapping:\n      note: x\n      external_id: {given}\n")
    assert line.startswith("13:7: routes.0.mapping.external_id: the connector sets external_id itself")


@pytest.mark.fault(125)
def test_what_receivers_call_external_id_further_in_is_free(load: Load) -> None:
    """Only the request's own `external_id` is the identity."""
    settings = load("    mapping: {meta_data: {external_id: =reference}}\n")
    assert settings.routes[0].mapping == {"meta_data": {"external_id": "=reference"}}
