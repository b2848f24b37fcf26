"""The structs of settings.yaml (design.md, section 5). Vendors add their own keys in their own files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from connector.progress import Location, Status
from connector.settings.paths import LOCAL_PATH
from connector.settings.values import Duration, Rate

__all__ = [
    "FUNCTION",
    "EndpointSettings",
    "ProgressReport",
    "ProgressSettings",
    "ReceiverSettings",
    "RetrySettings",
    "RouteSettings",
    "ServerSettings",
    "Settings",
    "SourceSettings",
    "TotalsSettings",
    "WitnessSettings",
    "by_receiver",
    "files_of_journal",
]

Name = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}$",
        description="A name of your choice.",
        extra_json_schema={"x-form": "1 to 40 letters, digits, _ . or -, and does not start with . or -"},
    ),
]

FUNCTION = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")

Function = Annotated[
    str,
    Meta(
        pattern=FUNCTION.pattern,
        extra_json_schema={"x-form": "module:function"},
    ),
]

# A duration of zero would make every call fail, or flood the vendor with calls.
Wait = Meta(extra_json_schema={"x-least": 0.001})


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Waits between retries: the first wait, doubled up to the longest, with full jitter."""

    first: Annotated[Duration, Wait, Meta(description="The wait before the first retry.")] = Duration(1)
    longest: Annotated[Duration, Wait, Meta(description="The longest wait between two retries.")] = Duration(300)

    def problems(self) -> list[tuple[str, str]]:
        """Return the problems between the keys, as pairs of a key and a message."""
        return (
            [("first", "the first wait is longer than the longest; lower first or raise longest")]
            if self.first > self.longest
            else []
        )


class EndpointSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """Keys of every source and receiver."""

    sandbox_hosts: ClassVar[frozenset[str]] = frozenset()
    """Host names of the vendor's test systems."""
    usable: ClassVar[bool] = True
    """False if the plugin cannot be loaded: the endpoint is then neither read from nor written to."""

    timeout: Annotated[Duration, Wait, Meta(description="The longest time for one call, including the response.")] = (
        Duration(30)
    )
    concurrency: Annotated[int, Meta(ge=1, le=256, description="The number of calls in flight at the same time.")] = 8
    rate_limit: Annotated[
        Rate | None, Meta(description="The most calls per time, for example 60/min; unset: no limit.")
    ] = None
    allow_private: Annotated[
        bool,
        Meta(description="Allow an address on a private network, also by plain http; in production, on this machine."),
    ] = False
    ca_file: Annotated[
        str | None,
        LOCAL_PATH,
        Meta(
            description="A file (PEM) of certificate authorities to trust for this endpoint, beside those of the "
            "machine; relative to the settings file."
        ),
    ] = None
    retry: RetrySettings = RetrySettings()
    test_system: Annotated[
        bool,
        Meta(description="Treat this endpoint as a test system although its address is not known as one."),
    ] = False

    def problems(self) -> list[tuple[str, str]]:
        """
        Return the problems between the keys, such as keys that exclude each
        other, as pairs of a key and a message.
        """
        return []


