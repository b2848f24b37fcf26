"""Sources and receivers of other packages are found by entry point, and are out of service alone when broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import pytest

from connector import registry
from connector.app import Connector
from connector.clock import SystemClock
from connector.errors import EndpointError, SettingsError, Unmappable
from connector.receivers.base import Delivery, Receipt
from connector.registry import (
    BrokenReceiver,
    BrokenSource,
    broken_cause,
    load_settings,
    make_receivers,
    make_sources,
    receiver_types,
    source_types,
)
from connector.settings.json_schema import schema
from connector.settings.model import SourceSettings
from tests.doubles import MemorySource
from tests.flow.bench import Bench

SETTINGS = """\
sources:
  shop: {type: odd_shop, whatever: 1}
  other: {type: zendera, base_url: "https://app.example", api_key: k3y-of-the-carrier}
receivers:
  archive: {type: file, path: orders.jsonl}
  erp: {type: odd_erp, x: {y: z}}
routes:
  - {source: shop, receivers: [archive]}
  - {source: other, receivers: [archive], optional: [erp], mapping: {archive: {}, erp: {a: b}}}
"""


class LameSettings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="lame_shop"):
    """Settings of a plugin that fails when it is created."""


class LameShop:
    """A source that cannot be created."""

    settings = LameSettings

    def __init__(self, _name: str, _settings: LameSettings, _clock: Any) -> None:
        raise RuntimeError("no licence")


class BareSettings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="bare_shop"):
    """Settings of a plugin that declares nothing."""


class BareShop:
    """A source without the attributes that the flow reads before its first call."""

    settings = BareSettings
    endpoint = None

    def __init__(self, _name: str, _settings: BareSettings, _clock: Any) -> None:
        pass


class WordyShop(BareShop):
    """A source that declares its traits in a form of its own."""

    ack_limit = 1
    traits: ClassVar[dict[str, bool]] = {"feed_shrinks": True}


class Unsettled:
    """A source that has no settings."""


@contextmanager
def plugged(**values: str) -> Iterator[None]:
    """Install these entry points: `odd_shop="module:Class"`; names that end with `erp` are receivers."""

    def entry_points(*, group: str) -> list[EntryPoint]:
        family = "connector.receivers" if group == "connector.receivers" else "connector.sources"
        return [
            EntryPoint(name, value, group)
            for name, value in values.items()
            if name.endswith("erp") == (family == "connector.receivers")
        ]

    with mock.patch.object(registry, "entry_points", entry_points):
        yield


@pytest.mark.fault(138)
def test_a_source_that_is_out_is_no_production_source_of_a_stand_in(tmp_path: Path) -> None:
    """It is never acknowledged, so its route to a test system is not a mistake that would stop the others."""
    (tmp_path / "settings.yaml").write_text(
        """
sources:
  shop: {type: odd_shop, base_url: "http://127.0.0.1:9"}
  other: {type: zendera, base_url: "http://127.0.0.1:9", api_key: k}
receivers:
  warehouse:
    {type: ewarehousing, base_url: "http://127.0.0.1:9", username: u, password: p, wms_code: W, customer_code: C}
routes:
  - {source: shop, receivers: [warehouse]}
  - {source: other, receivers: [warehouse]}
