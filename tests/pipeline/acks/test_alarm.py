"""Late, mixed and misnamed acknowledgements: deliveries continue, none is repeated needlessly, one line reports it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import anyio
import msgspec
import pytest

from connector.ack import Acknowledgement, AckOutcome, Confirmed, NotApplied, Unknown
from connector.cli.status import as_text
from connector.errors import AuthError, ConnectorError, InDoubtError, TransientError
from connector.events import AcknowledgementsLate
from connector.journal.sqlite import MemoryJournal
from connector.journal.views.status import causes, status
from connector.settings.values import Duration
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


def ids(count: int) -> list[str]:
    """Return `count` order ids."""
    return [str(number) for number in range(1, count + 1)]


def troubled(failure: ConnectorError, **options: float) -> Bench:
    """Return a bench whose source accepts no acknowledgements."""
    bench = Bench(**options)  # type: ignore[arg-type]
    bench.shop.failures.extend(failure for _ in range(10_000))
    return bench


@pytest.mark.slow
@pytest.mark.fault(97, 98)
@pytest.mark.parametrize("failure", [TransientError("429", retry_after=5), InDoubtError("503"), AuthError("401")])
async def test_a_source_that_does_not_listen_is_one_warning_and_stops_no_delivery(
    failure: ConnectorError, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Deliveries continue; after `ack_alarm` one line and one event report it, and one of each the end.

    While it lasts, the line is repeated each time its age has doubled.
    """
    bench = troubled(failure)
    bench.shop.put(*ids(30))
    async with bench.running(MemoryJournal()) as connector:
        await anyio.sleep(14 * 60)
        assert [] == [event for event in bench.events if isinstance(event, AcknowledgementsLate)]
        bench.shop.put("late")
        await anyio.sleep(3 * 60)
        assert 31 == len(bench.wms.orders)
        await anyio.sleep(1800)
        said = [event.late for event in bench.events if isinstance(event, AcknowledgementsLate)]
        assert [True] == said
        bench.shop.failures.clear()
        await anyio.sleep(300)
        await connector.drain()

    assert [True, False] == [event.late for event in bench.events if isinstance(event, AcknowledgementsLate)]
    lines = [record.message for record in caplog.records if "cknowledgement" in record.message]
    assert 3 == len(lines)
    assert "unconfirmed after 1" in lines[0]
    assert "unconfirmed after 3" in lines[1]
    assert "up to date again" in lines[2]
    assert Counter([*ids(30), "late"]) == bench.shop.told


@pytest.mark.fault(98)
async def test_the_age_is_a_setting_and_status_tells_it() -> None:
    """`ack_alarm: 1m`: the alarm comes after a minute, not after fifteen, and `status` has a line for it."""
    bench = troubled(TransientError("busy"))
    settings = bench.settings.sources["shop"]
    bench.settings.sources["shop"] = msgspec.structs.replace(settings, ack_alarm=Duration(60))
    bench.shop.put("1")
    journal = MemoryJournal()
    async with bench.running(journal):
        await anyio.sleep(80)
        assert [True] == [event.late for event in bench.events if isinstance(event, AcknowledgementsLate)]
        stand, held = await journal.read(status), await journal.read(causes)
        text = as_text(bench.settings, stand, held, bench.clock.now())

    assert "shop: the oldest acknowledgement has been pending for 1m" in text


@pytest.mark.fault(98)
@pytest.mark.parametrize(("alarm", "said"), [(15, "15 seconds"), (60, "60 seconds"), (180, "3 minutes")])
async def test_a_short_age_is_told_in_seconds(caplog: pytest.LogCaptureFixture, alarm: int, said: str) -> None:
    """Both the age and its limit; "0 minutes" would be useless."""
    bench = troubled(TransientError("busy"))
    settings = bench.settings.sources["shop"]
    bench.settings.sources["shop"] = msgspec.structs.replace(settings, ack_alarm=Duration(alarm))
    bench.shop.put("1")
    async with bench.running(MemoryJournal()):
        await anyio.sleep(alarm * 1.5 + 20)
    (line, *_) = [record.message for record in caplog.records if "cknowledgement" in record.message]
    assert f"(ack_alarm is {said})" in line
    assert " 0 minutes" not in line


@pytest.mark.fault(89)
async def test_a_call_with_mixed_outcomes_confirms_what_was_taken_and_repeats_the_rest() -> None:
    """Seven are confirmed, three are not: only the three are sent again."""
    bench = Bench(ack_interval=5)
    bench.shop.put(*ids(10))
    acknowledge = bench.shop.acknowledge
    first = True

    async def mixed(batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        nonlocal first
        taken = [ack for ack in batch if not first or int(ack.order_id) <= 7]
        first = False
        answer = dict(await acknowledge(taken))
        refused = {ack.order_id: NotApplied("busy") for ack in batch if ack.order_id not in answer}
        return {**answer, **refused}

    bench.shop.acknowledge = mixed  # type: ignore[method-assign]
    await bench.drained()

    assert Counter(ids(10)) == bench.shop.told
    assert {} == bench.shop.feed


@pytest.mark.fault(92)
@pytest.mark.parametrize("names", [[], [""], ["unknown"], ["1 "], ["01", "None"]])
async def test_an_answer_that_names_the_wrong_orders_confirms_nothing(names: list[str]) -> None:
    """Empty, unknown and misnamed ids: the orders of the call stay in doubt, and another call settles them."""
    bench = Bench(ack_interval=1)
    bench.shop.put("1", "2")
    acknowledge = bench.shop.acknowledge
    calls = 0

    async def misnaming(batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        nonlocal calls
        calls += 1
        return dict.fromkeys(names, Confirmed()) if calls == 1 else await acknowledge(batch)

    bench.shop.acknowledge = misnaming  # type: ignore[method-assign]
    await bench.drained()

    assert calls >= 2
    assert Counter(["1", "2"]) == bench.shop.told
    assert {} == bench.shop.feed


@pytest.mark.fault(92)
async def test_more_ids_than_were_told_and_in_another_order() -> None:
    """Outcomes are matched by id: unknown ids are ignored, and a missing one is unknown."""
    bench = Bench(ack_interval=5)
    bench.shop.put("1", "2", "3")
    acknowledge = bench.shop.acknowledge
    lost = True

    async def strange(batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        nonlocal lost
        answer = dict(reversed(list((await acknowledge(batch)).items()))) | {"99": Confirmed(), "98": Unknown("?")}
        if lost:
            lost = False
            del answer["2"]
        return answer

    bench.shop.acknowledge = strange  # type: ignore[method-assign]
    await bench.drained()

    assert {"1": 1, "2": 2, "3": 1} == dict(bench.shop.told)  # this source takes a repeat
