-- The journal, version 1. Times are milliseconds since 1970, UTC. Ids of other systems are text.

CREATE TABLE identity (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row an order. What it weighs lives in `payloads`, so that this table stays dense: it is written often.
CREATE TABLE orders (
    key          INTEGER PRIMARY KEY,
    source       TEXT    NOT NULL,
    order_id     TEXT    NOT NULL,
    external_id  TEXT    NOT NULL,
    revision     TEXT    NOT NULL,
    found_at     INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    ack_state    TEXT    NOT NULL DEFAULT 'none'
                 CHECK (ack_state IN ('none', 'pending', 'sending', 'in_doubt', 'confirmed', 'parked')),
    ack_outcome  TEXT    CHECK (ack_outcome IN ('exported', 'failed')),
    ack_message  TEXT,
    ack_at       INTEGER,            -- fixed when the acknowledgement fell due, so that a repeat repeats the same bytes
    ack_next     INTEGER NOT NULL DEFAULT 0,
    ack_attempts INTEGER NOT NULL DEFAULT 0,
    ack_reason   TEXT,
    failures     INTEGER NOT NULL DEFAULT 0,   -- times the source was told that it failed (Zendera counts to five)
    ack_done_at  INTEGER,
    CHECK (ack_state = 'none' OR (ack_outcome IS NOT NULL AND ack_at IS NOT NULL AND ack_message IS NOT NULL)),
    UNIQUE (source, order_id)
) STRICT;

CREATE INDEX acks_open ON orders (source, ack_next) WHERE ack_state IN ('pending', 'sending', 'in_doubt');
CREATE INDEX acks_parked ON orders (source) WHERE ack_state = 'parked';

-- The order as the source sent it; removed when the source has confirmed (it holds people's addresses).
CREATE TABLE payloads (
    key INTEGER PRIMARY KEY REFERENCES orders (key),
    raw BLOB NOT NULL
) STRICT;

CREATE TABLE deliveries (
    key           INTEGER NOT NULL REFERENCES orders (key),
    receiver      TEXT    NOT NULL,
    state         TEXT    NOT NULL
                  CHECK (state IN ('new', 'ready', 'intent', 'in_doubt', 'delivered', 'rejected', 'held', 'cancelled',
                                   'vanished', 'skipped')),
    required      INTEGER NOT NULL DEFAULT 1,
    attempts      INTEGER NOT NULL DEFAULT 0,
    next_try_at   INTEGER NOT NULL DEFAULT 0,   -- for in_doubt: when a look-up can be believed
    payload_hash  BLOB,
    receipt       TEXT,                         -- the receiver's own id
    reference     TEXT,                         -- the number people there know it by
    cause         TEXT,
    detail        TEXT,
    intent_at     INTEGER,
    delivered_at  INTEGER,
    progress      TEXT,                         -- the last status that was seen of it at the receiver
    lease_owner   TEXT,                         -- for more than one process (design.md, section 10)
    lease_until   INTEGER,
    fence         INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (key, receiver),
    CHECK (state <> 'delivered' OR receipt IS NOT NULL),
    CHECK (state NOT IN ('held', 'rejected', 'skipped') OR cause IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_open ON deliveries (receiver, state, next_try_at)
    WHERE state IN ('new', 'ready', 'intent', 'in_doubt');
CREATE INDEX deliveries_held ON deliveries (cause, key) WHERE state IN ('held', 'rejected');

-- What is done to an order after it was delivered.
CREATE TABLE changes (
    key         INTEGER NOT NULL REFERENCES orders (key),
    receiver    TEXT    NOT NULL,
    what        TEXT    NOT NULL CHECK (what IN ('update', 'cancel', 'attach')),
    revision    TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('due', 'done', 'held')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    next_try_at INTEGER NOT NULL DEFAULT 0,
    reason      TEXT,
    PRIMARY KEY (key, receiver, what)
) STRICT, WITHOUT ROWID;

CREATE INDEX changes_due ON changes (receiver, next_try_at) WHERE state = 'due';
CREATE INDEX changes_held ON changes (key) WHERE state = 'held';

-- What a source is told about an order after it was delivered; of each order in the order of the ids.
CREATE TABLE reports (
    id          INTEGER PRIMARY KEY,
    source      TEXT    NOT NULL,
    order_id    TEXT    NOT NULL,
    digest      BLOB    NOT NULL,               -- of the body as it is sent: the same report is told once
    body        BLOB    NOT NULL,               -- cut down to an outline when the source has it
    state       TEXT    NOT NULL DEFAULT 'pending'
                CHECK (state IN ('pending', 'sending', 'in_doubt', 'confirmed', 'parked')),
    made_at     INTEGER NOT NULL,
    next_try_at INTEGER NOT NULL DEFAULT 0,     -- for in_doubt: when a reading can be believed
    attempts    INTEGER NOT NULL DEFAULT 0,
    reason      TEXT,
    done_at     INTEGER,
    CHECK (state <> 'confirmed' OR done_at IS NOT NULL),
    UNIQUE (source, order_id, digest)
) STRICT;

CREATE INDEX reports_open ON reports (source, order_id, id) WHERE state IN ('pending', 'sending', 'in_doubt');

-- What was out of the ordinary in an order's life; the ordinary is in the columns above.
CREATE TABLE history (
    id     INTEGER PRIMARY KEY,
    key    INTEGER NOT NULL REFERENCES orders (key),
    at     INTEGER NOT NULL,
    what   TEXT    NOT NULL,
    detail TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX history_of ON history (key);

CREATE TABLE sources (
    name      TEXT PRIMARY KEY,
    last_poll INTEGER,
    error     TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE TABLE receivers (
    name    TEXT PRIMARY KEY,
    breaker TEXT NOT NULL DEFAULT 'closed',
    reason  TEXT NOT NULL DEFAULT '',
    since   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    name  TEXT PRIMARY KEY,
    owner TEXT    NOT NULL,
    fence INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER delivery_edges BEFORE UPDATE OF state ON deliveries
WHEN NEW.state <> OLD.state AND OLD.state || '>' || NEW.state NOT IN (
    'new>ready', 'new>intent', 'new>delivered', 'new>held', 'new>rejected', 'new>in_doubt', 'new>cancelled', 'new>vanished',
    'new>skipped',
    'ready>intent', 'ready>delivered', 'ready>held', 'ready>rejected', 'ready>in_doubt', 'ready>cancelled', 'ready>vanished',
    'ready>skipped', 'ready>new',
    'intent>delivered', 'intent>rejected', 'intent>ready', 'intent>in_doubt', 'intent>held',
    'in_doubt>intent', 'in_doubt>delivered', 'in_doubt>rejected', 'in_doubt>held',
    'rejected>new', 'rejected>vanished', 'rejected>skipped', 'rejected>cancelled',
    'held>new', 'held>in_doubt', 'held>vanished', 'held>skipped', 'held>cancelled',
    'cancelled>new', 'vanished>new', 'skipped>new'
)
BEGIN
    SELECT RAISE(ABORT, 'a delivery cannot go this way');
END;

CREATE TRIGGER receipt_stays BEFORE UPDATE OF receipt ON deliveries
WHEN OLD.receipt IS NOT NULL AND NEW.receipt IS NOT OLD.receipt
BEGIN
    SELECT RAISE(ABORT, 'a receipt never changes');
END;

CREATE TRIGGER ack_edges BEFORE UPDATE OF ack_state ON orders
WHEN NEW.ack_state <> OLD.ack_state AND OLD.ack_state || '>' || NEW.ack_state NOT IN (
    'none>pending',
    'pending>sending', 'pending>confirmed', 'pending>parked',
    'sending>confirmed', 'sending>pending', 'sending>in_doubt', 'sending>parked',
    'in_doubt>confirmed', 'in_doubt>pending', 'in_doubt>parked',
    'confirmed>pending',
    'parked>pending'
)
BEGIN
    SELECT RAISE(ABORT, 'an acknowledgement cannot go this way');
END;

CREATE TRIGGER report_edges BEFORE UPDATE OF state ON reports
WHEN NEW.state <> OLD.state AND OLD.state || '>' || NEW.state NOT IN (
    'pending>sending',
    'sending>confirmed', 'sending>pending', 'sending>in_doubt', 'sending>parked',
    'in_doubt>confirmed', 'in_doubt>pending', 'in_doubt>parked',
    'parked>pending'
)
BEGIN
    SELECT RAISE(ABORT, 'a report cannot go this way');
END;

CREATE TRIGGER exported_is_final BEFORE UPDATE OF ack_outcome ON orders
WHEN OLD.ack_outcome = 'exported' AND NEW.ack_outcome IS NOT 'exported'
BEGIN
    SELECT RAISE(ABORT, 'nothing follows an export');
END;

-- An order's state as users see it (design.md, section 8): the least advanced of what the source waits for.
CREATE VIEW order_states AS
SELECT o.key,
       CASE
           WHEN d.held THEN 'held'
           WHEN o.ack_state = 'parked' THEN 'held'
           WHEN EXISTS (SELECT 1 FROM changes c WHERE c.key = o.key AND c.state = 'held') THEN 'held'
           WHEN EXISTS (SELECT 1 FROM changes c WHERE c.key = o.key AND c.what = 'cancel' AND c.state = 'done')
               THEN 'cancelled'
           WHEN d.rejected THEN 'rejected'
           WHEN o.ack_state = 'confirmed' AND o.ack_outcome = 'exported' THEN 'acknowledged'
           WHEN d.in_doubt THEN 'in_doubt'
           WHEN d.delivering THEN 'delivering'
           WHEN d.fresh THEN 'new'
           WHEN d.skipped THEN 'skipped'
           WHEN d.cancelled THEN 'cancelled'
           WHEN d.vanished THEN 'vanished'
           ELSE 'delivered'
       END AS state
FROM orders o
JOIN (
    SELECT key,
           max(state = 'held') AS held,
           max(state = 'rejected') AS rejected,
           max(state = 'in_doubt') AS in_doubt,
           max(state IN ('intent', 'ready')) AS delivering,
           max(state = 'new') AS fresh,
           max(state = 'skipped') AS skipped,
           max(state = 'cancelled') AS cancelled,
           max(state = 'vanished') AS vanished
    FROM deliveries
    GROUP BY key
) d ON d.key = o.key;
