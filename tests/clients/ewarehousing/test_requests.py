"""eWarehousing's requests and responses: the documents' own examples, and values that do not fit (seed 004)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connector.clients.ewarehousing.requests import CreateOrder
from connector.errors import AuthError, ConflictError, InDoubtError, RejectedError, TransientError
from connector.receivers.base import Receipt
from connector.receivers.ewarehousing.settings import EwarehousingSettings
from connector.settings.values import Secret
from tests.receivers.ewarehousing.bench import CREATED, DELIVERY, LOGIN, ORDERS, PASSWORD, REQUEST, bench


def test_the_seeds_example_is_a_valid_create() -> None:
    """The documents' example is valid, and encodes to the same body."""
    request = msgspec.convert(REQUEST, CreateOrder)

    assert msgspec.json.decode(msgspec.json.encode(request)) == REQUEST


@pytest.mark.parametrize(
    "key",
    [
        "external_reference",
        "order_lines",
        "shipping_address",
        "shipping_contactperson",
        "requested_delivery_date",
    ],
)
def test_what_the_seed_requires_is_required(key: str) -> None:
    """A create without a required field is stopped here and not at the vendor."""
    with pytest.raises(msgspec.ValidationError, match=key):
        msgspec.convert({name: value for name, value in REQUEST.items() if name != key}, CreateOrder)


