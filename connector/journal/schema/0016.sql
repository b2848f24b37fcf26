-- The time, by the machine's clock, before which its records cannot be compared with what comes: it was set since.
ALTER TABLE clock ADD COLUMN comparable INTEGER NOT NULL DEFAULT 0;
