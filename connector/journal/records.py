"""The ways in which an attempt to deliver an order can end."""

from __future__ import annotations

from datetime import datetime

import msgspec

__all__ = ["Delivered", "Held", "InDoubt", "NotSent", "Outcome", "Rejected"]


class Delivered(msgspec.Struct, frozen=True):
    """
    The receiver has it. `adopted`: a look-up found it there.

    `attach`: it has documents that come after it. `remark` is something about the order that a person may want to see.
    """

    receipt: str
    reference: str
    adopted: bool = False
    attach: bool = False
    remark: str = ""


class NotSent(msgspec.Struct, frozen=True):
    """It provably was not applied; due again at `next_try_at`."""

    reason: str
    next_try_at: datetime


class InDoubt(msgspec.Struct, frozen=True):
    """It may have been applied; a look-up can be believed from `settled_at` on."""

    reason: str
    settled_at: datetime


class Rejected(msgspec.Struct, frozen=True):
    """
    The receiver refused it and does not have it. `tell`: the source has a word for that.

    `revision`, where it is named, is the one that was refused: the refusal does not hold for a newer one.
    """

    reason: str
    tell: bool = False
    revision: str = ""


class Held(msgspec.Struct, frozen=True):
    """
    It waits for a person under `cause`.

    `unfit`: it lacks something, which its source is told once another order of that source could be mapped.
    """

    cause: str
    detail: str = ""
    unfit: bool = False


Outcome = Delivered | NotSent | InDoubt | Rejected | Held
