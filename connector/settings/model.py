"""The shape of settings.yaml (design.md, section 5). Vendors add their own keys in their own files."""

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
        description="Your name for it.",
        extra_json_schema={"x-form": "1 to 40 letters, digits, _ . or -, the first not . or -"},
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

# A time of nothing at all would make every call fail, or hammer the vendor.
Wait = Meta(extra_json_schema={"x-least": 0.001})


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long to wait between tries: the first wait, doubled up to the longest, with full jitter."""

    first: Annotated[Duration, Wait, Meta(description="The first wait.")] = Duration(1)
    longest: Annotated[Duration, Wait, Meta(description="No wait is longer than this.")] = Duration(300)

    def problems(self) -> list[tuple[str, str]]:
        """Return what is wrong between the keys: the key, and what is wrong with it."""
        return [("first", "the first wait is longer than the longest one")] if self.first > self.longest else []


class EndpointSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What every endpoint takes."""

    sandbox_hosts: ClassVar[frozenset[str]] = frozenset()
    """Host names that are known to be the vendor's test system."""
    usable: ClassVar[bool] = True
    """False where the plugin cannot be loaded: nothing is read from, sent to or told to such an endpoint."""

    timeout: Annotated[Duration, Wait, Meta(description="Longest time for one call, answer included.")] = Duration(30)
    concurrency: Annotated[int, Meta(ge=1, le=256, description="Calls in flight at once.")] = 8
    rate_limit: Annotated[Rate | None, Meta(description="For example 60/min.")] = None
    allow_private: Annotated[
        bool,
        Meta(description="Its address may be on a private network, by plain http too; in production, on this machine."),
    ] = False
    ca_file: Annotated[
        str | None,
        LOCAL_PATH,
        Meta(
            description="A file (PEM) of authorities that may sign its certificate, beside those that the machine "
            "trusts; relative to the settings file."
        ),
    ] = None
    retry: RetrySettings = RetrySettings()
    test_system: Annotated[
        bool,
        Meta(description="It is a test system, although its address is not known as one."),
    ] = False

    def problems(self) -> list[tuple[str, str]]:
        """Return what is wrong between the keys, for example of two that exclude each other: (key, what is wrong)."""
        return []


class SourceSettings(EndpointSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every source takes."""

    numeric_ids: ClassVar[bool] = False
    """Whether the ids of its orders are whole numbers, so that no external id of it can be one of another source."""

    poll_interval: Annotated[Duration, Wait, Meta(description="Pause between two walks over the feed.")] = Duration(60)
    ack_interval: Annotated[
        Duration, Meta(description="How long an acknowledgement may wait for others to share its call.")
    ] = Duration(1)
    settle: Annotated[
        Duration,
        Meta(description="How long after a lost answer to an acknowledgement the source can be asked about it."),
    ] = Duration(30)
    ack_alarm: Annotated[
        Duration,
        Wait,
        Meta(description="Age of an acknowledgement that is not confirmed at which somebody should look."),
    ] = Duration(900)


class ReceiverSettings(EndpointSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every receiver takes."""

    writes: ClassVar[tuple[str, ...]] = ()
    """Keys whose value is the path of a file that it writes, which nothing else may write."""
    lists_newest: ClassVar[bool] = False
    """True for a type that lists its newest orders (`SupportsNewest`), and so can be a witness of the journal."""

    settle: Annotated[Duration, Meta(description="How long after a doubtful call a look-up can be believed.")] = (
        Duration(60)
    )
    look_up_first: Annotated[
        Literal["auto", "always", "never"],
        Meta(
            description="Whether an order is looked up before its first create, too. auto: while the journal is new, "
            "took the place of a lost one or was restored, and in a replay."
        ),
    ] = "auto"

    def problems_with(self, mappings: Sequence[Any]) -> list[tuple[str, str]]:
        """Return what is wrong in view of the routes' mappings that lead here, as in the file: (key, what is wrong)."""
        return []


class TotalsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether an order's lines must add up to the total that its source states."""

    tolerance: Annotated[
        Decimal,
        Meta(
            description="The difference that is no mismatch, in units of the order's currency.",
            extra_json_schema={"minimum": 0, "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?$", "x-form": "0.02"},
        ),
    ] = Decimal("0.02")
    on_mismatch: Annotated[
        Literal["report", "hold"], Meta(description="Note it in the order's history, or hold the order.")
    ] = "report"


class ProgressReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a source is told when an order has reached a status."""

    status: Annotated[Status, Meta(description="What happened.")]
    location: Annotated[Location, Meta(description="The stop at which it did.")]
    comment: Annotated[str, Meta(description="Left empty, it names the receiver and its status.")] = ""


def _reports() -> dict[str, ProgressReport | Literal["ignore"]]:
    """Return what statuses mean where nothing else is said: the goods leave the warehouse, or never will."""
    return {
        "shipped": ProgressReport(status="COMPLETE", location="PICKUP"),
        "problem": ProgressReport(status="OTHER", location="PICKUP"),
        "cancelled": ProgressReport(status="CANNOT_HANDLE_ORDER", location="PICKUP"),
    }


class ProgressSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How orders are followed at their receivers, for a source that takes reports."""

    interval: Annotated[Duration, Wait, Meta(description="Pause between two looks at the orders' statuses.")] = (
        Duration(300)
    )
    statuses: Annotated[
        dict[str, ProgressReport | Literal["ignore"]],
        Meta(
            description="What a receiver's status is reported as, or ignore. The defaults hold for those that are not "
            "named; a status that is in neither is ignored."
        ),
    ] = msgspec.field(default_factory=_reports)
    final: Annotated[list[str], Meta(description="Statuses after which an order is not followed any more.")] = (
        msgspec.field(default_factory=lambda: ["shipped", "cancelled"])
    )

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "statuses", {**_reports(), **self.statuses})


