-- The orders that a receiver refused since it last accepted one: `connector.receivers.refusals`, for the next start.
CREATE TABLE refusals (
    receiver TEXT    NOT NULL,
    key      INTEGER NOT NULL REFERENCES orders (key),
    revision TEXT    NOT NULL,
    times    INTEGER NOT NULL,
    number   INTEGER NOT NULL,          -- in the order of the refusals
    held     INTEGER NOT NULL,          -- 1: it waits for a person
    reason   TEXT    NOT NULL,
    PRIMARY KEY (receiver, key)
) STRICT, WITHOUT ROWID;
