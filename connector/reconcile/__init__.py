"""
Source, journal and receiver, compared order by order.

::

    survey ──▶ three pictures ──▶ compare ──▶ findings ──▶ repair (only if asked to, and only in the journal)

`pictures` are what each side shows, `compare` is pure, and only `survey` makes calls, none of which changes anything.
"""

from __future__ import annotations

from connector.reconcile.collect import Ends, reconcile
from connector.reconcile.compare import Rules, compare
from connector.reconcile.findings import Finding, Kind, Remedy, Report

__all__ = ["Ends", "Finding", "Kind", "Remedy", "Report", "Rules", "compare", "reconcile"]
