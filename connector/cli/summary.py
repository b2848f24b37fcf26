"""The summary and the exit code of `run --once`: results by source, failed endpoints, and the next commands to run."""

from __future__ import annotations

import shlex
from collections.abc import Container, Iterator

import msgspec

from connector.cli.counters import RunCounters
from connector.cli.end_state import CauseCount, EndState
from connector.cli.exit_codes import LATER, OK, TROUBLE
from connector.cli.output import escaped
from connector.pipeline.drain import Drained
from connector.settings import Settings
from connector.settings.values import Secret

__all__ = ["outcome", "summary"]

MOST_CAUSES = 8
"""Causes listed for a source; `connector orders` shows the rest."""
UNFINISHED = ("new", "delivering", "in_doubt", "delivered")


def outcome(drained: Drained, end: EndState) -> int:
    """
    Return the exit code of a run.

    - 1: an order is held or rejected, a report is parked, a source lists orders again that it had confirmed, or an
      endpoint needs repair; also if orders are unfinished although no endpoint failed.
    - 75: endpoints failed, and all of them may work later.
    - 0: otherwise.
    """
    if end.count("held", "rejected") or end.parked or end.listed_again:
        return TROUBLE
    if drained.failed:
        return LATER if drained.later else TROUBLE
    return TROUBLE if end.count(*UNFINISHED) else OK


def summary(
    settings: Settings,
    counters: RunCounters,
    end: EndState,
    drained: Drained | None,
    seconds: float,
    *,
    broken: Container[str] = (),
) -> str:
    """
    Return the summary of a run for the operator.

    `drained` is None when the run was stopped before it was finished. `broken` holds the names of the sources and
    receivers whose plugin cannot be used.
    """
    lines: list[str] = []
    for source in (*settings.sources, *sorted(set(end.states) - set(settings.sources))):
        lines += _of_source(source, counters, end)
    for endpoint, reason in drained.failed.items() if drained else ():
        if endpoint in broken:
            lines += _of_plugin(endpoint, reason)
        else:
            lines += _of_endpoint(endpoint, reason, settings, later=drained is not None and drained.later)
    lines.append(_of_time(counters, seconds))
    if drained is None:
        left = end.count(*UNFINISHED)
        lines.append(f"Stopped early with {left:,} orders in progress; the next run finishes them.")
    return "\n".join(lines) + "\n"


def _of_source(source: str, counters: RunCounters, end: EndState) -> Iterator[str]:
    states = end.states.get(source, {})
    acknowledged = counters.counts["acknowledged"][source]
    adopted = f" ({counters.adopted[source]:,} found by look-up)" if counters.adopted[source] else ""
    yield (
        f"{source}: {counters.new[source]:,} new, {counters.counts['delivered'][source]:,} delivered{adopted}, "
        f"{acknowledged:,} acknowledged"
    )
    if left := sum(states.get(name, 0) for name in UNFINISHED):
        yield f"  {left:,} unfinished: connector orders --source {shlex.quote(source)}"
    for state in ("cancelled", "vanished"):
        if count := states.get(state, 0):
            yield f"  {count:,} {state}: connector orders --source {shlex.quote(source)} --state {state}"
    if again := end.listed_again.get(source):
        yield (
            f"  {again:,} acknowledged again: the source had confirmed {'it' if again == 1 else 'them'}, but still "
            f"lists {'it' if again == 1 else 'them'}; the next run shows whether the repeat had an effect"
        )
    causes = end.causes.get(source, ())
    for each in causes[:MOST_CAUSES]:
        yield from _of_cause(source, each)
    if more := sum(each.count for each in causes[MOST_CAUSES:]):
        yield f"  {more:,} more with other causes: connector orders --source {shlex.quote(source)}"


def _of_cause(source: str, waiting: CauseCount) -> Iterator[str]:
    cause = escaped(waiting.cause)
    example = f"order {waiting.example}" if waiting.count == 1 else f"for example order {waiting.example}"
    yield f"  {waiting.count:,} {waiting.state}: {cause} ({escaped(example)})"
    if waiting.state != "skipped":
        yield f"    connector orders --cause {shlex.quote(cause)}"


def _of_endpoint(endpoint: str, reason: str, settings: Settings, *, later: bool) -> Iterator[str]:
    place = f"{'sources' if endpoint in settings.sources else 'receivers'}.{endpoint}"
    own = settings.sources.get(endpoint) or settings.receivers.get(endpoint)
    yield f"{endpoint} failed: {escaped(reason.removeprefix(f'{endpoint}: '))}"
    if ": 401" in reason or ": 403" in reason:
        keys = " and ".join(_credentials(own))
        yield f"  It rejects the credentials: correct {keys} of {place} in the settings, then run `connector check`."
    elif later:
        yield "  The failure may pass: run it again later."
    else:
        yield f"  Check the address and codes of {place} in the settings, then run `connector check`."


def _of_plugin(endpoint: str, reason: str) -> Iterator[str]:
    yield f"{endpoint} is out of service: {escaped(reason.removeprefix(f'{endpoint}: '))}"
    yield "  Install or repair the plugin, then restart. Other endpoints work without it; its orders wait."


def _credentials(own: object) -> list[str]:
    """Return the keys of an endpoint's settings that hold its credentials: secrets, and user or client names."""
    if not isinstance(own, msgspec.Struct):
        return ["the credentials"]
    names = [
        name
        for name in own.__struct_fields__
        if isinstance(getattr(own, name), Secret) or (name in ("username", "client_id") and getattr(own, name))
    ]
    return names or ["the credentials"]


def _of_time(counters: RunCounters, seconds: float) -> str:
    delivered = counters.total("delivered")
    rate = f", {delivered / seconds:,.0f} a second" if delivered and seconds > 0 else ""
    return f"{delivered:,} orders delivered in {seconds:,.1f} seconds{rate}."
