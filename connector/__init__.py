"""Carries orders from shop systems to fulfilment systems exactly once, and acknowledges them to their source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connector.app import Connector as Connector
    from connector.errors import ConnectorError as ConnectorError
    from connector.errors import JournalBusy as JournalBusy
    from connector.errors import JournalError as JournalError
    from connector.errors import SettingsError as SettingsError
    from connector.errors import Unmappable as Unmappable
    from connector.order import Order as Order
    from connector.pipeline.drain import Drained as Drained
    from connector.progress import Progress as Progress
    from connector.registry import load_settings as load_settings
    from connector.settings import Settings as Settings
    from connector.sources.zendera.reports import CannotHandleOrder as CannotHandleOrder
    from connector.sources.zendera.reports import Complete as Complete
    from connector.sources.zendera.reports import CompleteInfo as CompleteInfo
    from connector.sources.zendera.reports import Coordinates as Coordinates
    from connector.sources.zendera.reports import Damage as Damage
    from connector.sources.zendera.reports import EventInfo as EventInfo
    from connector.sources.zendera.reports import NoOneThere as NoOneThere
    from connector.sources.zendera.reports import Other as Other
    from connector.sources.zendera.reports import Pricing as Pricing
    from connector.sources.zendera.reports import ProofOfDelivery as ProofOfDelivery

__all__ = [
    "CannotHandleOrder",
    "Complete",
    "CompleteInfo",
    "Connector",
    "ConnectorError",
    "Coordinates",
    "Damage",
    "Drained",
    "EventInfo",
    "JournalBusy",
    "JournalError",
    "NoOneThere",
    "Order",
    "Other",
    "Pricing",
    "Progress",
    "ProofOfDelivery",
    "Settings",
    "SettingsError",
    "Unmappable",
    "load_settings",
]

_HOMES = {
    "CannotHandleOrder": "connector.sources.zendera.reports",
    "Complete": "connector.sources.zendera.reports",
    "CompleteInfo": "connector.sources.zendera.reports",
    "Connector": "connector.app",
    "ConnectorError": "connector.errors",
    "Coordinates": "connector.sources.zendera.reports",
    "Damage": "connector.sources.zendera.reports",
    "Drained": "connector.pipeline.drain",
    "EventInfo": "connector.sources.zendera.reports",
    "JournalBusy": "connector.errors",
    "JournalError": "connector.errors",
    "NoOneThere": "connector.sources.zendera.reports",
    "Order": "connector.order",
    "Other": "connector.sources.zendera.reports",
    "Pricing": "connector.sources.zendera.reports",
    "Progress": "connector.progress",
    "ProofOfDelivery": "connector.sources.zendera.reports",
    "Settings": "connector.settings",
    "SettingsError": "connector.errors",
    "Unmappable": "connector.errors",
    "load_settings": "connector.registry",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `connector --help` does not load an HTTP client."""
    if name not in _HOMES:
        raise AttributeError(f"module 'connector' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