""",
        "utf-8",
    )
    with plugged(odd_shop="no_such_module:Shop"):
        assert set(load_settings(tmp_path / "settings.yaml", {}).sources) == {"shop", "other"}


@pytest.mark.fault(138)
def test_a_plugin_that_cannot_be_imported_puts_only_its_own_source_or_receiver_out(tmp_path: Path) -> None:
    """The settings load, all other endpoints are created, and every call of the broken one raises the reason."""
    (tmp_path / "settings.yaml").write_text(SETTINGS, "utf-8")
    with plugged(odd_shop="no_such_module:Shop", odd_erp="no_such_module:Erp"):
        settings = load_settings(tmp_path / "settings.yaml", {})
        sources = make_sources(settings, SystemClock(), {})
        receivers = make_receivers(settings, SystemClock(), {})

    shop, erp = sources["shop"], receivers["erp"]
    assert isinstance(shop, BrokenSource)
    assert isinstance(erp, BrokenReceiver)
    assert "zendera" == sources["other"].settings.__struct_config__.tag  # type: ignore[attr-defined]
    assert "the plugin no_such_module:Shop cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'" == (
        shop.reason
    )
    with pytest.raises(Unmappable, match="plugin of shop cannot be used"):
        shop.to_order(b"{}")


@pytest.mark.fault(138)
async def test_a_stand_in_fails_every_call_as_not_applied() -> None:
    """Every call raises the reason; nothing is in doubt, and nothing counts as done."""
    with plugged(odd_erp="no_such_module:Erp"):
        kind = receiver_types()["odd_erp"]
    erp = kind("erp", kind.settings(), SystemClock())

    for call in (
        erp.find("shop-1"),
        erp.create(Delivery("shop-1", b"{}")),
        erp.update(Receipt(id="1"), Delivery("shop-1", b"{}")),
        erp.cancel(Receipt(id="1")),
        erp.attach(Receipt(id="1"), ()),
        erp.check(),
    ):
        with pytest.raises(EndpointError, match="erp: the plugin no_such_module:Erp cannot be loaded"):
            await call
    assert ("open", True) == (erp.endpoint.breaker.state, erp.endpoint.breaker.wait() > 0)
    erp.endpoint.breaker.succeeded()
    erp.endpoint.breaker.close()
    assert "open" == erp.endpoint.breaker.state
    await erp.aclose()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("tests.unit.test_plugins:Unsettled", "AttributeError: type object 'Unsettled' has no attribute 'settings'"),
        ("tests.unit.test_plugins:LameShop", "the tag of its `settings` is 'lame_shop', not 'odd_shop'"),
        ("tests.unit.test_plugins:NoSuchClass", "AttributeError: module"),
    ],
)
def test_a_plugin_that_is_none_says_what_it_lacks(value: str, said: str) -> None:
    """Its type stays known, so that `schema` and the settings of others do not depend on it."""
    with plugged(odd_shop=value):
        kind = source_types()["odd_shop"]
        whole = schema({"odd_shop": kind.settings}, {})

    assert said in kind("shop", kind.settings(), SystemClock()).reason
    assert whole["$defs"]["sources.odd_shop"]["additionalProperties"] is True


def test_a_plugin_that_cannot_be_set_up_is_out(tmp_path: Path) -> None:
    """An exception during creation affects that source alone."""
    (tmp_path / "settings.yaml").write_text(SETTINGS.replace("odd_shop, whatever: 1", "lame_shop"), "utf-8")
    with plugged(lame_shop="tests.unit.test_plugins:LameShop", odd_erp="no_such_module:Erp"):
        sources = make_sources(load_settings(tmp_path / "settings.yaml", {}), SystemClock(), {})

    assert isinstance(sources["shop"], BrokenSource)
    assert sources["shop"].reason.endswith("LameShop cannot be set up: RuntimeError: no licence")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "BareShop",
            (
                "it has no `ack_limit`, no `traits`; `traits` is a SourceTraits with accepts_failures, feed_shrinks, "
                "ack_idempotent, export_idempotent, exports_cancelled"
            ),
        ),
        ("WordyShop", "its `traits` are a dict, not a SourceTraits"),
    ],
)
def test_a_plugin_that_lacks_attributes_names_all_of_them(tmp_path: Path, value: str, said: str) -> None:
    """The message lists the missing attributes; a plugin for an older protocol is out of service as a whole."""
    (tmp_path / "settings.yaml").write_text(SETTINGS.replace("odd_shop, whatever: 1", "bare_shop"), "utf-8")
    with plugged(bare_shop=f"tests.unit.test_plugins:{value}", odd_erp="no_such_module:Erp"):
        sources = make_sources(load_settings(tmp_path / "settings.yaml", {}), SystemClock(), {})

    assert isinstance(sources["shop"], BrokenSource)
    assert sources["shop"].reason.endswith(f"{value} cannot be set up: TypeError: {said}")


def test_the_name_of_a_source_that_is_handed_in_has_to_be_in_the_settings() -> None:
    """`Connector(sources={"typo": ...})` is an error, and so is an unknown receiver."""
    bench = Bench()
    with pytest.raises(SettingsError, match="sources: 'shopp' is given, and the settings do not have it, did you mean"):
        Connector(bench.settings, sources={"shopp": MemorySource("shopp", bench.clock)})
    with pytest.raises(SettingsError, match=r"receivers: 'xyz' is given, .*; they have wms"):
        Connector(bench.settings, sources=bench.sources, receivers={"xyz": bench.wms})


def test_the_cause_of_a_held_order_names_the_source_alone() -> None:
    """All its orders share the cause, whatever is wrong with the plugin today."""
    assert "plugin of shop cannot be used" == broken_cause("shop")
