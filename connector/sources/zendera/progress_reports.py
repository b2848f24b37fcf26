"""The connector's own words for an order's progress as Zendera's reports."""

from __future__ import annotations

from connector.progress import Progress
from connector.sources.zendera.reports import (
    KINDS,
    Complete,
    CompleteInfo,
    Coordinates,
    EventInfo,
    Pricing,
    ProofOfDelivery,
    Report,
)

__all__ = ["to_report"]


def to_report(progress: Progress) -> Report:
    """
    Return the report that says the same; raises `ValueError` for coordinates that are none.

    `completeInfo` has no comment of its own in the seed, only its proof of delivery has: a comment on what was
    completed goes there.
    """
    place = None
    if progress.latitude is not None and progress.longitude is not None:
        place = Coordinates(progress.latitude, progress.longitude)
    pricing = None
    if progress.price is not None:
        pricing = Pricing(amount=progress.price, currency=progress.currency)
    if progress.status == "COMPLETE":
        proof = None
        proven = (progress.signee, progress.comment, progress.signed_at, progress.contactless, progress.pictures)
        if any(proven):
            proof = ProofOfDelivery(
                date=progress.signed_at,
                comment=progress.comment,
                pictures=progress.pictures,
                signee_name=progress.signee,
                is_contactless=progress.contactless,
            )
        complete = CompleteInfo(date=progress.at, coordinates=place, pod=proof)
        return Complete(location=progress.location, info=complete, pricing=pricing)
    info = EventInfo(date=progress.at, coordinates=place, comment=progress.comment, pictures=progress.pictures)
    kind = KINDS[progress.status]
    return kind(location=progress.location, info=info, pricing=pricing)  # type: ignore[arg-type]
