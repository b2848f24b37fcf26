-- The journal, version 1. Times are milliseconds since 1970, UTC. Ids of other systems are text.
--
-- A time is a record (the machine's clock as it stood then) or a deadline (in the time of the process that wrote it);
-- `engine/clock_steps.py` lists both.

CREATE TABLE identity (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row an order. The bulk of an order is in `payloads`, so that this table stays dense: it is written often.
CREATE TABLE orders (
    key             INTEGER PRIMARY KEY,
    source          TEXT    NOT NULL,
    order_id        TEXT    NOT NULL,
    external_id     TEXT    NOT NULL,
    revision        TEXT    NOT NULL,
    payload_version INTEGER NOT NULL DEFAULT 0,   -- counts the listings: a request mapped from an older one is not sent
    found_at        INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    ack_state       TEXT    NOT NULL DEFAULT 'none'
                    CHECK (ack_state IN ('none', 'pending', 'sending', 'in_doubt', 'confirmed', 'parked')),
    ack_outcome     TEXT    CHECK (ack_outcome IN ('exported', 'failed')),
    ack_message     TEXT,
    ack_at          INTEGER,                      -- fixed when it fell due, so that a repeat repeats the same bytes
    ack_moved       INTEGER NOT NULL DEFAULT 0,   -- by how much the machine's clock was set since, so that its age stays
    ack_next        INTEGER NOT NULL DEFAULT 0,
    ack_attempts    INTEGER NOT NULL DEFAULT 0,
    ack_reason      TEXT,
    ack_code        TEXT,                         -- the code of `ack_reason`, where a statement depends on it
    ack_done_at     INTEGER,
    failures        INTEGER NOT NULL DEFAULT 0,   -- failures sent to the source (Zendera counts to five)
    failed_revision TEXT,                         -- the last revision with a failure: each gets one, with one reason
    CHECK (ack_state = 'none' OR (ack_outcome IS NOT NULL AND ack_at IS NOT NULL AND ack_message IS NOT NULL)),
    UNIQUE (source, order_id)
) STRICT;

-- Open acknowledgements are found by their state, and the oldest of them by its age (`states.SINCE`): there may be a million.
CREATE INDEX acks_open ON orders (
    source, ack_state, ack_next, CASE WHEN ack_done_at IS NULL THEN ack_at ELSE updated_at END + ack_moved
) WHERE ack_state IN ('pending', 'sending', 'in_doubt');
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
    may_know      INTEGER NOT NULL DEFAULT 0,   -- who may have it from before this journal: `states.MayKnow`
    unfit         INTEGER NOT NULL DEFAULT 0,   -- 1: held because it cannot be mapped; see `tables/deliveries.py`
    attempts      INTEGER NOT NULL DEFAULT 0,
    next_try_at   INTEGER NOT NULL DEFAULT 0,   -- for in_doubt: when a look-up is reliable
    payload_hash  BLOB,
    receipt       TEXT,                         -- the receiver's own id
    reference     TEXT,                         -- the number by which people there know the order
    cause         TEXT,
    cause_code    TEXT,                         -- the code of `cause`, where a statement depends on it: `connector.causes`
    detail        TEXT,
    intent_at     INTEGER,
    delivered_at  INTEGER,
    progress      TEXT,                         -- the last status that was seen at the receiver
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
CREATE INDEX deliveries_unfit ON deliveries (receiver) WHERE unfit = 1;

-- The changes of an order after its delivery.
CREATE TABLE changes (
    key         INTEGER NOT NULL REFERENCES orders (key),
    receiver    TEXT    NOT NULL,
    what        TEXT    NOT NULL CHECK (what IN ('update', 'cancel', 'attach')),
    revision    TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('due', 'done', 'held')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    next_try_at INTEGER NOT NULL DEFAULT 0,
    reason      TEXT,
    reason_code TEXT,                         -- the code of `reason`, where a statement depends on it
    sending     INTEGER NOT NULL DEFAULT 0,   -- 1: claimed, without an outcome since
    doubt_until INTEGER NOT NULL DEFAULT 0,   -- until then a reading may be older than the change
    applied     INTEGER NOT NULL DEFAULT 0,   -- 1: answered with a success, and not shown yet
    unshown     INTEGER NOT NULL DEFAULT 0,   -- readings in a row that did not show it
    PRIMARY KEY (key, receiver, what)
) STRICT, WITHOUT ROWID;

CREATE INDEX changes_due ON changes (receiver, next_try_at) WHERE state = 'due';
CREATE INDEX changes_held ON changes (key) WHERE state = 'held';
CREATE INDEX changes_sending ON changes (receiver) WHERE sending = 1;
CREATE INDEX changes_doubt ON changes (receiver, doubt_until) WHERE doubt_until > 0;

-- The progress reports to sources; those of one order are sent in the order of their ids.
CREATE TABLE reports (
    id          INTEGER PRIMARY KEY,
    source      TEXT    NOT NULL,
    order_id    TEXT    NOT NULL,
    digest      BLOB    NOT NULL,               -- of the body as it is sent: the same report is sent once
    body        BLOB    NOT NULL,               -- cut down to an outline when the source has it
    state       TEXT    NOT NULL DEFAULT 'pending'
                CHECK (state IN ('pending', 'sending', 'in_doubt', 'confirmed', 'parked')),
    made_at     INTEGER NOT NULL,
    next_try_at INTEGER NOT NULL DEFAULT 0,     -- for in_doubt: when a reading is reliable
    attempts    INTEGER NOT NULL DEFAULT 0,
    reason      TEXT,
    done_at     INTEGER,
    dropped_at  INTEGER,                        -- when a person gave it up; it stays parked
    CHECK (state <> 'confirmed' OR done_at IS NOT NULL),
    UNIQUE (source, order_id, digest)
) STRICT;

CREATE INDEX reports_open ON reports (source, order_id, id) WHERE state IN ('pending', 'sending', 'in_doubt');
CREATE INDEX reports_parked ON reports (source, reason) WHERE state = 'parked' AND dropped_at IS NULL;

-- The extraordinary events in an order's life; the ordinary ones are in the columns above.
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
    error     TEXT NOT NULL DEFAULT '',
    shortfall TEXT NOT NULL DEFAULT ''   -- the orders that the last poll could not see, as JSON; empty: none
) STRICT, WITHOUT ROWID;

CREATE TABLE receivers (
    name    TEXT PRIMARY KEY,
    breaker TEXT NOT NULL DEFAULT 'closed',
    reason  TEXT NOT NULL DEFAULT '',
    since   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- The replays that other processes request of the running connector, and their results.
CREATE TABLE replays (
    id       INTEGER PRIMARY KEY,
    source   TEXT    NOT NULL,
    since    INTEGER NOT NULL,
    made_at  INTEGER NOT NULL,
    done_at  INTEGER,
    listed   INTEGER,                   -- orders that the replay listed, and how many of them were new
    fresh    INTEGER,
    error    TEXT,
    CHECK (done_at IS NULL OR (listed IS NOT NULL AND fresh IS NOT NULL AND error IS NOT NULL))
) STRICT;

CREATE INDEX replays_open ON replays (id) WHERE done_at IS NULL;

-- The orders that a receiver has rejected since it last accepted one, for the next start.
CREATE TABLE rejections (
    receiver TEXT    NOT NULL,
    key      INTEGER NOT NULL REFERENCES orders (key),
    revision TEXT    NOT NULL,
    times    INTEGER NOT NULL,
    number   INTEGER NOT NULL,          -- in the order of the rejections
    held     INTEGER NOT NULL,          -- 1: it waits for a person
    reason   TEXT    NOT NULL,
    PRIMARY KEY (receiver, key)
) STRICT, WITHOUT ROWID;

-- The orders that their source had confirmed as exported and lists all the same.
CREATE TABLE relisted (
    key     INTEGER PRIMARY KEY REFERENCES orders (key),
    source  TEXT    NOT NULL,
    times   INTEGER NOT NULL,              -- how often that was found since the last certain confirmation
    since   INTEGER NOT NULL,              -- when it was found first
    moved   INTEGER NOT NULL DEFAULT 0,    -- by how much the machine's clock was set since, so that its age stays
    last_at INTEGER NOT NULL,              -- when it was found last
    parked  INTEGER NOT NULL DEFAULT 0     -- 1: it is left to a person
) STRICT;

CREATE INDEX relisted_open ON relisted (source, since + moved) WHERE parked = 0;
CREATE INDEX relisted_of ON relisted (source);

-- One row for each route with, or formerly with, a look-up before the first create.
CREATE TABLE lookup_first (
    source   TEXT    NOT NULL,
    receiver TEXT    NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('first', 'lost', 'restored', 'always', 'replay')),
    until    INTEGER NOT NULL DEFAULT 0,        -- when a look-up is reliable
    PRIMARY KEY (source, receiver)
) STRICT, WITHOUT ROWID;

-- The account of a receiver that the deliveries went to: an order in doubt there cannot be looked up in another one.
CREATE TABLE accounts (
    receiver TEXT PRIMARY KEY,
    account  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The terms under which each source is acknowledged to.
CREATE TABLE terms (
    source TEXT PRIMARY KEY,
    terms  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The acknowledgements that fell due under other terms. A row counts for the acknowledgement as it was then: one that
-- falls due anew has another time, or was confirmed since.
CREATE TABLE ack_terms (
    key    INTEGER PRIMARY KEY REFERENCES orders (key),
    due_at INTEGER NOT NULL,
    before INTEGER,                 -- when the source had confirmed it before, if it is acknowledged again
    terms  TEXT    NOT NULL
) STRICT;

-- The machine's clock, which may be set while the connector runs; see `engine/clock_steps.py`.
CREATE TABLE clock (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    ahead      INTEGER NOT NULL,             -- milliseconds by which the machine's clock is ahead of the deadlines
    boot       TEXT    NOT NULL,             -- the id of the machine's start; empty where it has none
    base       INTEGER NOT NULL,             -- the time that the machine's clock would have shown at that start
    comparable INTEGER NOT NULL DEFAULT 0    -- records from before are not comparable with later lists
) STRICT;

-- For more than one process (design.md, section 10).
CREATE TABLE leases (
    name  TEXT PRIMARY KEY,
    owner TEXT    NOT NULL,
    fence INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The transitions of `states.py`. As one text, because SQLite would build a list of values anew for each row.
CREATE TRIGGER delivery_edges BEFORE UPDATE OF state ON deliveries
WHEN NEW.state <> OLD.state AND instr(
    ' new>ready new>intent new>delivered new>held new>rejected new>in_doubt new>cancelled new>vanished new>skipped'
    || ' ready>intent ready>delivered ready>held ready>rejected ready>in_doubt ready>cancelled ready>vanished'
    || ' ready>skipped ready>new'
    || ' intent>delivered intent>rejected intent>ready intent>in_doubt intent>held'
    || ' in_doubt>intent in_doubt>delivered in_doubt>rejected in_doubt>held'
    || ' rejected>new rejected>vanished rejected>skipped rejected>cancelled'
    || ' held>new held>in_doubt held>vanished held>skipped held>cancelled held>rejected'
    || ' cancelled>new vanished>new skipped>new ',
    ' ' || OLD.state || '>' || NEW.state || ' '
) = 0
BEGIN
    SELECT RAISE(ABORT, 'a delivery cannot go this way');
END;

CREATE TRIGGER ack_edges BEFORE UPDATE OF ack_state ON orders
WHEN NEW.ack_state <> OLD.ack_state AND (instr(
    ' none>pending'
    || ' pending>sending pending>confirmed pending>parked pending>none'
    || ' sending>confirmed sending>pending sending>in_doubt sending>parked'
    || ' in_doubt>confirmed in_doubt>pending in_doubt>parked'
    || ' confirmed>pending confirmed>parked'
    || ' parked>pending parked>confirmed ',
    ' ' || OLD.ack_state || '>' || NEW.ack_state || ' '
) = 0 OR (NEW.ack_state = 'none' AND OLD.ack_outcome = 'exported'))
BEGIN
    SELECT RAISE(ABORT, 'an acknowledgement cannot go this way');
END;

CREATE TRIGGER report_edges BEFORE UPDATE OF state ON reports
WHEN NEW.state <> OLD.state AND instr(
    ' pending>sending'
    || ' sending>confirmed sending>pending sending>in_doubt sending>parked'
    || ' in_doubt>confirmed in_doubt>pending in_doubt>parked'
    || ' parked>pending ',
    ' ' || OLD.state || '>' || NEW.state || ' '
) = 0
BEGIN
    SELECT RAISE(ABORT, 'a report cannot go this way');
END;

CREATE TRIGGER receipt_stays BEFORE UPDATE OF receipt ON deliveries
WHEN OLD.receipt IS NOT NULL AND NEW.receipt IS NOT OLD.receipt
BEGIN
    SELECT RAISE(ABORT, 'a receipt never changes');
END;

CREATE TRIGGER exported_is_final BEFORE UPDATE OF ack_outcome ON orders
WHEN OLD.ack_outcome = 'exported' AND NEW.ack_outcome IS NOT 'exported'
BEGIN
    SELECT RAISE(ABORT, 'nothing follows an export');
END;

-- Whoever resumes an unfit order decides about it anew.
CREATE TRIGGER unfit_ends AFTER UPDATE OF state ON deliveries
WHEN OLD.unfit = 1 AND OLD.state = 'held' AND NEW.state <> 'held'
BEGIN
    UPDATE deliveries SET unfit = 0 WHERE key = NEW.key AND receiver = NEW.receiver;
END;

-- The state of an order as users see it (design.md, section 8): the least advanced of its deliveries, then its
-- acknowledgement. By order, so that a statement about one order reads the deliveries of that one alone.
CREATE VIEW order_states AS
SELECT o.key, (
    SELECT CASE
        WHEN max(d.state = 'held') THEN 'held'
        WHEN o.ack_state = 'parked' THEN 'held'
        WHEN EXISTS (SELECT 1 FROM changes c WHERE c.key = o.key AND c.state = 'held') THEN 'held'
        WHEN EXISTS (SELECT 1 FROM changes c WHERE c.key = o.key AND c.what = 'cancel' AND c.state = 'done')
            THEN 'cancelled'
        WHEN max(d.state = 'rejected') THEN 'rejected'
        WHEN o.ack_state = 'confirmed' AND o.ack_outcome = 'exported' THEN 'acknowledged'
        WHEN max(d.state = 'in_doubt') THEN 'in_doubt'
        WHEN max(d.state IN ('intent', 'ready')) THEN 'delivering'
        WHEN max(d.state = 'new') THEN 'new'
        WHEN max(d.state = 'skipped') THEN 'skipped'
        WHEN max(d.state = 'cancelled') THEN 'cancelled'
        WHEN max(d.state = 'vanished') THEN 'vanished'
        ELSE 'delivered'
    END
    FROM deliveries d WHERE d.key = o.key
) AS state
FROM orders o;
