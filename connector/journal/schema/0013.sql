-- Orders that their source had confirmed as exported and lists all the same; see `connector.journal.relisted`.
CREATE TABLE relisted (
    key     INTEGER PRIMARY KEY REFERENCES orders (key),
    source  TEXT    NOT NULL,
    times   INTEGER NOT NULL,              -- how often that was found, since it was last known to be told
    since   INTEGER NOT NULL,              -- when it was found first
    moved   INTEGER NOT NULL DEFAULT 0,    -- by how much the machine's clock was set since, so that its age stays
    last_at INTEGER NOT NULL,              -- when it was found last
    parked  INTEGER NOT NULL DEFAULT 0     -- 1: it is left to a person
) STRICT;

CREATE INDEX relisted_open ON relisted (source, since + moved) WHERE parked = 0;
CREATE INDEX relisted_of ON relisted (source);

-- What is parked may turn out to be known to the source: the feed ends to list it, or a person says so.
DROP TRIGGER ack_edges;
CREATE TRIGGER ack_edges BEFORE UPDATE OF ack_state ON orders
WHEN NEW.ack_state <> OLD.ack_state AND (OLD.ack_state || '>' || NEW.ack_state NOT IN (
    'none>pending',
    'pending>sending', 'pending>confirmed', 'pending>parked', 'pending>none',
    'sending>confirmed', 'sending>pending', 'sending>in_doubt', 'sending>parked',
    'in_doubt>confirmed', 'in_doubt>pending', 'in_doubt>parked',
    'confirmed>pending', 'confirmed>parked',
    'parked>pending', 'parked>confirmed'
) OR (NEW.ack_state = 'none' AND OLD.ack_outcome = 'exported'))
BEGIN
    SELECT RAISE(ABORT, 'an acknowledgement cannot go this way');
END;
