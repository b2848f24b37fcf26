"""Receivers: the systems that take orders. One file each, and one line here."""

from __future__ import annotations

from typing import Any

from connector.receivers.ewarehousing import EwarehousingReceiver

__all__ = ["RECEIVERS"]

RECEIVERS: dict[str, type[Any]] = {"ewarehousing": EwarehousingReceiver}
"""By the `type` of settings.yaml. A registered receiver has a contract test (`tests/contracts/receiver.py`)."""
