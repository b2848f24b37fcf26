-- What a journal may not know: where a look-up goes before the first create, and whose account a receiver is.

-- 1: the receiver may have it from before this journal knew, so that it is asked before the first create, too.
ALTER TABLE deliveries ADD COLUMN ask INTEGER NOT NULL DEFAULT 0;

-- One row for each way from a source to a receiver that is, or was, to be looked up first; `connector.journal.doubts`.
CREATE TABLE doubts (
    source   TEXT    NOT NULL,
    receiver TEXT    NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('first', 'lost', 'restored', 'always', 'replay')),
    until    INTEGER NOT NULL DEFAULT 0,        -- when a look-up can be believed
    PRIMARY KEY (source, receiver)
) STRICT, WITHOUT ROWID;

-- Which account of a receiver the deliveries went to: what is in doubt there cannot be looked up in another one.
CREATE TABLE accounts (
    receiver TEXT PRIMARY KEY,
    account  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
