"""Carries orders from the systems they are born in to the systems that fulfil them: once, completely, origin told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connector.app import Connector as Connector
    from connector.drain import Drained as Drained
    from connector.errors import ConnectorError as ConnectorError
    from connector.errors import JournalBusy as JournalBusy
    from connector.errors import JournalError as JournalError
    from connector.errors import SettingsError as SettingsError
    from connector.errors import Unmappable as Unmappable
    from connector.order import Order as Order
    from connector.registry import load_settings as load_settings
    from connector.report import Progress as Progress
    from connector.settings import Settings as Settings

__all__ = [
    "Connector",
    "ConnectorError",
    "Drained",
    "JournalBusy",
    "JournalError",
    "Order",
    "Progress",
    "Settings",
    "SettingsError",
    "Unmappable",
    "load_settings",
]

_HOMES = {
    "Connector": "connector.app",
    "ConnectorError": "connector.errors",
    "Drained": "connector.drain",
    "JournalBusy": "connector.errors",
    "JournalError": "connector.errors",
    "Order": "connector.order",
    "Progress": "connector.report",
    "Settings": "connector.settings",
    "SettingsError": "connector.errors",
    "Unmappable": "connector.errors",
    "load_settings": "connector.registry",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `connector --help` need not wait for an HTTP client."""
    if name not in _HOMES:
        raise AttributeError(f"module 'connector' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