@pytest.mark.parametrize(
    "change",
    [
        {"customer": "x"},
        {"order_lines": []},
        {"order_lines": [{"article_code": "a", "description": "b", "quantity": 1.5}]},
        {"order_lines": [{"article_code": "a", "description": "b", "quantity": 1, "variant": "x"}]},
        {"meta_data": {"Upper": "x"}},
        {"meta_data": {"number": 1}},
        {"shipping_method": "standard"},
        {"inco_terms": "EXW"},
        {"order_amount": 45.99},
        {"requested_delivery_date": "2018-11-19T00:00:00+00:00"},
    ],
)
def test_what_the_seed_does_not_know_is_refused(change: dict[str, Any]) -> None:
    """The vendor rejects undocumented keys and values (vendors.md, section 4), so that none is ever sent."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(REQUEST | change, CreateOrder)


@pytest.mark.fault(51)
async def test_the_seeds_answer_is_a_receipt() -> None:
    """The receipt names the new id, the number that people know it by, and its status."""
    async with bench() as b:
        receipt = await b.receiver.create(DELIVERY)

    assert receipt == Receipt(id=CREATED["id"], reference="ORD00000005939", status="created")


@pytest.mark.fault(85)
async def test_ids_may_be_numbers() -> None:
    """An id is opaque text, in whatever type it comes (faults.md #85)."""
    async with bench() as b:
        b.vendor.script("POST", ORDERS, (201, {"id": 2**70, "external_id": "order-10001", "reference": 7}))
        receipt = await b.receiver.create(DELIVERY)

    assert (receipt.id, receipt.reference, receipt.status) == (str(2**70), "7", "")


@pytest.mark.fault(52, 53, 55, 64, 66, 85)
@pytest.mark.parametrize(
    "answer",
    [
        (201, b""),
        (204, b""),
        (202, CREATED),
        (203, CREATED),
        (200, b"<html>Sign in</html>"),
        (201, msgspec.json.encode(CREATED)[:-20]),
        (201, b'{"id": "\xff"}'),
        (201, b"[" * 100_000),
        (201, [CREATED]),
        (201, None),
        (201, CREATED | {"id": None}),
        (201, CREATED | {"id": ""}),
        (201, CREATED | {"id": ["x"]}),
        (500, b""),
        (502, b"<html></html>"),
        (408, b""),
    ],
)
async def test_an_answer_that_proves_nothing_is_in_doubt(answer: tuple[int, Any]) -> None:
    """Only 200 or 201 with an id and our external id is a success; the rest is for a look-up (faults.md 2.C)."""
    async with bench() as b:
        b.vendor.script("POST", ORDERS, answer)
        with pytest.raises(InDoubtError):
            await b.receiver.create(DELIVERY)


@pytest.mark.fault(125)
@pytest.mark.parametrize("read", [CREATED, CREATED | {"external_id": None}, CREATED | {"external_id": "order-1"}])
async def test_a_new_order_whose_external_id_is_not_answered_is_read(read: dict[str, Any]) -> None:
    """It exists: the stored external id decides between ours and a conflict, and it is not created again."""
    silent = {key: value for key, value in CREATED.items() if key != "external_id"}
    async with bench() as b:
        b.vendor.script("POST", ORDERS, (201, silent))
        b.vendor.script("GET", f"{ORDERS}{CREATED['id']}/", (200, read))
        if read == CREATED:
            assert (await b.receiver.create(DELIVERY)).id == CREATED["id"]
        else:
            with pytest.raises(ConflictError):
                await b.receiver.create(DELIVERY)


@pytest.mark.attack(34)
@pytest.mark.fault(54)
async def test_somebody_elses_order_is_a_conflict() -> None:
    """An answer that repeats another external id names both (faults.md #54)."""
    async with bench() as b:
        b.vendor.script("POST", ORDERS, (201, CREATED | {"external_id": "order-1"}))
        with pytest.raises(ConflictError, match=r"order-10001 with order ORD00000005939, whose .* is order-1$"):
            await b.receiver.create(DELIVERY)


@pytest.mark.fault(56, 57)
@pytest.mark.parametrize(
    ("status", "body", "expected", "duplicate"),
    [
        (400, {"errors": {"order_lines": ["Unknown article"]}}, "order_lines: Unknown article", False),
        (422, {"message": "No."}, "No.", False),
        (
            400,
            {"errors": {"0": "Reference is not unique", "externalReference": ["Reference is not unique"]}},
            "externalReference: Reference is not unique",
            True,
        ),
        (400, {"error": "Order Already Exists"}, "Order Already Exists", True),
        (409, {"message": "no"}, "no", True),
        (409, b"", "409 without a reason", True),
    ],
)
async def test_a_refusal_is_one_readable_reason(status: int, body: Any, expected: str, duplicate: bool) -> None:
    """People read the reason, without addresses and brackets; a duplicate is marked, and looked up (faults.md #57)."""
    async with bench() as b:
        b.vendor.script("POST", ORDERS, (status, body))
        with pytest.raises(RejectedError) as caught:
            await b.receiver.create(DELIVERY)

    assert str(caught.value) == expected
    assert caught.value.duplicate is duplicate


@pytest.mark.fault(58)
@pytest.mark.parametrize(
    "body",
    [
        {"errors": ["Missing 'X-Wms-Code' header"]},
        {"message": "Missing 'X-Customer-Code' header"},
        {"error": "Invalid WMS"},
        {"errors": {"customer": "Invalid customer code"}},
    ],
)
async def test_a_refusal_of_our_settings_pauses_the_receiver(body: Any) -> None:
    """A missing code would be refused for every order: none is rejected, and no second one is tried (#58)."""
    async with bench() as b:
        b.vendor.script("POST", ORDERS, (400, body))
        with pytest.raises(AuthError):
            await b.receiver.create(DELIVERY)
        with pytest.raises(TransientError, match="paused"):
            await b.receiver.create(DELIVERY)

    assert len(b.vendor.sent(ORDERS)) == 1


@pytest.mark.attack(24)
async def test_a_refusal_repeats_no_secret() -> None:
    """Should the vendor send our password or token back, the reason does not hold them."""
    async with bench() as b:
        b.vendor.script("POST", ORDERS, (400, {"errors": [f"{PASSWORD} token-1 refresh-1 no stock"]}))
        with pytest.raises(RejectedError) as caught:
            await b.receiver.create(DELIVERY)

    assert str(caught.value) == "*** *** *** no stock"


async def test_check_lists_one_order_and_says_where() -> None:
    """The operator reads the address and the codes that were proved, and no credential."""
    async with bench() as b:
        line = await b.receiver.check()

    assert line.startswith("http://127.0.0.1:")
    assert "DEV" in line
    assert "C-1" in line
    assert PASSWORD not in line
    assert [(call.method, call.path) for call in b.vendor.calls] == [("POST", LOGIN), ("GET", ORDERS)]
    assert b.vendor.calls[1].query == {"limit": "1"}


def test_settings_name_an_unknown_time_zone() -> None:
    """A slip in `timezone` is a mistake in the settings, found before anything runs."""
    with pytest.raises(ValueError, match="Europe/Amsterdm"):
        EwarehousingSettings(
            username="u", password=Secret("p"), wms_code="D", customer_code="C", timezone="Europe/Amsterdm"
        )


def test_settings_default_to_production() -> None:
    """The address is the European production middleware; the documents' own is the sandbox."""
    settings = EwarehousingSettings(username="u", password=Secret("p"), wms_code="D", customer_code="C")

    assert settings.base_url.host == "eu.middleware.ewarehousing-solutions.com"
    assert "eu-dev.middleware.ewarehousing-solutions.com" in EwarehousingSettings.sandbox_hosts
    assert settings.base_url.host not in EwarehousingSettings.sandbox_hosts
