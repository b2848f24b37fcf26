-- Of which revision the source is told, or was, that the order failed: of each once, with the same reason.
ALTER TABLE orders ADD COLUMN failed_revision TEXT;

-- A failure that its source has not heard of is not told any more when the order is tried again; `journal/failures.py`.

DROP TRIGGER ack_edges;
CREATE TRIGGER ack_edges BEFORE UPDATE OF ack_state ON orders
WHEN NEW.ack_state <> OLD.ack_state AND (OLD.ack_state || '>' || NEW.ack_state NOT IN (
    'none>pending',
    'pending>sending', 'pending>confirmed', 'pending>parked', 'pending>none',
    'sending>confirmed', 'sending>pending', 'sending>in_doubt', 'sending>parked',
    'in_doubt>confirmed', 'in_doubt>pending', 'in_doubt>parked',
    'confirmed>pending',
    'parked>pending'
) OR (NEW.ack_state = 'none' AND OLD.ack_outcome = 'exported'))
BEGIN
    SELECT RAISE(ABORT, 'an acknowledgement cannot go this way');
END;
