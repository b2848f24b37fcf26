"""
Maps Zendera's parcels and rows of goods to the canonical order's parcels and lines, and its metadata to texts (seed
003).

A row that names a parent (`parentExternalId`) lies in it: the parent is the parcel, the row is the goods. A row without
parent and content is both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from connector.order import Line, Parcel
from connector.sources.parsing import flat, number_of, number_text, present
from connector.sources.zendera import wire
from connector.sources.zendera.wire import Shipment, text

__all__ = ["lines", "parcels"]


def parcels(shipments: Sequence[Shipment]) -> tuple[Parcel, ...]:
    """Return the pieces to carry; a row inside another one is only a line."""
    return tuple(_parcel(row) for row, inside, _ in _rows(shipments) if not inside)


def lines(shipments: Sequence[Shipment]) -> tuple[Line, ...]:
    """
    Return one line for each row of goods: none at all if no row has an article code, else all.

    A row without a code has an empty one, as leaving it out would deliver the order without it. The article code is the
    barcode, else the external id [INF]; the line's metadata has both.
    """
    found = tuple(_line(row, inside) for row, inside, holds in _rows(shipments) if not holds)
    return found if any(line.sku for line in found) else ()


def _rows(shipments: Sequence[Shipment]) -> Iterator[tuple[wire.Parcel, bool, bool]]:
    """Yield each row, whether it lies in another one of its shipment, and whether others lie in it."""
    for shipment in shipments:
        rows = shipment.parcels or []
        known = {text(row.external_id) for row in rows} - {""}
        parents = {_parent(row) for row in rows} & known
        for row in rows:
            yield row, _parent(row) in parents, text(row.external_id) in parents


def _parent(row: wire.Parcel) -> str:
    parent = text(row.parent_external_id)
    return parent if parent != text(row.external_id) else ""


def _parcel(row: wire.Parcel) -> Parcel:
    return Parcel(
        parcel_id=text(row.id) or text(row.external_id),
        description=text(row.description) or text(row.name),
        quantity=_quantity(row),
        weight=_measure(row.weight, "weight"),
        length=_measure(row.length, "length"),
        width=_measure(row.width, "width"),
        height=_measure(row.height, "height"),
        barcode=text(row.barcode_id),
        notes=_notes(row),
        metadata=_metadata(row) | present({"atom_type": text(row.atom_type), "external_id": text(row.external_id)}),
    )


def _line(row: wire.Parcel, inside: bool) -> Line:
    """Return a row's line. A row inside a parcel is no parcel itself, so the line has its measures and notes."""
    codes = {
        "barcode_id": text(row.barcode_id),
        "external_id": text(row.external_id),
        "parent_external_id": text(row.parent_external_id),
        "atom_type": text(row.atom_type),
    }
    if inside:
        for name in ("weight", "length", "width", "height"):
            codes[name] = number_text(_measure(getattr(row, name), name))
    return Line(
        line_id=text(row.id),
        sku=text(row.barcode_id) or text(row.external_id),
        name=text(row.name) or text(row.description),
        quantity=_quantity(row),
        notes=_notes(row) if inside else "",
        metadata=_metadata(row) | present(codes),
    )


def _metadata(row: wire.Parcel) -> dict[str, str]:
    """Return the metadata of the originating order rows as text; that of grouped trade items under `contributor_`."""
    found = flat(row.contributor_metadata, "contributor") | flat(row.metadata)
    return found | {"reference": reference} if (reference := text(row.reference)) else found


def _notes(row: wire.Parcel) -> str:
    return "\n".join(dict.fromkeys(filter(None, (text(row.notes), text(row.comment)))))


def _quantity(row: wire.Parcel) -> Decimal:
    quantity = number_of(row.quantity, "quantity", ours=True)
    return Decimal(1) if quantity is None else quantity


def _measure(value: wire.Number, field: str) -> Decimal | None:
    """Return a measure; None for 0, which protobuf writes for an unknown value, as no parcel weighs nothing."""
    return number_of(value, field, ours=True) or None
