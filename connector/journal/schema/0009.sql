-- Acknowledgements that wait are found by their state, and the oldest of them by its age: there may be a million.

DROP INDEX acks_open;
CREATE INDEX acks_open ON orders (
    source, ack_state, ack_next,
    CASE WHEN ack_done_at IS NULL THEN ack_at ELSE updated_at END + ack_moved   -- since when; see `unfinished.SINCE`
) WHERE ack_state IN ('pending', 'sending', 'in_doubt');
