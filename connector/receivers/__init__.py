"""Receivers: systems that take responsibility for orders. A package and a line in `RECEIVERS` each."""

from __future__ import annotations

from typing import Any

from connector.receivers.ewarehousing.receiver import EwarehousingReceiver
from connector.receivers.file.receiver import FileReceiver
from connector.receivers.webhook.receiver import WebhookReceiver

__all__ = ["RECEIVERS"]

RECEIVERS: dict[str, type[Any]] = {
    "ewarehousing": EwarehousingReceiver,
    "file": FileReceiver,
    "webhook": WebhookReceiver,
}
"""By their `type` in settings.yaml. A registered receiver has a contract test (`tests/contracts/receiver.py`)."""
