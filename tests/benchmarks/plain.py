"""The bare loop's request for an order: the fields that the connector's default mapping fills, without its checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["ID_KEYS", "MAPS"]

Order = dict[str, Any]

ID_KEYS = {"patch": "id", "tens": "order_id", "fifties": "orderId"}


def _propeller(order: Order) -> Order:
    external_id = f"feed-{order['id']}"
    to = order["addresses"][1]
    return {
        "external_reference": external_id,
        "external_id": external_id,
        "order_lines": [
            {
                "article_code": item["sku"],
                "quantity": item["quantity"],
                "description": item["name"],
                "price": round(item["price"] * 100),
                "meta_data": {"product_id": str(item["productId"])},
            }
            for item in order["items"]
        ],
        "shipping_address": {
            "addressed_to": to["company"],
            "street": to["street"],
            "street_number": to["number"],
            "zipcode": to["postalCode"],
            "city": to["city"],
            "country": to["country"],
        },
        "shipping_contactperson": f"{to['firstName']} {to['lastName']}",
        "shipping_email": order["email"],
        "requested_delivery_date": order["date"][:10],
        "meta_data": {
            "payment_method": order["paymentData"]["method"],
            "status": order["status"],
            "type": order["type"],
            "uuid": order["uuid"],
            "source": "feed",
            "source_order_id": str(order["id"]),
        },
        "language": order["language"].lower(),
        "order_amount": round(order["total"]["gross"] * 100),
        "currency": order["currency"],
    }


def _traede(order: Order) -> Order:
    external_id = f"feed-{order['order_id']}"
    to = order["delivery_address"]
    return {
        "external_reference": external_id,
        "external_id": external_id,
        "order_lines": [
            {
                "article_code": line["sku"],
                "quantity": line["quantity"],
                "description": f"{line['product_name']}, {line['variant_name']}",
                "price": round(line["price"] * 100),
                "meta_data": {
                    "ean": line["ean"],
                    "product_id": str(line["product_id"]),
                    "variant_id": str(line["variant_id"]),
                },
            }
            for line in order["lines"]
        ],
        "shipping_address": {
            "addressed_to": to["name"],
            "street": to["address"],
            "zipcode": to["zip"],
            "city": to["city"],
            "country": to["country"],
            "phone_number": to["phone"],
        },
        "shipping_contactperson": to["name"],
        "shipping_email": to["email"],
        "requested_delivery_date": order["created_at"][:10],
        "meta_data": {
            "customer_reference": order["reference"],
            "order_meta_season": order["order_meta"]["season"],
            "order_type": order["order_type"],
            "status": order["status"],
            "reference": order["order_number"],
            "source": "feed",
            "source_order_id": str(order["order_id"]),
        },
        "currency": order["currency"],
    }


def _zendera(order: Order) -> Order:
    external_id = f"feed-{order['orderId']}"
    to, sender = order["delivery"], order["sender"]
    contact = to["contacts"][0]
    name = f"{contact['firstName']} {contact['lastName']}"
    return {
        "external_reference": external_id,
        "external_id": external_id,
        "order_lines": [
            {
                "article_code": parcel["barcodeId"],
                "quantity": parcel["quantity"],
                "description": parcel["name"],
                "meta_data": {
                    "atom_type": parcel["atomType"],
                    "barcode_id": parcel["barcodeId"],
                    "external_id": parcel["externalId"],
                    "order_row": parcel["metadata"]["orderRow"],
                },
            }
            for parcel in order["parcels"]
        ],
        "shipping_address": {
            "addressed_to": to.get("name", name),
            "street": to["address"]["address1"],
            "zipcode": to["address"]["postalCode"],
            "city": to["address"]["city"],
            "country": "NO",
            "phone_number": contact["phoneNumber"],
        },
        "shipping_contactperson": name,
        "shipping_email": contact["emailAddress"],
        "requested_delivery_date": to["earliest"][:10],
        "meta_data": {
            "carrier_service_code": order["carrierService"]["code"],
            "carrier_service_name": order["carrierService"]["name"],
            "delivery_earliest": to["earliest"],
            "delivery_latest": to["latest"],
            "pickup_earliest": sender["earliest"],
            "pickup_latest": sender["latest"],
            "references": f"{order['reference']}, {order['orderExternalId']}",
            "sender_city": sender["address"]["city"],
            "sender_contact": f"{sender['contacts'][0]['firstName']} {sender['contacts'][0]['lastName']}",
            "sender_name": sender["name"],
            "sender_phone": sender["contacts"][0]["phoneNumber"],
            "sender_postal_code": sender["address"]["postalCode"],
            "sender_street": sender["address"]["address1"],
            "shipment_ids": str(order["id"]),
            "reference": order["reference"],
            "source": "feed",
            "source_order_id": str(order["orderId"]),
        },
    }


MAPS: dict[str, Callable[[Order], Order]] = {"patch": _propeller, "tens": _traede, "fifties": _zendera}
"""By shape: an order of the feed, decoded, to the body of a create."""
