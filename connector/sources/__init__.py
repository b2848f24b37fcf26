"""
Sources: systems that list orders to export and accept acknowledgements.

A source is a package here, a line in `SOURCES`, and a test that inherits the contract of all sources.
"""

from __future__ import annotations

from connector.sources.ewarehousing.source import EwarehousingSource
from connector.sources.propeller.source import PropellerSource
from connector.sources.traede.source import TraedeOrders, TraedeProductionOrders
from connector.sources.zendera.source import ZenderaSource

__all__ = ["SOURCES"]

SOURCES: dict[str, type] = {
    "ewarehousing": EwarehousingSource,
    "propeller": PropellerSource,
    "traede_orders": TraedeOrders,
    "traede_production_orders": TraedeProductionOrders,
    "zendera": ZenderaSource,
}
"""By their `type` in settings.yaml."""
