-- Under which terms the sources are told, and which acknowledgements fell due under others; `connector.journal.terms`.
CREATE TABLE terms (
    source TEXT PRIMARY KEY,
    terms  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Holds for the acknowledgement as it was then: one that falls due anew has another time, or was confirmed since.
CREATE TABLE ack_terms (
    key    INTEGER PRIMARY KEY REFERENCES orders (key),
    due_at INTEGER NOT NULL,
    before INTEGER,                 -- when the source had confirmed it before, if it is told again
    terms  TEXT    NOT NULL
) STRICT;
