"""A route's own mapping as a Python function, each failure of which holds one order and has no other effect."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from connector.errors import SettingsError, Unmappable
from connector.mapping.mapper import mapper
from connector.order import Order

ORDER = Order(source="shop", order_id="1", notes="Ring twice.")


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The request of the receiver."""

    external_id: str
    quantity: int = 1


class Other(msgspec.Struct, frozen=True):
    """The request of another receiver."""

    external_id: str


def default(order: Order) -> Request:
    """Map as the receiver does by default."""
    return Request(order.external_id)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Install a module of the user's."""
    module = ModuleType("users_mapping")
    monkeypatch.setitem(sys.modules, "users_mapping", module)
    return module


def result(own: ModuleType, function: Callable[[Order], Any]) -> bytes:
    """Map the order with a function of the user's."""
    own.to_request = function  # type: ignore[attr-defined]
    return mapper("users_mapping:to_request", Request, default)(ORDER)


def test_without_a_function_the_receivers_default_is_used() -> None:
    """Its result is encoded as it is."""
    assert mapper(None, Request, default)(ORDER) == b'{"external_id":"shop-1","quantity":1}'


def test_what_the_default_cannot_map_is_held() -> None:
    """The order is held under the default's cause."""

    def fails(_order: Order) -> Request:
        raise Unmappable("missing field: street")

    with pytest.raises(Unmappable) as caught:
        mapper(None, Request, fails)(ORDER)
    assert caught.value.cause == "missing field: street"


@pytest.mark.parametrize(
    "function",
    [
        lambda order: Request(order.external_id, 2),
        lambda order: {"external_id": order.external_id, "quantity": 2},
        lambda order: msgspec.structs.asdict(Request(order.external_id, 2)),
    ],
)
def test_a_function_returns_the_request_or_its_keys(own: ModuleType, function: Callable[[Order], Any]) -> None:
    """Both result in the same bytes."""
    assert result(own, function) == b'{"external_id":"shop-1","quantity":2}'


def test_a_function_may_hold_an_order(own: ModuleType) -> None:
    """Under a cause of its own, shared by all orders that wait for the same thing."""

    def fails(_order: Order) -> Request:
        raise Unmappable("no article code", "line 3")

    with pytest.raises(Unmappable) as caught:
        result(own, fails)
    assert (caught.value.cause, caught.value.detail) == ("no article code", "line 3")


@pytest.mark.parametrize(
    "returned",
    [
        {"quantity": "2"},
        {"external_id": "shop-1", "quantity": "2"},
        {"external_id": None, "quantity": "2"},
        {"external_id": "shop-1", "nonsense": 1},
        {5: 6},
        Request("shop-1", "2"),  # type: ignore[arg-type]
        Request(None, "2"),  # type: ignore[arg-type]
        Request("shop-1", object()),  # type: ignore[arg-type]
        Other("shop-1"),
        None,
        b"{}",
        ["x"],
    ],
)
def test_what_is_not_the_receivers_request_is_not_sent(own: ModuleType, returned: Any) -> None:
    """The result is checked against the documented fields; the cause names the function."""
    with pytest.raises(Unmappable) as caught:
        result(own, lambda _order: returned)
    assert caught.value.cause == "mapping users_mapping:to_request failed"
    assert caught.value.detail


@pytest.mark.parametrize("returned", [{"quantity": 2}, {"external_id": None, "quantity": 2}, Request(None, 2)])  # type: ignore[arg-type]
def test_the_identity_need_not_be_set(own: ModuleType, returned: Any) -> None:
    """The connector sets it, and validates the rest as always."""
    assert result(own, lambda _order: returned) == b'{"external_id":"shop-1","quantity":2}'


@pytest.mark.parametrize(
    "returned",
    [
        {"external_id": 5},
        {"external_id": "", "quantity": 2},
        {"external_id": "shop-2", "quantity": 2},
        Request(5),  # type: ignore[arg-type]
        Request("SHOP-1"),
        Other("x"),
    ],
)
def test_another_identity_is_not_sent(own: ModuleType, returned: Any) -> None:
    """Receivers are looked up by the order's own id, so the cause names the field; nothing else is checked."""
    with pytest.raises(Unmappable) as caught:
        result(own, lambda _order: returned)
    assert caught.value.cause == "mapping users_mapping:to_request sets external_id"
    assert "shop-1" in caught.value.detail
    assert caught.value.ours


@pytest.mark.parametrize(
    "error", [KeyError("street"), ZeroDivisionError(), AttributeError("no such thing"), RecursionError(), OSError("x")]
)
def test_a_fault_in_a_function_holds_the_order(own: ModuleType, error: Exception) -> None:
    """The other orders continue; the detail names the type of the exception."""

    def fails(_order: Order) -> Request:
        raise error

    with pytest.raises(Unmappable) as caught:
        result(own, fails)
    assert caught.value.cause == "mapping users_mapping:to_request failed"
    assert type(error).__name__ in caught.value.detail


def test_a_stop_is_no_fault(own: ModuleType) -> None:
    """Ctrl-C during a mapping stops the process."""

    def interrupted(_order: Order) -> Request:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        result(own, interrupted)


@pytest.mark.parametrize(
    "spec",
    [
        "no_such_module_anywhere:f",
        "users_mapping:missing",
        "users_mapping:",
        "users_mapping",
        ":f",
        ":",
        "",
        ".relative:f",
        "users_mapping.inner:f",
        "users mapping:f",
    ],
)
def test_a_name_that_names_nothing_is_a_mistake_in_the_settings(own: ModuleType, spec: str) -> None:
    """It is found at the start, and quoted."""
    with pytest.raises(SettingsError) as caught:
        mapper(spec, Request, default)
    assert repr(spec) in caught.value.problems[0]
    assert len(caught.value.problems) == 1


def test_what_is_no_function_is_a_mistake_in_the_settings(own: ModuleType) -> None:
    """For example, a constant."""
    own.to_request = 7  # type: ignore[attr-defined]
    with pytest.raises(SettingsError, match="is not a function"):
        mapper("users_mapping:to_request", Request, default)


@pytest.mark.parametrize("source", ["syntax error here", "1 / 0", "raise ValueError('no licence')"])
def test_a_module_that_cannot_be_imported_is_a_mistake_in_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """Any failure in it is one line, without a traceback."""
    (tmp_path / "users_broken.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError, match="cannot be loaded"):
        mapper("users_broken:f", Request, default)
    sys.modules.pop("users_broken", None)
