-- What was, or may have been, sent to change an order; `connector.journal.changes`.
ALTER TABLE changes ADD COLUMN sending INTEGER NOT NULL DEFAULT 0;      -- 1: claimed, and not heard of since
ALTER TABLE changes ADD COLUMN doubt_until INTEGER NOT NULL DEFAULT 0;  -- until then a reading may be older than it
ALTER TABLE changes ADD COLUMN applied INTEGER NOT NULL DEFAULT 0;      -- 1: answered with a success, and not shown yet
ALTER TABLE changes ADD COLUMN unshown INTEGER NOT NULL DEFAULT 0;      -- readings in a row that did not show it

CREATE INDEX changes_sending ON changes (receiver) WHERE sending = 1;
CREATE INDEX changes_doubt ON changes (receiver, doubt_until) WHERE doubt_until > 0;
