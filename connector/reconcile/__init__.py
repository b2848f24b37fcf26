"""
Reconciliation: compares sources, journal and receivers, order by order.

::

    collect ──▶ evidence of three sides ──▶ compare ──▶ findings ──▶ repair (on request, and only in the journal)

Only `collect` calls endpoints, and it changes nothing. `compare` is a pure function.
"""

from __future__ import annotations

from connector.reconcile.collect import Sides, reconcile
from connector.reconcile.compare import Rules, compare
from connector.reconcile.findings import Finding, Kind, ReconcileReport, Remedy

__all__ = ["Finding", "Kind", "ReconcileReport", "Remedy", "Rules", "Sides", "compare", "reconcile"]
