-- What another process asks the running connector to do, and the answer to it.
CREATE TABLE requests (
    id       INTEGER PRIMARY KEY,
    what     TEXT    NOT NULL,          -- replay
    source   TEXT    NOT NULL,
    since    INTEGER NOT NULL,
    made_at  INTEGER NOT NULL,
    done_at  INTEGER,
    listed   INTEGER,                   -- orders that the walk listed, and how many of them were new
    fresh    INTEGER,
    error    TEXT,
    CHECK (done_at IS NULL OR (listed IS NOT NULL AND fresh IS NOT NULL AND error IS NOT NULL))
) STRICT;

CREATE INDEX requests_open ON requests (id) WHERE done_at IS NULL;