class SourceSettings(EndpointSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of every source."""

    numeric_ids: ClassVar[bool] = False
    """True if order ids are whole numbers, so that its external ids cannot collide with those of another source."""

    poll_interval: Annotated[Duration, Wait, Meta(description="The pause between two polls of the feed.")] = Duration(
        60
    )
    ack_interval: Annotated[
        Duration, Meta(description="The time that an acknowledgement may wait to share a call with others.")
    ] = Duration(1)
    settle: Annotated[
        Duration,
        Meta(
            description="The time after a lost response to an acknowledgement until the source is read to resolve it."
        ),
    ] = Duration(30)
    ack_alarm: Annotated[
        Duration,
        Wait,
        Meta(description="The age at which an unconfirmed acknowledgement raises an alarm."),
    ] = Duration(900)


class ReceiverSettings(EndpointSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of every receiver."""

    writes: ClassVar[tuple[str, ...]] = ()
    """Keys whose value is the path of a file that the receiver writes, and nothing else may write."""
    lists_newest: ClassVar[bool] = False
    """True for a type that lists its newest orders (`SupportsNewest`), and so can be a witness of the journal."""

    settle: Annotated[
        Duration, Meta(description="The time after a call with unknown result until a look-up is trusted.")
    ] = Duration(60)
    look_up_first: Annotated[
        Literal["auto", "always", "never"],
        Meta(
            description="Look an order up before its first create, too. auto: while the journal is new, replaced a "
            "lost one or was restored, and in a replay."
        ),
    ] = "auto"

    def problems_with(self, mappings: Sequence[Any]) -> list[tuple[str, str]]:
        """Return the problems in view of the routes' mappings that lead here, as pairs of a key and a message."""
        return []


class TotalsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The check that an order's lines add up to the total that its source states."""

    tolerance: Annotated[
        Decimal,
        Meta(
            description="The largest difference that is accepted, in units of the order's currency.",
            extra_json_schema={"minimum": 0, "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?$", "x-form": "0.02"},
        ),
    ] = Decimal("0.02")
    on_mismatch: Annotated[
        Literal["report", "hold"],
        Meta(description="On a mismatch, record it in the order's history (report), or hold the order."),
    ] = "report"


class ProgressReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The report that a source gets when an order reaches a status."""

    status: Annotated[Status, Meta(description="The event that is reported.")]
    location: Annotated[Location, Meta(description="The stop at which it happened.")]
    comment: Annotated[str, Meta(description="A comment; if empty, the receiver and its status.")] = ""


def _reports() -> dict[str, ProgressReport | Literal["ignore"]]:
    """Return the default reports: the goods leave the warehouse, or never will."""
    return {
        "shipped": ProgressReport(status="COMPLETE", location="PICKUP"),
        "problem": ProgressReport(status="OTHER", location="PICKUP"),
        "cancelled": ProgressReport(status="CANNOT_HANDLE_ORDER", location="PICKUP"),
    }


class ProgressSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Follows the status of orders at their receivers, for sources that accept reports."""

    interval: Annotated[Duration, Wait, Meta(description="The pause between two checks of the orders' statuses.")] = (
        Duration(300)
    )
    statuses: Annotated[
        dict[str, ProgressReport | Literal["ignore"]],
        Meta(
            description="The report for each status of a receiver, or ignore. The defaults apply to statuses not "
            "listed here; a status in neither is ignored."
        ),
    ] = msgspec.field(default_factory=_reports)
    final: Annotated[list[str], Meta(description="Statuses after which an order is no longer followed.")] = (
        msgspec.field(default_factory=lambda: ["shipped", "cancelled"])
    )

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "statuses", {**_reports(), **self.statuses})


