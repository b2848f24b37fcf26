-- Orders that cannot be mapped, and of which the source is told so once another one could be; `connector.journal.unfit`.
ALTER TABLE deliveries ADD COLUMN unfit INTEGER NOT NULL DEFAULT 0;

CREATE INDEX deliveries_unfit ON deliveries (receiver) WHERE unfit = 1;

-- Whatever takes such an order up again decides about it anew.
CREATE TRIGGER unfit_ends AFTER UPDATE OF state ON deliveries
WHEN OLD.unfit = 1 AND OLD.state = 'held' AND NEW.state <> 'held'
BEGIN
    UPDATE deliveries SET unfit = 0 WHERE key = NEW.key AND receiver = NEW.receiver;
END;

DROP TRIGGER delivery_edges;
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
