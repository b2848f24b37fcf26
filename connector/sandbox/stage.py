"""The whole stage: every stand-in vendor of the settings that the project comes with, each with made-up orders."""

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

__all__ = ["Stage", "Vendor", "stage"]

HARMLESS = frozenset({"/oauth2/token", "/v2/orders/search", "/wms/auth/login/", "/wms/auth/refresh/"})
"""What is posted there changes no order."""


class Vendor(NamedTuple):
    """One of the stand-ins: where it is, and how settings.yaml leads there."""

    name: str
    standin: StandIn
    port: int
    """Its port in `connector sandbox`."""
    variable: str
    """The environment variable that holds its address."""
    path: str
    """What follows host and port in that address."""
    opens: str
    """The credentials that it takes, for people."""

    @property
    def option(self) -> str:
        """The option of `connector sandbox` for another port."""
        return f"--port-{self.name.lower()}"


@dataclass(frozen=True)
class Stage:
    """The stand-ins by what they are to the connector; `transport` and `wholesale` are sources, as in settings.yaml."""

    shop: PropellerStandIn
    wholesale: TraedeStandIn
    transport: ZenderaStandIn
    warehouse: EwarehousingStandIn
    erp: WebhookStandIn

    @property
    def vendors(self) -> tuple[Vendor, ...]:
        """All of them, sources first."""
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
        """How many requests have reached the vendors."""
        return sum(len(vendor.standin.history) for vendor in self.vendors)

    @property
    def writes(self) -> int:
        """How many of these were to change an order."""
        return sum(
            call.method != "GET" and call.path not in HARMLESS
            for vendor in self.vendors
            for call in vendor.standin.history
        )

    def left(self) -> dict[str, int]:
        """Return how many orders wait to be exported, by the name of the source in settings.yaml."""
        exported = {"orders": 0, "production-orders": 0}
        for word, _ in {(word, order_id) for word, _, order_id in self.wholesale.exported}:
            exported[word] += 1
        return {
            "shop": sum(not order["exportStatus"] for order in self.shop.orders.values()),
            "wholesale": len(self.wholesale.orders) - exported["orders"],
            "production": len(self.wholesale.production_orders) - exported["production-orders"],
            "transport": len({shipment["orderId"] for shipment in self.transport.feed()}),
        }


def stage(
    shop: int,
    *,
    wholesale: int,
    production: int,
    transport: int,
    seed: int = 1,
    without_address: int = 0,
    quotations: int = 0,
    gullible: bool = False,
) -> Stage:
    """
    Return the vendors with so many orders each; the same numbers and `seed` give the same orders.

    `without_address` and `quotations` count among the shop's. `gullible` receivers take an order twice: were one sent
    twice, it would show. Raises `ValueError` if the shop has fewer orders than these two.
    """
    return Stage(
        shop=PropellerStandIn(
            propeller_orders(shop, seed=seed, without_address=without_address, quotations=quotations)
        ),
        wholesale=TraedeStandIn(traede_orders(wholesale, seed=seed), production_orders(production, seed=seed)),
        transport=ZenderaStandIn(zendera_shipments(transport, seed=seed)),
        warehouse=EwarehousingStandIn(unique_reference=not gullible),
        erp=WebhookStandIn(repeats="taken" if gullible else "recognised"),
    )