def by_receiver(mapping: Mapping[str, Any], receivers: Sequence[str]) -> bool:
    """Return True if a route's mapping is a mapping per receiver; with several receivers it has to be."""
    return len(receivers) > 1 or (len(mapping) == 1 and receivers[0] in mapping)


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One source and the receivers of its orders."""

    source: Annotated[str, Meta(description="The name of a source.")]
    receivers: Annotated[
        list[str], Meta(min_length=1, description="The names of the receivers; each gets every order of the source.")
    ]
    optional: Annotated[
        list[str], Meta(description="The names of further receivers, for which acknowledgements do not wait.")
    ] = []
    on_change: Annotated[
        Literal["update", "hold", "ignore"],
        Meta(description="The action for an order that changed after it was delivered."),
    ] = "update"
    on_cancel: Annotated[
        Literal["cancel", "hold", "ignore"],
        Meta(description="The action for an order that was cancelled after it was delivered."),
    ] = "cancel"
    cancelled: Annotated[
        Literal["deliver", "hold", "leave"] | None,
        Meta(
            description="The action for an order that its source lists as cancelled and that was not delivered. "
            "deliver: deliver it, marked as cancelled; hold: hold it for a decision; leave: leave it in the feed. "
            "Unset: leave, unless the source is set to export such orders (include_cancelled of Traede); then "
            "webhooks and files get it, and it is held for warehouses, which would ship it."
        ),
    ] = None
    mapping: Annotated[
        Function | dict[str, Any] | None,
        Meta(
            description="Keys that override the receiver's default mapping (see docs/mapping.md), or a "
            "function as module:function; with several receivers, one of these under each receiver's name."
        ),
    ] = None
    split_street: Annotated[
        bool, Meta(description="Split the house number off the street where its form is unambiguous.")
    ] = False
    totals: TotalsSettings = TotalsSettings()
    progress: ProgressSettings = ProgressSettings()

    @property
    def summary(self) -> str:
        """The route in words: `production to erp, optionally archive`."""
        summary = f"{self.source} to {' and '.join(self.receivers)}"
        return f"{summary}, optionally {' and '.join(self.optional)}" if self.optional else summary

    def mapping_for(self, receiver: str) -> str | dict[str, Any] | None:
        """Return the mapping to one of the route's receivers; None stands for the receiver's default mapping."""
        if isinstance(self.mapping, dict) and by_receiver(self.mapping, [*self.receivers, *self.optional]):
            found: str | dict[str, Any] | None = self.mapping.get(receiver)
            return found
        return self.mapping


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The HTTP server for health and metrics; without this section there is none."""

    host: Annotated[str, Meta(min_length=1, description="The address to listen on; there is no authentication.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65535, description="The port to listen on; 0 uses any free port.")] = 8080
    names: Annotated[
        list[Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+$", extra_json_schema={"x-form": "a host name"})]],
        Meta(description="Host names that requests may use besides the address, on any port: a proxy's, for example."),
    ] = msgspec.field(default_factory=list)


class WitnessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Detects that the journal's whole volume was restored from a snapshot."""

    path: Annotated[
        str | None,
        LOCAL_PATH,
        Meta(description="A file on another volume that records the journal's position; relative to this file."),
    ] = None
    receivers: Annotated[
        list[str],
        Meta(
            description="Names of receivers whose newest orders are read at startup: an order there that the journal "
            "never sent shows that the journal is an older copy. For the types ewarehousing and file."
        ),
    ] = msgspec.field(default_factory=list)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `sources` and `receivers` hold the vendors' own structs."""

    environment: Annotated[
        Literal["sandbox", "production"],
        Meta(
            description="In production, secrets must not be written in this file. In both environments, a production "
            "source is never acknowledged for a sandbox receiver."
        ),
    ] = "sandbox"
    journal: Annotated[str, LOCAL_PATH, Meta(description="The SQLite file of the journal; relative to this file.")] = (
        "connector.db"
    )
    witness: Annotated[
        Annotated[str, LOCAL_PATH] | WitnessSettings | None,
        Meta(
            description="A file on another volume that records the journal's position, to detect that the "
            "journal's volume was restored from a snapshot; relative to this file. Or a mapping with path, receivers "
            "or both, where receivers are read for their newest orders."
        ),
    ] = None
    history_days: Annotated[
        int, Meta(ge=0, le=36500, description="The days for which the history of finished orders is kept; 0: forever.")
    ] = 365
    server: ServerSettings | None = None
    sources: Annotated[dict[Name, Any], Meta(min_length=1, description="The systems that orders come from, by name.")]
    receivers: Annotated[dict[Name, Any], Meta(min_length=1, description="The systems that orders go to, by name.")]
    tables: Annotated[
        dict[Name, dict[str, str | int | float]],
        Meta(description="Code tables for lookup() in mappings: for each table, a value for each code."),
    ] = {}
    routes: Annotated[list[RouteSettings], Meta(min_length=1, description="The routes from sources to receivers.")]

    @property
    def witness_file(self) -> str | None:
        """The path of the witness on another volume; None if there is none."""
        return self.witness.path if isinstance(self.witness, WitnessSettings) else self.witness

    @property
    def witness_receivers(self) -> list[str]:
        """The names of the receivers whose newest orders are checked at startup."""
        return self.witness.receivers if isinstance(self.witness, WitnessSettings) else []


def files_of_journal(journal: str) -> set[str]:
    """Return the paths of all files that belong to a journal at this path."""
    return {journal + suffix for suffix in ("", "-wal", "-shm", ".lock", ".seen", ".seen.new")}