def by_receiver(mapping: Mapping[str, Any], receivers: Sequence[str]) -> bool:
    """Tell whether a route's mapping stands under the names of its receivers, as it has to if there are several."""
    return len(receivers) > 1 or (len(mapping) == 1 and receivers[0] in mapping)


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One source and where its orders go."""

    source: Annotated[str, Meta(description="Name of a source.")]
    receivers: Annotated[
        list[str], Meta(min_length=1, description="Names of the receivers; each gets every order of the source.")
    ]
    optional: Annotated[
        list[str], Meta(description="Names of further receivers, for which telling the source does not wait.")
    ] = []
    on_change: Annotated[
        Literal["update", "hold", "ignore"],
        Meta(description="What is done about an order that changed after it was delivered."),
    ] = "update"
    on_cancel: Annotated[
        Literal["cancel", "hold", "ignore"],
        Meta(description="What is done about an order that was cancelled after it was delivered."),
    ] = "cancel"
    cancelled: Annotated[
        Literal["deliver", "hold", "leave"] | None,
        Meta(
            description="What is done about an order that its source lists as cancelled and that was not delivered. "
            "deliver: like any other, marked as cancelled; hold: it waits for a person; leave: it is left in the feed. "
            "Unset: left, unless the source is asked to export such orders (include_cancelled of Traede): then a "
            "webhook and a file get it, and it is held for a warehouse, which would ship it."
        ),
    ] = None
    mapping: Annotated[
        Function | dict[str, Any] | None,
        Meta(
            description="Keys that lie over the receiver's default mapping (see connector/mapping/compiler.py), or a "
            "module:function; with several receivers, one of these under each receiver's name."
        ),
    ] = None
    split_street: Annotated[
        bool, Meta(description="Whether a house number in a street is split off, where its form leaves no doubt.")
    ] = False
    totals: TotalsSettings = TotalsSettings()
    progress: ProgressSettings = ProgressSettings()

    @property
    def way(self) -> str:
        """From where to where, in words: `production to erp, optionally archive`."""
        ways = f"{self.source} to {' and '.join(self.receivers)}"
        return f"{ways}, optionally {' and '.join(self.optional)}" if self.optional else ways

    def mapping_for(self, receiver: str) -> str | dict[str, Any] | None:
        """Return the mapping to one of the route's receivers; None is its default."""
        if isinstance(self.mapping, dict) and by_receiver(self.mapping, [*self.receivers, *self.optional]):
            found: str | dict[str, Any] | None = self.mapping.get(receiver)
            return found
        return self.mapping


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where health and metrics are served; leave it out to listen on nothing."""

    host: Annotated[str, Meta(min_length=1, description="Address to listen on; it has no password.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="0 takes any free port.")] = 8080
    names: Annotated[
        list[Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+$", extra_json_schema={"x-form": "a host name"})]],
        Meta(description="Host names by which it may be asked, on any port, besides its address: of a proxy, say."),
    ] = msgspec.field(default_factory=list)


class WitnessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What tells that the journal's whole volume was put back from a snapshot."""

    path: Annotated[
        str | None,
        LOCAL_PATH,
        Meta(description="A file on another volume that remembers how far the journal is; relative to this file."),
    ] = None
    receivers: Annotated[
        list[str],
        Meta(
            description="Names of receivers that are asked at a start for their newest orders: one that the journal "
            "never sent there shows that it is an older copy. For types ewarehousing and file."
        ),
    ] = msgspec.field(default_factory=list)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `sources` and `receivers` hold the vendors' own structs."""

    environment: Annotated[
        Literal["sandbox", "production"],
        Meta(
            description="In production a secret is never written in this file. In either, a production source is never "
            "acknowledged for a sandbox receiver."
        ),
    ] = "sandbox"
    journal: Annotated[
        str, LOCAL_PATH, Meta(description="The SQLite file that is the record; relative to this file.")
    ] = "connector.db"
    witness: Annotated[
        Annotated[str, LOCAL_PATH] | WitnessSettings | None,
        Meta(
            description="A file on another volume that remembers how far the journal is, in case that the journal's "
            "whole volume is put back from a snapshot; relative to this file. Or a mapping: path, receivers or both, "
            "where receivers are asked for their newest orders."
        ),
    ] = None
    history_days: Annotated[
        int, Meta(ge=0, le=36500, description="Days for which the history of finished orders is kept; 0: for ever.")
    ] = 365
    server: ServerSettings | None = None
    sources: Annotated[dict[Name, Any], Meta(min_length=1, description="Where orders come from.")]
    receivers: Annotated[dict[Name, Any], Meta(min_length=1, description="Where orders go.")]
    tables: Annotated[
        dict[Name, dict[str, str | int | float]],
        Meta(description="Code lists for lookup() in a mapping: for each table, a value for each code."),
    ] = {}
    routes: Annotated[list[RouteSettings], Meta(min_length=1, description="Which source goes to which receivers.")]

    @property
    def witness_file(self) -> str | None:
        """The path of the witness on another volume; None if there is none."""
        return self.witness.path if isinstance(self.witness, WitnessSettings) else self.witness

    @property
    def witness_receivers(self) -> list[str]:
        """The names of the receivers that are asked at a start whether the journal is an older copy."""
        return self.witness.receivers if isinstance(self.witness, WitnessSettings) else []


def files_of_journal(journal: str) -> set[str]:
    """Return the paths of all files that a journal at this path consists of."""
    return {journal + suffix for suffix in ("", "-wal", "-shm", ".lock", ".seen", ".seen.new")}
