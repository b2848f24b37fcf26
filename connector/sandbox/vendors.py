"""All stand-in vendors of the project's example settings, with made-up orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from connector.sandbox import EWAREHOUSING_PORT, PROPELLER_PORT, TRAEDE_PORT, WEBHOOK_PORT, ZENDERA_PORT
from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.propeller.app import PropellerStandIn
from connector.sandbox.propeller.orders import propeller_orders
from connector.sandbox.server import StandIn
from connector.sandbox.traede.app import TraedeStandIn
from connector.sandbox.traede.orders import production_orders, traede_orders
from connector.sandbox.webhook import SECRET, WebhookStandIn
from connector.sandbox.zendera.app import ZenderaStandIn
from connector.sandbox.zendera.shipments import zendera_shipments

__all__ = ["Vendor", "Vendors", "build_vendors"]

HARMLESS = frozenset({"/oauth2/token", "/v2/orders/search", "/wms/auth/login/", "/wms/auth/refresh/"})
"""Paths to which a POST changes no order."""


class Vendor(NamedTuple):
    """A stand-in with its address, and its place in settings.yaml."""

    name: str
    standin: StandIn
    port: int
    """Its port in `connector sandbox`."""
    variable: str
    """The environment variable for its address."""
    path: str
    """The path of that address."""
    opens: str
    """The credentials that it accepts, as a text."""

    @property
    def option(self) -> str:
        """The option of `connector sandbox` that sets another port."""
        return f"--port-{self.name.lower()}"


@dataclass(frozen=True)
class Vendors:
    """The stand-ins, by the names in settings.yaml; `wholesale` also serves the source `production`."""

    shop: PropellerStandIn
    wholesale: TraedeStandIn
    transport: ZenderaStandIn
    warehouse: EwarehousingStandIn
    erp: WebhookStandIn

    @property
    def vendors(self) -> tuple[Vendor, ...]:
        """All stand-ins, sources first."""
        ewarehousing = "username sandbox, password sandbox-secret, wms_code DEV, customer_code SANDBOX"
        shop = "client_id sandbox, client_secret sandbox-secret"
        traede = "token sandbox-token, app_key sandbox-app-key"
        return (
            Vendor("Propeller", self.shop, PROPELLER_PORT, "PROPELLER_URL", "", shop),
            Vendor("Traede", self.wholesale, TRAEDE_PORT, "TRAEDE_URL", "", traede),
            Vendor("Zendera", self.transport, ZENDERA_PORT, "ZENDERA_URL", "/api", "api_key sandbox-key"),
            Vendor("eWarehousing", self.warehouse, EWAREHOUSING_PORT, "EWH_URL", "", ewarehousing),
            Vendor("Webhook", self.erp, WEBHOOK_PORT, "ERP_URL", "/orders", f"secret {SECRET}"),
        )

    @property
    def calls(self) -> int:
        """The number of requests that have reached the vendors."""
        return sum(len(vendor.standin.history) for vendor in self.vendors)

    @property
    def writes(self) -> int:
        """The number of these requests that may change an order."""
        return sum(
            call.method != "GET" and call.path not in HARMLESS
            for vendor in self.vendors
            for call in vendor.standin.history
        )

    def left(self) -> dict[str, int]:
        """Return the number of orders left to export, by the name of the source in settings.yaml."""
        exported = {"orders": 0, "production-orders": 0}
        for word, _ in {(word, order_id) for word, _, order_id in self.wholesale.exported}:
            exported[word] += 1
        return {
            "shop": sum(not order["exportStatus"] for order in self.shop.orders.values()),
            "wholesale": len(self.wholesale.orders) - exported["orders"],
            "production": len(self.wholesale.production_orders) - exported["production-orders"],
            "transport": len({shipment["orderId"] for shipment in self.transport.feed()}),
        }


def build_vendors(
    shop: int,
    *,
    wholesale: int,
    production: int,
    transport: int,
    seed: int = 1,
    without_address: int = 0,
    quotations: int = 0,
    accept_duplicates: bool = False,
) -> Vendors:
    """
    Return the vendors with these numbers of orders; the same arguments give the same orders.

    - `without_address` and `quotations` are numbers of orders among those of the shop.
    - `accept_duplicates`: receivers create an order twice if it is sent twice, so that the records show it.

    Raises: `ValueError` if the shop has fewer orders than `without_address` plus `quotations`.
    """
    return Vendors(
        shop=PropellerStandIn(
            propeller_orders(shop, seed=seed, without_address=without_address, quotations=quotations)
        ),
        wholesale=TraedeStandIn(traede_orders(wholesale, seed=seed), production_orders(production, seed=seed)),
        transport=ZenderaStandIn(zendera_shipments(transport, seed=seed)),
        warehouse=EwarehousingStandIn(unique_reference=not accept_duplicates),
        erp=WebhookStandIn(repeats="taken" if accept_duplicates else "recognised"),
    )
