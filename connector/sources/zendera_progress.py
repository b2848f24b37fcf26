"""The connector's own words for an order's progress as Zendera's reports."""

from __future__ import annotations

from connector.report import Progress
from connector.sources.zendera_report import (
    KINDS,
    Complete,
    CompleteInfo,
    Coordinates,
    EventInfo,
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
    if progress.status == "COMPLETE":
        proof = None
        if progress.signee or progress.comment:
            proof = ProofOfDelivery(comment=progress.comment, signee_name=progress.signee)
        complete = CompleteInfo(date=progress.at, coordinates=place, pod=proof)
        return Complete(location=progress.location, info=complete)
    info = EventInfo(date=progress.at, coordinates=place, comment=progress.comment)
    kind = KINDS[progress.status]
    return kind(location=progress.location, info=info)  # type: ignore[arg-type]
