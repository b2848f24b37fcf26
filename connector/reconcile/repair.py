"""Applies the remedies of findings to the journal, in short transactions, also beside a running connector."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from connector.errors import Unmappable
from connector.journal import repairs
from connector.journal.decisions import deciding, millis
from connector.journal.records import Delivered
from connector.journal.views import audit
from connector.reconcile.findings import Finding
from connector.sources.base import Source

__all__ = ["repair"]

BATCH_SIZE = 100
"""Findings per transaction; a running connector waits for the end of a transaction."""


def repair(
    journal: str | Path, findings: Sequence[Finding], sources: Mapping[str, Source], now: datetime
) -> list[bool]:
    """
    Apply the remedy of each finding; return for each whether it was applied.

    It is not applied to a finding without a remedy, nor to an order whose state has changed since the comparison.

    Raises: `JournalError` if the journal cannot be written.
    """
    done: dict[int, bool] = {}
    todo = [number for number, each in enumerate(findings) if each.remedy != "none"]
    for start in range(0, len(todo), BATCH_SIZE):
        with deciding(journal) as db:
            for number in todo[start : start + BATCH_SIZE]:
                finding = findings[number]
                done[number] = _apply(finding, sources[finding.source], millis(now), db)
    return [done.get(number, False) for number in range(len(findings))]


def _apply(finding: Finding, source: Source, now: int, db: sqlite3.Connection) -> bool:
    if finding.remedy == "look_again":
        return repairs.look_again(finding.key, finding.receiver, now, db)
    if finding.remedy == "tell_again":
        return repairs.tell_again(finding.key, now, db, once=source.traits.confirms_once)
    raw = audit.payload(db, finding.key) if finding.arrival is None else finding.arrival.raw
    attach = raw is not None and not finding.exported and _has_documents(source, raw)
    found = {
        receiver: Delivered(receipt.id, receipt.reference, adopted=True, attach=attach)
        for receiver, receipt in finding.found.items()
    }
    if finding.arrival is not None:
        told: Literal["exported", "unknown", "no"] = (
            "exported" if finding.exported else "unknown" if source.traits.confirms_once else "no"
        )
        return repairs.take_in(finding.source, finding.arrival, found, now, db, told=told)
    done = [repairs.adopt(finding.key, receiver, each, now, db) for receiver, each in found.items()]
    return all(done)


def _has_documents(source: Source, raw: bytes) -> bool:
    try:
        return bool(source.to_order(raw).documents)
    except Unmappable:
        return False
