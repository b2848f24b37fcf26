"""settings.yaml: its structs (model.py), its value types (values.py), and how it is loaded, described and echoed."""

from __future__ import annotations

from connector.settings.echo import echo
from connector.settings.json_schema import schema
from connector.settings.load import load, parse
from connector.settings.model import (
    EndpointSettings,
    ReceiverSettings,
    RetrySettings,
    RouteSettings,
    ServerSettings,
    Settings,
    SourceSettings,
)
from connector.settings.values import Duration, Rate, Secret, Url

__all__ = [
    "Duration",
    "EndpointSettings",
    "Rate",
    "ReceiverSettings",
    "RetrySettings",
    "RouteSettings",
    "Secret",
    "ServerSettings",
    "Settings",
    "SourceSettings",
    "Url",
    "echo",
    "load",
    "parse",
    "schema",
]
