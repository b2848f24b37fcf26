"""
Builds sources and receivers from the settings: built-in ones, plugins, and instances that are passed in.

Plugins are sources and receivers of other packages, found by entry point. A plugin that cannot be imported, lacks an
attribute of the protocol, or fails while it is set up puts its own source or receiver out of service and nothing else.
A stand-in of the same name replaces it: its orders are kept, and every call to it fails with the reason.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, ClassVar, Literal, NoReturn, cast

import msgspec

from connector import settings as settings_module
from connector.ack import Acknowledgement, AckOutcome
from connector.clock import Clock
from connector.errors import EndpointError, SettingsError, Unmappable, readable
from connector.http.breaker import Breaker
from connector.http.endpoint import Endpoint
from connector.mapping.mapper import checker
from connector.order import Document, Order
from connector.receivers import RECEIVERS
from connector.receivers.base import Delivery, Receipt, Receiver, ReceiverTraits
from connector.settings import Settings
from connector.settings.model import EndpointSettings, ReceiverSettings, SourceSettings
from connector.settings.problems import did_you_mean
from connector.sources import SOURCES
from connector.sources.base import Page, Source, SourceTraits

__all__ = [
    "BROKEN",
    "BrokenReceiver",
    "BrokenSource",
    "broken_cause",
    "load_settings",
    "make_receivers",
    "make_sources",
    "receiver_types",
    "source_types",
]

BROKEN = "plugin of "
"""The beginning of the cause under which the orders of a broken source are held."""

Family = Literal["sources", "receivers"]

NEEDED: Mapping[Family, tuple[str, ...]] = {
    "sources": ("ack_limit", "traits", "endpoint"),
    "receivers": ("request", "traits", "endpoint"),
}
"""Attributes of the protocols that the flow reads before the first call."""

NOWHERE = "https://unavailable.invalid"
LATER = 3600.0
"""Seconds that callers of a broken plugin wait before each further try; only a restart can help."""


def source_types() -> dict[str, Any]:
    """Return the source classes by `type`: the built-in ones, and entry points of the group `connector.sources`."""
    return {**_plugged("sources"), **SOURCES}


def receiver_types() -> dict[str, Any]:
    """Return the receiver classes by `type`: the built-in ones, and entry points of the group `connector.receivers`."""
    return {**_plugged("receivers"), **RECEIVERS}


def load_settings(path: str | os.PathLike[str] = "settings.yaml", environ: Mapping[str, str] | None = None) -> Settings:
    """
    Read and check settings.yaml. `environ` (default: the process's) fills in `${...}`.

    Relative paths in it (`journal`, a file receiver's `path`) are taken from its folder, whatever the working directory
    is; in `Settings` they are absolute. Raises `SettingsError` with every error at its line.
    """
    return settings_module.load(
        Path(path),
        sources={name: kind.settings for name, kind in source_types().items()},
        receivers={name: kind.settings for name, kind in receiver_types().items()},
        environ=os.environ if environ is None else environ,
        mappings=checker({name: kind.request for name, kind in receiver_types().items()}),
    )


def make_sources(settings: Settings, clock: Clock, given: Mapping[str, Source]) -> dict[str, Source]:
    """
    Build the sources of `settings`; use the instances in `given` under their names.

    Raises `SettingsError` for a name in `given` that the settings do not have.
    """
    return _made("sources", settings.sources, source_types(), clock, given)


def make_receivers(settings: Settings, clock: Clock, given: Mapping[str, Receiver]) -> dict[str, Receiver]:
    """
    Build the receivers of `settings`; use the instances in `given` under their names.

    Raises `SettingsError` for a name in `given` that the settings do not have.
    """
    return _made("receivers", settings.receivers, receiver_types(), clock, given)


def _made(
    family: Family, settings: Mapping[str, Any], types: Mapping[str, Any], clock: Clock, given: Mapping[str, Any]
) -> dict[str, Any]:
    if strangers := [name for name in given if name not in settings]:
        there = ", ".join(settings) or "none"
        raise SettingsError(
            [
                f"{family}: {name!r} is given, and the settings do not have it"
                f"{did_you_mean(name, settings) or f'; they have {there}'}"
                for name in strangers
            ]
        )
    return {
        name: given[name] if name in given else _build(family, types[_type(own)], name, own, clock)
        for name, own in settings.items()
    }


def _type(own: Any) -> str:
    return str(own.__struct_config__.tag)


class OutOfService(Breaker):
    """A breaker that is open for as long as the process lives."""

    permanent = True

    def __init__(self, clock: Clock, reason: str, listen: Callable[[Any, str], None]) -> None:
        super().__init__(clock, first=LATER, longest=LATER, listen=listen)
        self.state = "open"
        self.reason = reason
        self.hopeless = True

    def announce(self) -> None:
        """Announce to the listener that it is open."""
        self._listen("open", self.reason)

    def wait(self) -> float:
        """Return the seconds for which no call may be made."""
        return LATER

    @property
    def remaining(self) -> float:
        """The seconds for which no call may be made."""
        return LATER

    def succeeded(self, _kind: str = "") -> None:
        """Stay open."""

    def close(self) -> None:
        """Stay open."""


class _Broken:
    """The part that a broken source and a broken receiver share."""

    def __init__(self, name: str, settings: EndpointSettings, clock: Clock, reason: str) -> None:
        self.name = name
        self.reason = reason
        self.endpoint = Endpoint(name, NOWHERE, settings, clock)
        self.breaker = OutOfService(clock, reason, lambda state, why: self.endpoint.listen(state, why))
        self.endpoint.breaker = self.breaker

    def _fail(self) -> NoReturn:
        raise EndpointError(f"{self.name}: {self.reason}")

    async def check(self) -> str:
        """Fail with the reason."""
        self._fail()

    async def aclose(self) -> None:
        """Close nothing."""


class BrokenSource(_Broken):
    """The stand-in for a source whose plugin is broken. Its waiting orders are held until the plugin works."""

    ack_limit: ClassVar[int] = 1
    traits: ClassVar[SourceTraits] = SourceTraits(accepts_failures=False, feed_shrinks=True, ack_idempotent=False)

    async def fetch(self, gone: Callable[[], int]) -> AsyncGenerator[Page]:
        """Fail with the reason."""
        self._fail()
        yield Page(())

    async def acknowledge(self, batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        """Fail with the reason; nothing was applied."""
        self._fail()

    def to_order(self, raw: bytes) -> Order:
        """Hold the order: only the plugin can read it."""
        raise Unmappable(broken_cause(self.name), self.reason, ours=True)


class BrokenReceiver(_Broken):
    """The stand-in for a receiver whose plugin is broken. Its orders wait in the journal."""

    traits: ClassVar[ReceiverTraits] = ReceiverTraits(can_find=True)
    request: ClassVar[Any] = Any

    def default(self, order: Order) -> Any:
        """Hold the order: only the plugin has its request."""
        raise Unmappable(broken_cause(self.name), self.reason, ours=True)

    async def find(self, external_id: str) -> Receipt | None:
        """Fail with the reason."""
        self._fail()

    async def create(self, delivery: Delivery) -> Receipt:
        """Fail with the reason; nothing was applied."""
        self._fail()

    async def update(self, receipt: Receipt, delivery: Delivery) -> Receipt:
        """Fail with the reason; nothing was applied."""
        self._fail()

    async def cancel(self, receipt: Receipt) -> None:
        """Fail with the reason; nothing was applied."""
        self._fail()

    async def attach(self, receipt: Receipt, documents: Sequence[Document]) -> None:
        """Fail with the reason; nothing was applied."""
        self._fail()


def broken_cause(name: str) -> str:
    """Return the cause of orders that wait for the plugin of the source or receiver `name`."""
    return f"{BROKEN}{name} cannot be used"


def _plugged(family: Family) -> dict[str, Any]:
    """
    Return the classes of the entry points `connector.sources` or `connector.receivers`, by their `type`.

    The class for a type whose plugin cannot be used takes any settings, and makes a stand-in.
    """
    return {point.name: _loaded(family, point) for point in entry_points(group=f"connector.{family}")}


def _build(family: Family, kind: Any, name: str, settings: Any, clock: Clock) -> Any:
    """Make the source or receiver `name` of class `kind`, or its stand-in if that fails. Raises `SettingsError`."""
    try:
        end = kind(name, settings, clock)
        _check_attributes(family, end)
    except SettingsError:
        raise  # an error in the settings that only the class can find
    except Exception as exc:  # noqa: BLE001 - a plugin may raise anything
        broken = BrokenSource if family == "sources" else BrokenReceiver
        return broken(
            name, settings, clock, f"{kind.__module__}.{kind.__qualname__} cannot be set up: {_in_words(exc)}"
        )
    return end


def _check_attributes(family: Family, end: Any) -> None:
    """Raise `TypeError` for a source or receiver that lacks an attribute of its protocol, with all that it lacks."""
    traits = SourceTraits if family == "sources" else ReceiverTraits
    if missing := [name for name in NEEDED[family] if not hasattr(end, name)]:
        fields = ", ".join(traits.__struct_fields__)
        hint = f"; `traits` is a {traits.__name__} with {fields}" if "traits" in missing else ""
        raise TypeError(f"it has no {', no '.join(f'`{name}`' for name in missing)}{hint}")
    if not isinstance(end.traits, traits):
        raise TypeError(f"its `traits` are a {type(end.traits).__name__}, not a {traits.__name__}")


def _loaded(family: Family, point: EntryPoint) -> Any:
    base = SourceSettings if family == "sources" else ReceiverSettings
    try:
        kind = point.load()
        settings = kind.settings
        if not (isinstance(settings, type) and issubclass(settings, base)):
            raise TypeError(f"its `settings` are no {base.__name__}")
        if settings.__struct_config__.tag != point.name:
            raise TypeError(f"the tag of its `settings` is {settings.__struct_config__.tag!r}, not {point.name!r}")
        if family == "receivers":
            kind.request  # noqa: B018 - read by the check of mappings
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - a module may raise anything while it is imported
        return _stand_in(family, base, point, f"the plugin {point.value} cannot be loaded: {_in_words(exc)}")
    return kind


def _stand_in(family: Family, base: type[EndpointSettings], point: EntryPoint, reason: str) -> Any:
    """Return the class for the type of a plugin that cannot be loaded."""
    settings = msgspec.defstruct(
        "AnySettings",
        [],
        bases=(base,),
        namespace={"__doc__": f"Not checked: {reason}.", "usable": False},
        frozen=True,
        kw_only=True,
        tag=point.name,
        tag_field="type",
        forbid_unknown_fields=False,
    )
    broken: type[_Broken] = BrokenSource if family == "sources" else BrokenReceiver

    def init(self: Any, name: str, own: Any, clock: Clock) -> None:
        broken.__init__(self, name, own, clock, reason)

    return cast("Any", type(broken.__name__, (broken,), {"settings": settings, "__init__": init}))


def _in_words(exc: BaseException) -> str:
    return f"{type(exc).__name__}: {readable(str(exc))}"
