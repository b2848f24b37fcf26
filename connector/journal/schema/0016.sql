-- The time, by the machine's clock, before which its records cannot be compared with what comes: the clock was set since,
-- or a newer journal was in use.
ALTER TABLE clock ADD COLUMN comparable INTEGER NOT NULL DEFAULT 0;
