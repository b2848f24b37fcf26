"""What `run --once` says at its end, for a person: what was done, what waits, for whom, and what to do about it."""

from __future__ import annotations

import shlex
from collections.abc import Container, Iterator

import msgspec

from connector.cli.counters import Tally
from connector.cli.end_state import Standing, Waiting
from connector.cli.exit_codes import LATER, OK, TROUBLE
from connector.cli.output import escaped
from connector.pipeline.drain import Drained
from connector.settings import Settings
from connector.settings.values import Secret

__all__ = ["outcome", "summary"]

MOST_CAUSES = 8
"""Causes listed for a source; there are commands for the rest."""
UNFINISHED = ("new", "delivering", "in_doubt", "delivered")


def outcome(drained: Drained, standing: Standing) -> int:
    """
    Return the exit code: 0, 1 if a person has to look, 75 if only another try would help.

    Orders that are neither at their end nor held, though no endpoint failed, are on nobody's way: that is 1 too. So are
    those that a source had confirmed and lists all the same.
    """
    if standing.count("held", "rejected") or standing.parked or standing.listed_again:
        return TROUBLE
    if drained.failed:
        return LATER if drained.later else TROUBLE
    return TROUBLE if standing.count(*UNFINISHED) else OK


def summary(
    settings: Settings,
    tally: Tally,
    standing: Standing,
    drained: Drained | None,
    seconds: float,
    *,
    broken: Container[str] = (),
) -> str:
    """
    Return the text.

    `drained` is None when the run was stopped before it was through; `broken` names the sources and receivers whose
    plugin cannot be used.
    """
    lines: list[str] = []
    for source in (*settings.sources, *sorted(set(standing.states) - set(settings.sources))):
        lines += _of_source(source, tally, standing)
    for endpoint, reason in drained.failed.items() if drained else ():
        if endpoint in broken:
            lines += _of_plugin(endpoint, reason)
        else:
            lines += _of_endpoint(endpoint, reason, settings, later=drained is not None and drained.later)
    lines.append(_of_time(tally, seconds))
    if drained is None:
        left = standing.count(*UNFINISHED)
        lines.append(f"Stopped before the end ({left:,} orders under way); the next run finishes the rest.")
    return "\n".join(lines) + "\n"


def _of_source(source: str, tally: Tally, standing: Standing) -> Iterator[str]:
    states = standing.states.get(source, {})
    told = tally.counts["acknowledged"][source]
    adopted = f" ({tally.adopted[source]:,} found there)" if tally.adopted[source] else ""
    yield (
        f"{source}: {tally.new[source]:,} new, {tally.counts['delivered'][source]:,} delivered{adopted}, "
        f"{told:,} acknowledged"
    )
    if left := sum(states.get(name, 0) for name in UNFINISHED):
        yield f"  {left:,} not finished: connector orders --source {shlex.quote(source)}"
    for state in ("cancelled", "vanished"):
        if count := states.get(state, 0):
            yield f"  {count:,} {state}: connector orders --source {shlex.quote(source)} --state {state}"
    if again := standing.listed_again.get(source):
        yield (
            f"  {again:,} told again: it had confirmed {'it' if again == 1 else 'them'}, and lists "
            f"{'it' if again == 1 else 'them'} all the same; the next run shows whether it takes that"
        )
    causes = standing.causes.get(source, ())
    for each in causes[:MOST_CAUSES]:
        yield from _of_cause(source, each)
    if more := sum(each.count for each in causes[MOST_CAUSES:]):
        yield f"  {more:,} more for other causes: connector orders --source {shlex.quote(source)}"


def _of_cause(source: str, waiting: Waiting) -> Iterator[str]:
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
        yield f"  It refuses our credentials: mend {keys} of {place} in the settings, then try `connector check`."
    elif later:
        yield "  Nothing is known to be wrong here: run it again later."
    else:
        yield f"  See whether address and codes of {place} are right; `connector check` tries them."


def _of_plugin(endpoint: str, reason: str) -> Iterator[str]:
    yield f"{endpoint} is out of service: {escaped(reason.removeprefix(f'{endpoint}: '))}"
    yield "  Install or mend the plugin, and start again; all else goes on without it, and its orders wait."


def _credentials(own: object) -> list[str]:
    """Return the keys of an endpoint that hold its credentials: the secrets, and the names that go with them."""
    if not isinstance(own, msgspec.Struct):
        return ["the credentials"]
    names = [
        name
        for name in own.__struct_fields__
        if isinstance(getattr(own, name), Secret) or (name in ("username", "client_id") and getattr(own, name))
    ]
    return names or ["the credentials"]


def _of_time(tally: Tally, seconds: float) -> str:
    delivered = tally.total("delivered")
    rate = f", {delivered / seconds:,.0f} a second" if delivered and seconds > 0 else ""
    return f"{delivered:,} orders delivered in {seconds:,.1f} seconds{rate}."
