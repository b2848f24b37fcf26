"""The examples of seed 004, byte for byte: requests, and the vendor's responses."""

from __future__ import annotations

__all__ = ["CREATE", "CREATED", "DOCUMENT", "DOCUMENT_LIST", "LIST", "NEW_DOCUMENT", "RETRIEVE", "UPDATE", "UPDATED"]

LIST = b"""[
  {
    "id": "f9c392ac-6335-4828-85e2-fae7f82ff636",
    "created_at": "2021-11-12T14:05:43+00:00",
    "requested_delivery_date": "2018-11-19T00:00:00+00:00",
    "customer": "be62c27e-2aac-4ac1-902e-f770d64f8dce",
    "external_reference": "WEB-10001",
    "external_id": "order-10001",
    "po_number": "841612",
    "reference": "ORD00000000001",
    "status": "created",
    "shipping_method": "9eb93dd6-6929-4b91-8419-8a619a72905b",
    "currency": "EUR"
  }
]"""

RETRIEVE = b"""{
  "id": "c9165f93-8301-4aaa-9f64-27f191c0c778",
  "created_at": "2022-02-11T09:32:12+00:00",
  "requested_delivery_date": "2022-02-14T00:00:00+00:00",
  "customer": "be62c27e-2aac-4ac1-902e-f770d64f8dce",
  "external_reference": "WEB-10001",
  "external_id": "order-10001",
  "po_number": "841612",
  "reference": "ORD00000003029",
  "status": "created",
  "shipping_method": "9eb93dd6-6929-4b91-8419-8a619a72905b",
  "language": "en",
  "note": "Leave the parcel at the front desk.",
  "customer_note": "Gift order",
  "order_amount": 4599,
  "assured_amount": 4599,
  "inco_terms": "DAP",
  "currency": "EUR",
  "shipping_address": {
    "addressed_to": "eWarehousing Solutions",
    "contact_person": "Warehouse Team",
    "street": "Nijverheidsweg",
    "street_number": "27",
    "zipcode": "3331MB",
    "city": "Zwijndrecht",
    "country": "NL",
    "email_address": "outbound@example.com"
  },
  "order_lines": [
    {
      "variant": {
        "id": "87557e7a-4f4d-44eb-bbf1-c9d83df90099",
        "article_code": "default_variant_b_id",
        "name": "default_variant_b_id"
      },
      "quantity": 7,
      "description": "Blue T-shirt size M",
      "serial_numbers": [
        "SN-0001",
        "SN-0002"
      ],
      "meta_data": {
        "gift_wrap": "true"
      }
    }
  ],
  "documents": [
    {
      "id": "8067cdfb-cb22-4490-902d-a9863f38f76f",
      "title": "packing-slip.pdf",
      "mime_type": "application/pdf",
      "quantity": 1,
      "is_shipping_label": false,
      "order_price": 0
    }
  ],
  "meta_data": {
    "sales_channel": "webshop",
    "priority": "normal"
  }
}"""

CREATE = b"""{
  "external_reference": "WEB-10001",
  "external_id": "order-10001",
  "po_number": "PO-841612",
  "shipping_contactperson": "Warehouse Team",
  "shipping_email": "outbound@example.com",
  "requested_delivery_date": "2026-04-18",
  "note": "Leave the parcel at the front desk.",
  "customer_note": "Gift order",
  "language": "en",
  "currency": "EUR",
  "order_amount": 4599,
  "assured_amount": 4599,
  "meta_data": {
    "sales_channel": "webshop",
    "priority": "normal"
  },
  "shipping_address": {
    "addressed_to": "eWarehousing Solutions",
    "street": "Nijverheidsweg",
    "street_number": "27",
    "zipcode": "3331MB",
    "city": "Zwijndrecht",
    "country": "NL"
  },
  "order_lines": [
    {
      "article_code": "default_variant_b_id",
      "quantity": 2,
      "description": "Blue T-shirt size M",
      "price": 2299,
      "meta_data": {
        "gift_wrap": "true"
      }
    }
  ]
}"""

CREATED = b"""{
  "id": "8faf6cd6-28e7-4e44-a258-4e927d8e680c",
  "created_at": "2026-04-17T14:36:42+00:00",
  "requested_delivery_date": "2026-04-18T00:00:00+00:00",
  "customer": "be62c27e-2aac-4ac1-902e-f770d64f8dce",
  "external_reference": "WEB-10001",
  "external_id": "order-10001",
  "po_number": "PO-841612",
  "reference": "ORD00000005939",
  "status": "created",
  "shipping_method": "9eb93dd6-6929-4b91-8419-8a619a72905b",
  "language": "en",
  "note": "Leave the parcel at the front desk.",
  "customer_note": "Gift order",
  "order_amount": 4599,
  "assured_amount": 4599,
  "currency": "EUR"
}"""

UPDATE = b"""{
  "note": "Leave the parcel at the neighbors if needed.",
  "shipping_email": "outbound@example.com",
  "meta_data": {
    "priority": "high"
  },
  "order_lines": [
    {
      "article_code": "default_variant_b_id",
      "description": "Blue T-shirt size M",
      "quantity": 3,
      "price": 2299
    }
  ]
}"""

UPDATED = b"""{
  "id": "4fdb3055-4b1d-4352-96d5-2a89f9f50680",
  "external_reference": "WEB-10001",
  "external_id": "order-10001",
  "po_number": "PO-841612",
  "status": "created",
  "note": "Leave the parcel at the neighbors if needed.",
  "shipping_method": "9eb93dd6-6929-4b91-8419-8a619a72905b"
}"""

DOCUMENT_LIST = b"""[
  {
    "id": "8067cdfb-cb22-4490-902d-a9863f38f76f",
    "title": "customs_file_en.pdf",
    "mime_type": "application/pdf",
    "quantity": 1
  }
]"""

DOCUMENT = b"""{
  "id": "8067cdfb-cb22-4490-902d-a9863f38f76f",
  "title": "customs_file.pdf",
  "mime_type": "application/pdf",
  "quantity": 1
}"""

NEW_DOCUMENT = b"""{
  "file": "base64 encoded string",
  "title": "my_label",
  "quantity": 1,
  "order_price": 115,
  "shipping_label": false
}"""
