"""The moments at which the process is killed: one for every place where the journal and the other side can differ."""

from __future__ import annotations

from typing import NamedTuple

from tests.processes.gate import Call, Moment

__all__ = ["WINDOWS", "Window"]


class Window(NamedTuple):
    """
    One moment. `points` are where the process ends itself (see child.py), one of them each time; without them it is
    the vendor who sees the moment, in a `call`, and the process is killed from outside. `deep` is how often the
    moment may be passed by before it counts; `doubt` says that it takes a create whose answer was lost.
    """

    name: str
    what: str
    points: tuple[str, ...] = ()
    call: Call = "other"
    moment: Moment = "asked"
    deep: int = 3
    doubt: bool = False


WINDOWS = (
    Window("start", "nothing was asked yet", ("request:before",)),
    Window("feed", "the feed is read, and not taken in yet", ("ingest:before",)),
    Window("ingest", "in the transaction that takes a page in", ("ingest:in",)),
    Window("ingested", "a page is taken in, and nobody knows of it yet", ("ingest:after",)),
    Window("mapped", "orders are mapped, and nothing says that they will be sent", ("map:in", "intent:before")),
    Window(
        "intent", "in or after the commit of the intents, before a byte is sent", ("intent:in", "intent:after"), deep=2
    ),
    Window("half sent", "half of a create is sent", ("body:half",), deep=6),
    Window("applied", "the receiver has it, and has not answered", call="create", moment="applied", deep=6),
    Window("half answered", "half of the receiver's answer is out", call="create", moment="half answered", deep=6),
    Window("look-up", "the receiver is asked what it has", call="look-up", deep=2, doubt=True),
    Window("found", "a look-up has found an order, and it is not on record", ("adopted:before",), deep=1, doubt=True),
    Window(
        "delivered",
        "before, or in, the transaction of deliveries and their acknowledgements",
        ("delivered:before", "delivered:in"),
        deep=2,
    ),
    Window(
        "claimed",
        "an acknowledgement is about to be sent, marked so or not yet",
        ("claim:before", "claim:after"),
        deep=2,
    ),
    Window(
        "told", "the source has applied an acknowledgement, and has not answered", call="tell", moment="applied", deep=6
    ),
    Window("answered", "the source has answered, and it is not on record", ("told:before", "told:in"), deep=2),
    Window("recovery", "while what the last kill left is put in order", ("recovery:in", "recovery:after"), deep=1),
)
