-- The machine's clock may be set while the connector runs; `connector.journal.steps`.

-- The deadlines of the journal are in the time of the process that wrote them, which takes no part in such a step.
CREATE TABLE clock (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    ahead INTEGER NOT NULL,     -- milliseconds by which the machine's clock is ahead of the deadlines
    boot  TEXT    NOT NULL,     -- which start of the machine it was; empty where nobody knows
    base  INTEGER NOT NULL      -- what the machine's clock would have shown when the machine was started
) STRICT;

-- By how much the machine's clock was set since the acknowledgement fell due, so that its age stays what it is.
ALTER TABLE orders ADD COLUMN ack_moved INTEGER NOT NULL DEFAULT 0;
