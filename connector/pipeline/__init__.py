"""
The flow. Read this first: the folders are the stages of the picture.

::

    sources/                                       receivers/
    propeller ┐                                    ┌ ewarehousing, webhook, file
    traede    ┤ ingest/ ────OrderFound───▶ bus ───▶│ delivery/: map, look up, create ◀── due again ── journal
    zendera   ┘ one producer a source        ▲     └──┬──────────────────────────────
        ▲ ▲                                  └────────┤ OrderDelivered · OrderRejected · OrderHeld
        │ └───── acks/ ◀──── ack events ─── bus ◀─────┘
        │        batches per source, at most its limit per call
        └─────── reports/ ◀── status of delivered orders ── receivers/
                          │
                     journal (SQLite): every arrow is a row before it is an event

- `assembly` builds the stages (`stages`) from the settings, `pipeline` runs them, `drain` drains them (`run --once`).
- `routes` leads from sources to receivers, and maps orders to requests.
- The stages import no other stage. They communicate through the bus, the journal and the wake-ups of `worker`.
- They share `poison` (items that keep failing), `endpoint_status` (circuit breakers), `log_throttle` and `conformance`.

A stage ends when its input has ended: a stop ends the producers, their closed publishers end the consumers, and those
end the acknowledger, which sends what it holds. A stage that raises takes the others down with it: the journal has
everything that was in flight, and the next start continues from there.
"""
